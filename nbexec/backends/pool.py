"""A pool of workers, each acquired by one run at a time and kept warm in between.

Runs never share a worker: one run's crash, kill or hang is not another's, and a run
inside a task of a run can't wait for a worker that its own parent holds.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

from ..errors import BackendError
from ..system import after_fork
from ..worker import children


class PooledWorker(Protocol):
    """One worker."""

    healthy: bool  # False: not to be used again

    def close(self) -> None:
        """End it when it has finished its current job."""

    def end(self) -> None:
        """Stop it as far as it can be stopped, and wait for that."""


S = TypeVar("S", bound=PooledWorker)


def inherited() -> tuple[Any, ...]:
    """Give what a process that was started now would inherit."""
    try:
        folder = os.getcwd()
    except OSError:  # it is gone
        folder = ""
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    return folder, dict(os.environ), [*sys.path], cores, children.start_method()


class Pool(Generic[S]):
    """Workers made on demand; at most `keep` idle ones stay."""

    def __init__(self, make: Callable[[int], S], keep: int) -> None:
        self._make = make
        self._keep = keep
        self._idle: list[S] = []
        self._in_use: set[S] = set()
        self._ahead: dict[S, Any] = {}  # made before they are needed, with what they inherited
        self._made = 0
        self._closed = False
        self._lock = threading.Lock()
        after_fork.watch(self)

    def after_fork(self) -> None:
        """Begin without workers: those there are, if they still are, are the parent's."""
        after_fork.keep(self._idle, self._in_use, self._ahead)
        self._idle, self._in_use, self._ahead = [], set(), {}
        self._closed = False
        self._lock = threading.Lock()

    def acquire(self, fits: Callable[[S], bool] | None = None) -> S:
        """Give a worker to its only user, a warm one where there is one that `fits`."""
        with self._lock:
            if self._closed:
                raise BackendError("the interpreter is shutting down: no worker can be started")
            for worker in self._idle[::-1]:
                if not self._usable(worker):
                    self._idle.remove(worker)
                    self._drop(worker)
                elif fits is None or fits(worker):
                    self._idle.remove(worker)
                    self._ahead.pop(worker, None)
                    self._in_use.add(worker)
                    return worker
            worker = self._new()
            self._in_use.add(worker)
            return worker

    def ensure(
        self, workers: dict[int, S], slot: int, fits: Callable[[S], bool] | None = None
    ) -> S:
        """Give the worker of `slot`; a new one where there is none, or it can't be used again."""
        worker = workers.get(slot)
        if worker is None or not worker.healthy:
            if worker is not None:
                self.release(worker)
            worker = workers[slot] = self.acquire(fits)
        return worker

    def fill(self, most: int) -> bool:
        """Make one idle worker ahead of time; give False where `most` workers are there.

        A run never sees that it was made early: once what it inherited has changed, another
        takes its place.
        """
        with self._lock:
            for worker in [one for one in self._idle if not self._usable(one)]:
                self._idle.remove(worker)
                self._drop(worker)
            if self._closed or len(self._idle) + len(self._in_use) >= min(most, self._keep):
                return False
            here = inherited()
            worker = self._new()
            self._ahead[worker] = here
            self._idle.append(worker)
            return True

    def _new(self) -> S:
        number, self._made = self._made, self._made + 1
        return self._make(number)

    def _usable(self, worker: S) -> bool:
        return worker.healthy and (worker not in self._ahead or self._ahead[worker] == inherited())

    def _drop(self, worker: S) -> None:
        self._ahead.pop(worker, None)
        worker.close()

    def release(self, worker: S) -> None:
        """Give a worker back: it waits for the next run, or ends."""
        with self._lock:
            self._in_use.discard(worker)
            if worker.healthy and len(self._idle) < self._keep and not self._closed:
                self._idle.append(worker)
                return
        worker.close()

    def trim(self) -> None:
        """End the idle workers."""
        with self._lock:
            idle, self._idle = self._idle, []
            self._ahead.clear()
        for worker in idle:
            worker.close()

    @property
    def idle(self) -> list[S]:
        """The idle workers."""
        return [*self._idle]

    def close(self) -> None:
        """End every worker, also those in use; there are no more after that."""
        with self._lock:
            workers = [*self._idle, *self._in_use]
            self._idle.clear()
            self._in_use.clear()
            self._ahead.clear()
            self._closed = True
        for worker in workers:
            worker.end()
