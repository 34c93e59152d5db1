"""Concurrency: how many items run at once where they wait, by hill climbing on throughput.

Nobody knows beforehand how many waits pay: a sleep bears any number, a server serves so many
at once, and what is beyond that waits in its queue.  So the number grows while it pays, as in
the congestion control of TCP:

- **Slow start.**  It doubles, at first without waiting for items to end, while items wait and
  compute little; the longer items last, the slower.  It ends where it doubled twice and
  throughput hardly rose.  What throughput needs is then ``items a second * seconds an item
  takes with few workers``, as in BBR (Cardwell and others, ACM Queue 14(5), 2016).
- **Trials.**  Now and then, ever less often, more are tried, up to less than twice what the
  throughput needs, and kept where it rises by a share of what it might.  Where items take longer
  than they did with few workers, fewer are tried, and kept where throughput stays.
"""

from __future__ import annotations

import math

from .load import BUSY, Load
from .slow_start import SlowStart
from .trials import Trials

POLL = 0.03  # seconds between two looks once it doesn't double any more
SELDOM = 0.2  # the same while the kernel computes: who looks wants the GIL, too


class Concurrency:
    """The number of workers of a run whose items wait.

    Parameters
    ----------
    level : int
        How many there are.
    now : float
        Seconds, on any clock.
    few : float
        Seconds that an item takes with few workers, where an earlier run has shown that, and
        that so many pay: then there is no slow start.  0 where nothing is known.
    """

    def __init__(self, level: int, now: float, few: float = 0.0) -> None:
        self._load = Load(level, now, few)
        self._trials = Trials(self._load)
        self._start: SlowStart | None = None if few else SlowStart(self._load)
        self.grew = math.inf  # when it first did
        self._looked = now
        self._computing = False  # whether the kernel does, more than it waits

    @property
    def level(self) -> int:
        """How many there are."""
        return self._load.level

    @property
    def why(self) -> str:
        """Why the number stands where it does; "" where that isn't known."""
        return self._load.why

    @property
    def few(self) -> float:
        """Seconds that an item takes with few workers; 0 while more would pay."""
        return self._load.few if self._start is None else 0.0

    def learn(self, items: int, wall: float, cpu: float, first: float, begun: float) -> None:
        """Take in that items ended.

        Parameters
        ----------
        items : int
            How many.
        wall, cpu : float
            The seconds that they took together, and those of them on a core.
        first : float
            The seconds that the first of them took, if it began when this did, else 0.
        begun : float
            When it began.
        """
        self._load.learn(items, wall, cpu, first, begun)

    def due(self) -> float:
        """When to look again, though nothing ended."""
        again = self._looked + (SELDOM if self._computing else POLL)
        return again if self._start is None else min(self._start.due(), again)

    def look(self, now: float, cores: float, busy: int, waiting: bool, most: int) -> bool:
        """Take a step where one is due; give whether the number changed.

        Parameters
        ----------
        now : float
            The time.
        cores : float
            How many cores the kernel computed on lately.
        busy : int
            How many items run.
        waiting : bool
            Whether others wait for a worker.
        most : int
            How many may run.
        """
        load, before = self._load, self._load.level
        load.busy, load.most = busy, most
        self._looked, self._computing = now, cores >= BUSY
        if self._start is None:
            self._trials.look(now, cores, waiting)
            return load.level != before
        ended = self._start.look(now, cores, waiting)
        self.grew = self._start.grew
        if ended is not None:
            self._stand(now, ended.why)
            if ended.saturated is not None:
                self._trials.try_fewer(ended.saturated, now)
        return load.level != before

    def halve(self, now: float, why: str) -> None:
        """Have half as many: those that there are were too many for something."""
        self._start = None
        self._trials.halve(now, why)

    def limit(self, level: int, now: float) -> None:
        """Have no more than `level`: there can't be."""
        self._stand(now, "no more threads can be made")
        self._trials.rest()
        self._load.level = max(1, level)

    def _stand(self, now: float, why: str) -> None:
        self._start = None
        self._trials.begin(now, why)
