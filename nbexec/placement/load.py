"""Load: how many items run at once, and what those that ended have shown of that."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import NamedTuple

TICK = 1e-9  # seconds that an item takes at least
BUSY = 0.5  # cores that items compute on, from which on the number doesn't grow unmeasured
LONGER = 1.4  # times as long as with few workers: they may be waiting for one another


class Measured(NamedTuple):
    """What a number of workers gave."""

    level: int
    each: float  # seconds an item
    throughput: float  # items a second
    cores: float = 0.0  # that items computed on


def mean(seen: Collection[Measured]) -> Measured:
    """Give what several measurements of one number show together."""
    level = next(iter(seen)).level
    each, throughput, cores = (sum(one[at] for one in seen) / len(seen) for at in (1, 2, 3))
    return Measured(level, each, throughput, cores)


class Load:
    """The number at once, and the items that ended since it last changed.

    Parameters
    ----------
    level : int
        How many run at once.
    now : float
        Seconds, on any clock.
    few : float
        Seconds that an item takes with few workers, where an earlier run has shown that.
    """

    def __init__(self, level: int, now: float, few: float) -> None:
        self.level = level
        self.why = "as in an earlier run" if few else ""  # it stands where it does
        self.few = few  # seconds that an item takes with few workers, as far as is known
        self.each: float | None = None  # seconds an item, recently
        self.all = 0  # items that ended
        self.begun = self.changed = now  # and when the number last changed
        self.busy, self.most = 0, level  # items that run, and that may
        self.settled = -math.inf  # items that began before it don't tell how long one takes
        self.first = level
        self.alone, self.alone_wall = 0, 0.0  # items that began at once, and ended
        self.begin_window(now)

    def begin_window(self, since: float, skip: int | None = None) -> None:
        """Count from now on; with `skip` those that end after so many more.

        Of them those are timed that began since the number changed: others waited behind as
        many as there were then.
        """
        self.skip = skip
        self.items, self.wall, self.cpu, self.since = 0, 0.0, 0.0, since
        self.squares, self.timed = 0.0, 0

    def change(self, level: int, now: float, skip: int | None = None) -> None:
        """Have so many run at once."""
        self.level, self.changed = level, now
        self.settled = -math.inf if skip is None else now
        self.begin_window(now, skip)

    def learn(self, items: int, wall: float, cpu: float, first: float, begun: float) -> None:
        """Take in that items ended; see `Concurrency.learn`."""
        if first and self.alone < self.first:
            self.alone += 1
            self.alone_wall += first
        if self.skip is not None:  # those that began before the number changed
            self.skip -= items
            return
        self.items += items
        self.all += items
        if begun < self.settled:
            return
        self.timed += items
        self.wall += wall
        self.squares += wall * wall / items
        self.cpu += cpu

    @property
    def mean(self) -> float:
        """Seconds that an item took, of those that are timed."""
        return max(TICK, self.wall / self.timed)

    def spread(self) -> float:
        """Give the standard deviation of an item's seconds, as a share of their mean."""
        return math.sqrt(max(0.0, self.squares / self.timed - self.mean**2)) / self.mean

    def with_few(self, now: float) -> float:
        """Give the seconds that an item takes with few workers, at least."""
        if self.few:
            return self.few
        running = (self.first - self.alone) * (now - self.begun)
        return (self.alone_wall + running) / self.first
