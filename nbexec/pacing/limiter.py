"""Limiter: a limit in force, by key, for all runs of this process that share it."""

from __future__ import annotations

import threading
from collections.abc import Hashable
from typing import Any, NamedTuple, Protocol

from ..options.rates import Rate
from ..system import after_fork
from .windows import Amounts, Start, Windows

POLL = 0.02  # seconds between two looks while what is waited for isn't known
SWEEP = 1024  # keys, from which on those that don't count any more are forgotten


class Ticket(NamedTuple):
    """A start that was reserved, and with whom."""

    windows: Windows
    start: Start


class Limiting(Protocol):
    """What a run asks before it sends an item."""

    rates: tuple[Rate, ...]

    def free_at(self, key: Hashable, amounts: Amounts, now: float) -> float:
        """Give when to look again whether so much may start: `now`, or earlier, if it may."""

    def reserve(self, key: Hashable, amounts: Amounts, now: float) -> Any:
        """Reserve a start, to be sent at once; a float where none may: when to look again."""

    def started(self, ticket: Any, at: float) -> None:
        """Note that a reserved start was at the time `at`, or before that."""

    def correct(self, ticket: Any, amounts: Amounts) -> None:
        """Note how much it was in the end."""


class Limiter:
    """A limit that is this process's own; any thread may use it."""

    def __init__(self, rates: tuple[Rate, ...]) -> None:
        self.rates = rates
        self._keys: dict[Hashable, Windows] = {}
        self._sweep = SWEEP
        self._lock = threading.Lock()
        after_fork.watch(self)

    def after_fork(self) -> None:
        """Have a lock that nobody holds."""
        self._lock = threading.Lock()

    def change(self, rates: tuple[Rate, ...]) -> None:
        """Have other rates in force: what started lately counts as before, where that is known."""
        with self._lock:
            if rates != self.rates:
                self.rates = rates
                for one in self._keys.values():
                    one.change(rates)

    def free_at(self, key: Hashable, amounts: Amounts, now: float) -> float:
        """See `Limiting`."""
        with self._lock:
            return _soon(self._of(key, now).free_at(now, amounts), now)

    def reserve(self, key: Hashable, amounts: Amounts, now: float) -> Ticket | float:
        """See `Limiting`."""
        with self._lock:
            windows = self._of(key, now)
            at = windows.free_at(now, amounts)
            return Ticket(windows, windows.reserve(amounts)) if at <= now else _soon(at, now)

    def started(self, ticket: Ticket, at: float) -> None:
        """See `Limiting`."""
        with self._lock:
            ticket.windows.known(ticket.start, at)

    def correct(self, ticket: Ticket, amounts: Amounts) -> None:
        """See `Limiting`."""
        with self._lock:
            ticket.windows.correct(ticket.start, amounts)

    def _of(self, key: Hashable, now: float) -> Windows:
        windows = self._keys.get(key)
        if windows is None:
            if len(self._keys) >= self._sweep:
                for one in self._keys.values():
                    one.free_at(now, {})  # forgets what is over
                self._keys = {of: one for of, one in self._keys.items() if not one.empty}
                self._sweep = max(SWEEP, 2 * len(self._keys))
            windows = self._keys[key] = Windows(self.rates)
        return windows


def _soon(at: float, now: float) -> float:
    return now + POLL if at == float("inf") else at
