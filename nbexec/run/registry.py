"""Roster: the runs of this kernel, those that go on and those that somebody still holds.

A run that has ended is kept by whoever has it, or its results; so nothing stays in memory
that was let go.  But what ran in the background, and nobody has asked for yet, is kept.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .handle import Run

ENDED = 100  # runs that have ended and are told of
UNREAD = 10  # background runs that are kept till somebody takes their results


class RunRegistry:
    """Runs by their ids."""

    def __init__(self) -> None:
        self._runs: weakref.WeakValueDictionary[str, Run] = weakref.WeakValueDictionary()
        self._unread: deque[Run] = deque(maxlen=UNREAD)
        self._lock = threading.Lock()

    def add(self, run: Run) -> None:
        """Note that a run begins."""
        with self._lock:
            self._runs[run.id] = run

    def keep(self, run: Run) -> None:
        """Hold a run that has ended, since nobody has taken its results."""
        with self._lock:
            self._unread.append(run)

    def taken(self, run: Run) -> None:
        """Hold it no longer."""
        with self._lock:
            if run in self._unread:
                self._unread.remove(run)

    def find(self, run_id: str) -> Run | None:
        """Give the run of this id, where it is still there."""
        with self._lock:
            return self._runs.get(run_id)

    def runs(self) -> list[Run]:
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
    """Give an id: when the run was made, and a number drawn by lot."""
    return f"{time.strftime('%Y%m%d-%H%M%S')}-{os.urandom(3).hex()}"


run_registry = RunRegistry()
