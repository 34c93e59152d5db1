"""A pool of slots, each leased to one run at a time and kept warm in between.

Runs never share a slot: one run's crash, kill or hang is not another's, and a run
inside a task of a run can't wait for a worker that its own parent holds.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from ..errors import BackendError


class Slot(Protocol):
    """One worker."""

    healthy: bool  # False: not to be used again

    def close(self) -> None:
        """Let it go; it may finish what it is in."""

    def end(self) -> None:
        """Stop it as far as it can be stopped, and wait for that."""


S = TypeVar("S", bound=Slot)


class Pool(Generic[S]):
    """Slots made on demand; at most `keep` idle ones stay."""

    def __init__(self, make: Callable[[int], S], keep: int) -> None:
        self._make = make
        self._keep = keep
        self._idle: list[S] = []
        self._leased: set[S] = set()
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
                if slot.healthy:
                    self._leased.add(slot)
                    return slot
                slot.close()
            number, self._made = self._made, self._made + 1
            slot = self._make(number)
            self._leased.add(slot)
            return slot

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
        for slot in idle:
            slot.close()

    @property
    def idle(self) -> int:
        """How many warm slots wait."""
        return len(self._idle)

    def close(self) -> None:
        """End every slot, leased ones too; there are no more after that."""
        with self._lock:
            slots = [*self._idle, *self._leased]
            self._idle.clear()
            self._leased.clear()
            self._closed = True
        for slot in slots:
            slot.end()
