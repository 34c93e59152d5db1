"""Where the time of an item goes: microseconds of CPU time for each stage of its way.

Measured from outside: what does a stage is wrapped while a run goes on.
"""

from __future__ import annotations

import functools
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import psutil

import nbexec
from nbexec.backends import remote
from nbexec.backends.processes import ProcessesSession
from nbexec.items.sinks import Gather
from nbexec.run.backlog import Backlog
from nbexec.run.loop import Loop
from nbexec.serialize import pickling
from nbexec.telemetry.publisher import Publisher

from .catalog import Setting, benchmark
from .goals import value
from .measure import Parts, Sides
from .work import noop

# In the kernel, all in the loop's thread.
STAGES: dict[str, tuple[Any, str]] = {
    "kernel: plan": (Backlog, "next"),
    "kernel: pickle items": (pickling, "dumps_beside"),
    "kernel: hand to loky": (ProcessesSession, "send"),
    "kernel: unpickle results": (remote, "receive"),
    "kernel: fold the state": (Publisher, "emit"),
    "kernel: gather": (Gather, "put"),
}
LOOP = "kernel: rest of the loop"
CALLER = "kernel: the caller's thread"
PIPE = "kernel: loky's threads, pipes"
CALLS = "worker: the calls"
BACK = "worker: unpickle, pickle, pipe"


@benchmark(
    "stages",
    "50,000 items that do nothing, processes: where the time goes",
    {"": value(None, "µs an item")},
)
def stages(setting: Setting) -> Iterator[Sides]:
    items = list(range(setting.size(50_000, 1_000)))

    def once() -> tuple[float, Parts]:
        with spent() as found:
            begun = [clock() for clock in CLOCKS]
            results = nbexec.map(
                noop, items, backend="processes", workers=setting.workers, progress="off"
            )
            now = [clock() for clock in CLOCKS]
        wall, kernel, caller, workers = (b - a for a, b in zip(begun, now, strict=True))
        inside = sum(found[stage] for stage in STAGES)
        calls = results.stats.cpu_seconds
        seconds = {stage: found[stage] for stage in STAGES} | {
            LOOP: found[LOOP] - inside,
            CALLER: caller,
            PIPE: kernel - caller - found[LOOP],
            CALLS: calls,
            BACK: workers - calls,
        }
        return wall / len(items) * 1e6, {
            stage: took / len(items) * 1e6 for stage, took in seconds.items()
        }

    yield Sides(once, note="wall time; the stages are CPU time, of all processes at once")


@contextmanager
def spent() -> Iterator[Counter[str]]:
    """Give the CPU seconds of the loop's thread in each stage, as they add up."""
    found: Counter[str] = Counter()
    with ExitStack() as patches:
        for stage, (owner, name) in {**STAGES, LOOP: (Loop, "run")}.items():
            counted = _counted(getattr(owner, name), found, stage)
            patches.enter_context(mock.patch.object(owner, name, counted))
        yield found


def _counted(work: Callable[..., Any], found: Counter[str], stage: str) -> Callable[..., Any]:
    @functools.wraps(work)
    def counted(*args: Any, **kwargs: Any) -> Any:
        begun = time.thread_time()
        try:
            return work(*args, **kwargs)
        finally:
            found[stage] += time.thread_time() - begun

    return counted


def _workers() -> float:
    """Give the CPU seconds of all processes below this one, to the nanosecond."""
    nanoseconds = 0
    for process in psutil.Process().children(recursive=True):
        for path in Path(f"/proc/{process.pid}/task").glob("*/schedstat"):
            nanoseconds += int(path.read_text().split()[0])
    return nanoseconds / 1e9


CLOCKS = time.perf_counter, time.process_time, time.thread_time, _workers
