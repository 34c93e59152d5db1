"""Runs of executors that have not ended: they do when Python exits."""

from __future__ import annotations

import functools

from ..items.call_queue import CallQueue
from ..run.handle import Run
from ..system import after_fork, at_exit
from .done_callbacks import DoneCallbacks

_open: dict[Run, tuple[CallQueue, DoneCallbacks]] = {}
after_fork.add(_open.clear)


def add(run: Run, calls: CallQueue, callbacks: DoneCallbacks) -> None:
    """Have a run that was started end when Python exits, if it is still open then."""
    _open[run] = calls, callbacks
    run.add_done_callback(functools.partial(_over, calls, callbacks))
    at_exit.add(_finish)


def close(calls: CallQueue, run: Run) -> None:
    """Accept no further calls."""
    calls.close()
    run.wake()


def _over(calls: CallQueue, callbacks: DoneCallbacks, run: Run) -> None:
    _open.pop(run, None)
    calls.drain()  # nothing, unless the run was cancelled
    callbacks.close()


def _finish() -> None:
    """Accept no further calls, and wait for the accepted ones: Python is exiting."""
    runs = list(_open.items())
    for run, (calls, _) in runs:
        close(calls, run)
    for run, (_, callbacks) in runs:
        run.wait()
        callbacks.join()
