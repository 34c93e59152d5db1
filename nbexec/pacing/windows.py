"""Windows: how much started lately, and whether more may.  No clock, no I/O, no thread.

The law is about starts: in any window ``[t, t + seconds)`` no more than `most`.  An item is
counted from when it is reserved.  When it starts is known only later, and only that it was not
after some time: from then on it is counted for as long as the window.  So whatever lies between
a reservation and a start, a worker that is late or a queue, the law holds.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Iterable, Mapping

from ..options.rates import Rate

SLACK = 1e-9  # of a limit: what adding up fractions may be off by

Amounts = Mapping[str, float]  # by unit


class Start:
    """A reserved start."""

    __slots__ = ("amounts", "at")

    def __init__(self, amounts: Amounts) -> None:
        self.amounts = amounts
        self.at = math.inf  # it was then, or before


class Window:
    """One rate: what counts in it now."""

    def __init__(self, rate: Rate) -> None:
        self.rate = rate
        self._used = 0.0
        self._inside: dict[Start, float] = {}
        self._ends: list[tuple[float, int, Start]] = []  # a heap: when a known start is outside
        self._order = itertools.count()

    def free_at(self, now: float, amount: float) -> float:
        """Give when to look again whether `amount` may start: `now` if it may.

        It is the time of the next change; infinity where that is a start that isn't known yet.
        """
        self._forget(now)
        if self._used + amount <= self.rate.most * (1 + SLACK):
            return now
        return self._ends[0][0] if self._ends else math.inf

    def _forget(self, now: float) -> None:
        ends = self._ends
        while ends and (ends[0][0] <= now or ends[0][2] not in self._inside):
            self._used -= self._inside.pop(heapq.heappop(ends)[2], 0.0)
        if not self._inside:
            self._used = 0.0  # fractions have added up

    def add(self, start: Start) -> None:
        """Count a start, from now on."""
        amount = self._inside[start] = start.amounts.get(self.rate.unit, 0.0)
        self._used += amount

    def known(self, start: Start) -> None:
        """Note that it is known when it was; or better than before."""
        if start in self._inside:
            heapq.heappush(self._ends, (start.at + self.rate.seconds, next(self._order), start))

    def correct(self, start: Start, amount: float) -> None:
        """Note how much it was in the end."""
        if start in self._inside:
            self._used += amount - self._inside[start]
            self._inside[start] = amount

    def take_over(self, other: Window) -> None:
        """Count what another window counts."""
        for start in other._inside:
            self.add(start)
            if start.at < math.inf:
                self.known(start)

    @property
    def empty(self) -> bool:
        """Whether nothing counts, as of the last look."""
        return not self._inside


class Windows:
    """Several rates at once, in one unit or in several.

    Examples
    --------
    >>> windows = Windows([Rate(2, 1.0)])
    >>> starts = [windows.reserve({"calls": 1}) for _ in range(2)]
    >>> for start, at in zip(starts, (10.0, 10.5)):
    ...     windows.known(start, at)
    >>> windows.free_at(10.7, {"calls": 1}), windows.free_at(11.0, {"calls": 1})
    (11.0, 11.0)
    """

    def __init__(self, rates: Iterable[Rate]) -> None:
        self._windows = [Window(rate) for rate in rates]

    def free_at(self, now: float, amounts: Amounts) -> float:
        """Give when to look again whether so much may start: `now` if it may."""
        return max(one.free_at(now, amounts.get(one.rate.unit, 0.0)) for one in self._windows)

    def reserve(self, amounts: Amounts) -> Start:
        """Count a start that will be, at a time that isn't known."""
        start = Start(amounts)
        for one in self._windows:
            one.add(start)
        return start

    def known(self, start: Start, at: float) -> None:
        """Note that a start was at the time `at`, or before that."""
        if at < start.at:
            start.at = at
            for one in self._windows:
                one.known(start)

    def correct(self, start: Start, amounts: Amounts) -> None:
        """Note how much it was in the end, in some units."""
        start.amounts = {**start.amounts, **amounts}
        for one in self._windows:
            if one.rate.unit in amounts:
                one.correct(start, amounts[one.rate.unit])

    def change(self, rates: Iterable[Rate]) -> None:
        """Have other rates in force; what started lately counts, as far back as it is known."""
        before = self._windows
        self._windows = [Window(rate) for rate in rates]
        for one in self._windows:
            alike = [old for old in before if old.rate.unit == one.rate.unit]
            one.take_over(max(alike or before, key=lambda old: old.rate.seconds))

    @property
    def empty(self) -> bool:
        """Whether nothing counts, as of the last look."""
        return all(one.empty for one in self._windows)


def too_much(rates: Iterable[Rate], amounts: Amounts) -> Rate | None:
    """Give the rate that such a start is over by itself, if there is one."""
    over = (rate for rate in rates if amounts.get(rate.unit, 0.0) > rate.most * (1 + SLACK))
    return next(over, None)
