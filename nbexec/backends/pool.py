"""A pool of slots, each leased to one run at a time and kept warm in between.

Runs never share a slot: one run's crash, kill or hang is not another's, and a run
inside a task of a run can't wait for a worker that its own parent holds.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

from ..errors import BackendError


class PooledWorker(Protocol):
    """One worker."""

    healthy: bool  # False: not to be used again

    def close(self) -> None:
        """Let it go; it may finish what it is in."""

    def end(self) -> None:
        """Stop it as far as it can be stopped, and wait for that."""


S = TypeVar("S", bound=PooledWorker)


def inherited() -> tuple[Any, ...]:
    """Give what a process has from the one that starts it, as that is now."""
    try:
        folder = os.getcwd()
    except OSError:  # it is gone
        folder = ""
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    return folder, dict(os.environ), [*sys.path], cores


class Pool(Generic[S]):
    """Slots made on demand; at most `keep` idle ones stay."""

    def __init__(self, make: Callable[[int], S], keep: int) -> None:
        self._make = make
        self._keep = keep
        self._idle: list[S] = []
        self._leased: set[S] = set()
        self._ahead: dict[S, Any] = {}  # made before they are needed, with what they inherited
        self._made = 0
        self._closed = False
        self._lock = threading.Lock()

    def lease(self) -> S:
        """Give a slot that nobody else uses, a warm one where there is one."""
        with self._lock:
            if self._closed:
                raise BackendError("the interpreter is shutting down: no worker can be started")
            while self._idle:
                slot = self._idle.pop()
                if self._usable(slot):
                    self._ahead.pop(slot, None)
                    self._leased.add(slot)
                    return slot
                self._drop(slot)
            slot = self._new()
            self._leased.add(slot)
            return slot

    def leased(self, workers: dict[int, S], number: int) -> S:
        """Give the one of `workers` with this number; another where that can't be used again."""
        worker = workers.get(number)
        if worker is None or not worker.healthy:
            if worker is not None:
                self.give_back(worker)
            worker = workers[number] = self.lease()
        return worker

    def fill(self, most: int) -> bool:
        """Make one idle slot ahead of time; give False where `most` slots are there.

        A run never sees that it was made early: once what it inherited has changed, another
        takes its place.
        """
        with self._lock:
            for slot in [one for one in self._idle if not self._usable(one)]:
                self._idle.remove(slot)
                self._drop(slot)
            if self._closed or len(self._idle) + len(self._leased) >= min(most, self._keep):
                return False
            here = inherited()
            slot = self._new()
            self._ahead[slot] = here
            self._idle.append(slot)
            return True

    def _new(self) -> S:
        number, self._made = self._made, self._made + 1
        return self._make(number)

    def _usable(self, slot: S) -> bool:
        return slot.healthy and (slot not in self._ahead or self._ahead[slot] == inherited())

    def _drop(self, slot: S) -> None:
        self._ahead.pop(slot, None)
        slot.close()

    def give_back(self, slot: S) -> None:
        """End a lease."""
        with self._lock:
            self._leased.discard(slot)
            if slot.healthy and len(self._idle) < self._keep and not self._closed:
                self._idle.append(slot)
                return
        slot.close()

    def trim(self) -> None:
        """Let the warm slots go."""
        with self._lock:
            idle, self._idle = self._idle, []
            self._ahead.clear()
        for slot in idle:
            slot.close()

    @property
    def idle(self) -> list[S]:
        """The slots that wait."""
        return [*self._idle]

    def close(self) -> None:
        """End every slot, leased ones too; there are no more after that."""
        with self._lock:
            slots = [*self._idle, *self._leased]
            self._idle.clear()
            self._leased.clear()
            self._ahead.clear()
            self._closed = True
        for slot in slots:
            slot.end()
