"""Conformance suites: what backends and executors promise, as tests of pytest to subclass.

conformance.py           what both suites are made of: what is missing, what was promised
called.py                functions that the suites have called in workers
executor_conformance.py  the executor suite, of
    executor_futures.py      submit and its futures
    executor_mapping.py      map
    executor_ending.py       shutdown
    executor_workers.py      what runs at once, and the initializer
    executor_beyond.py       what `nbexec.Executor` promises beyond `concurrent.futures`
    executor_queue.py        its queue: order, bounds, options of single calls, its end
    executor_groups.py       continuations, and calls together
    executor_services.py     its workers, jobs, and what it tells
backend_conformance.py   the backend suite, of
    backend_results.py       which results, in which order
    backend_failures.py      what items raise, retries, timeouts, workers that die
    backend_steering.py      cancel, pause, other numbers of workers
    backend_accounts.py      output, progress, events, journal, seed

It needs pytest, which nbexec itself does not: nothing else imports this room.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .backend_conformance import BackendConformance
    from .executor_conformance import ExecutorConformance

__all__ = ["BackendConformance", "ExecutorConformance"]

_WHERE = {
    "BackendConformance": "backend_conformance",
    "ExecutorConformance": "executor_conformance",
}


def __getattr__(name: str) -> Any:
    """Import a suite at its first use: workers, which import `called`, may not have pytest."""
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_WHERE[name]}", __name__), name)
