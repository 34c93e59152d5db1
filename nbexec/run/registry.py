"""RunRegistry: the runs of this kernel, those that go on and those that somebody still holds.

A run that has ended is kept alive by whoever holds it, or its results, and not by the
registry.  Background runs whose results nobody has taken yet are the exception.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections import deque

from ..system import after_fork
from ..telemetry.observer import WatchedRun

ENDED = 100  # ended runs that are listed
UNREAD = 10  # background runs that are kept until somebody takes their results


class RunRegistry:
    """Runs by their ids."""

    def __init__(self) -> None:
        self._runs: weakref.WeakValueDictionary[str, WatchedRun] = weakref.WeakValueDictionary()
        self._unread: deque[WatchedRun] = deque(maxlen=UNREAD)
        self._lock = threading.Lock()

    def add(self, run: WatchedRun) -> None:
        """Note that a run begins."""
        with self._lock:
            self._runs[run.id] = run

    def keep(self, run: WatchedRun) -> None:
        """Hold a run that has ended, since nobody has taken its results."""
        with self._lock:
            self._unread.append(run)

    def taken(self, run: WatchedRun) -> None:
        """Hold a run no longer: its results were taken."""
        with self._lock:
            if run in self._unread:
                self._unread.remove(run)

    def find(self, run_id: str) -> WatchedRun | None:
        """Give the run of this id; None where it is gone."""
        with self._lock:
            return self._runs.get(run_id)

    def runs(self) -> list[WatchedRun]:
        """Give the runs that go on, those in the background first, and then those that ended.

        Of both the latest come first.
        """
        with self._lock:
            runs = list(self._runs.values())
        runs.sort(key=lambda run: run.began, reverse=True)
        going = [run for run in runs if not run.done]
        going.sort(key=lambda run: not run.background)
        return [*going, *[run for run in runs if run.done][:ENDED]]


def new_id() -> str:
    """Give an id: the time at which the run was made, and a random number."""
    return f"{time.strftime('%Y%m%d-%H%M%S')}-{os.urandom(3).hex()}"


run_registry = RunRegistry()


_last: WatchedRun | None = None


def _forget() -> None:
    """Have a forked child begin without runs."""
    global run_registry, _last
    after_fork.keep(run_registry, _last)
    run_registry.__init__()  # type: ignore[misc]  # the same one: others have it by its name
    _last = None


after_fork.add(_forget)


def forget_last() -> None:
    """Have `last_run` give None until a run begins: a cell begins, which may have none."""
    global _last
    _last = None


def remember(run: WatchedRun) -> None:
    """Have `last_run` give this one, which begins now, and `runs` list it."""
    global _last
    if run is not None:
        run.began = time.time()
        run_registry.add(run)
    _last = run


def last_run() -> WatchedRun | None:
    """Give the run that was started last in this kernel; None where there was none.

    After a cell under ``%%parallel`` it is the last run of that cell: None where all of it ran
    serially, so that what is looked at is never another cell's.

    Examples
    --------
    >>> import nbexec
    >>> results = nbexec.map(abs, [-1], progress="off")
    >>> nbexec.last_run() is results.run
    True
    """
    return _last
