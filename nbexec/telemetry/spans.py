"""Spans: bars that may still grow, and the cuts of a chunk's items into bars."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import sub

from ..model import Outcome
from .bars import Bar


@dataclass(slots=True)
class Span:
    """A bar that may still grow."""

    start: float
    end: float
    items: int
    failed: int
    cancelled: int
    retried: int
    first: int
    last: int
    dropped: int = 0
    short: bool = False  # all that it stands for is shorter than the resolution

    def bar(self, lane: int) -> Bar:
        """Give a frozen copy."""
        counts = self.items, self.failed, self.retried, self.first, self.last, self.cancelled
        return Bar(lane, self.start, self.end, *counts, self.dropped)

    def takes(self, other: Span, resolution: float) -> bool:
        """Absorb the next bar, if they are to be drawn together; give whether they are."""
        if other.start - self.end >= resolution:
            return False
        if other.start == other.end:  # stopped with, or right after, what it follows
            pass
        elif not (self.short and other.short):
            return False
        self.end = other.end
        self.items += other.items
        self.failed += other.failed
        self.cancelled += other.cancelled
        self.retried += other.retried
        self.dropped += other.dropped
        self.first = min(self.first, other.first)
        self.last = max(self.last, other.last)
        return True


class ErrorOffsets:
    """Offsets in a chunk of the items without a value."""

    def __init__(self, outcome: Outcome) -> None:
        self._all = sorted(outcome.errors)
        self._cancelled = [at for at in self._all if outcome.errors[at].kind == "cancelled"]

    def within(self, start: int, stop: int) -> tuple[int, int]:
        """Give how many failed, and how many were stopped, from offset `start` to `stop`."""
        every, cancelled = (
            bisect_left(some, stop) - bisect_left(some, start)
            for some in (self._all, self._cancelled)
        )
        return every - cancelled, cancelled


def cuts(
    ends: Sequence[float], before: float, at: int, stop: int, resolution: float
) -> list[tuple[int, bool]]:
    """Give the offsets at which bars end, and whether each is of short items."""
    found = []
    for one in long_items(ends, before, at, stop, resolution):
        if one > at:
            found.append((one, True))
        at = one + 1
        found.append((at, False))
    if at < stop:
        found.append((stop, True))
    return found


def long_items(
    ends: Sequence[float], before: float, at: int, stop: int, resolution: float
) -> Iterator[int]:
    """Give the offsets of items that take at least `resolution`, without visiting every item."""
    span = ends[stop - 1] - before
    if span < resolution:
        return
    stride = int((stop - at) * resolution / span / 2)
    if stride > 1:  # many short items: as a rule there is nothing to be found
        marks = ends[at + stride - 1 : stop : stride]
        steps = map(sub, marks[1:], marks)
        most = max(steps, default=0.0)
        if max(most, marks[0] - before, ends[stop - 1] - marks[-1]) < resolution:
            return
    while (one := bisect_left(ends, before + resolution, at, stop)) < stop:
        if ends[one] - (before if one == at else ends[one - 1]) >= resolution:
            yield one
        at, before = one + 1, ends[one]
