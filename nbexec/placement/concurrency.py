"""Concurrency: how many items run at once where they wait, by hill climbing on throughput.

Nobody knows beforehand how many waits pay: a sleep bears any number, a server serves so many
at once, and what is beyond that waits in its queue.  So the number grows while it pays, as in
the congestion control of TCP:

- **Slow start.**  It doubles, at first without waiting for items to end, while items wait and
  compute little; the longer items last, the slower.  It ends where it doubled twice and
  throughput hardly rose.  What throughput needs is then ``items a second * seconds an item
  takes with few workers``, as in BBR (Cardwell and others, ACM Queue 14(5), 2016).
- **Trials.**  Now and then, ever less often, more are tried, and kept where throughput rises by
  a share of what it might.  Where items take longer than they did with few workers, fewer are
  tried, and kept where throughput stays.
"""

from __future__ import annotations

import math
from typing import NamedTuple

TICK = 1e-9  # seconds that an item takes at least
LEAST = 0.001  # seconds between two steps of the slow start
STEP = 0.0025  # seconds of slow start for each time the first number: 6 at 0, 12 at 5 ms, 24 at 10
UNSEEN = 128  # at most, until an item has ended
ROUND = 0.5  # share of an item's seconds, between two steps
BUSY = 0.5  # cores that items compute on, from which on it doesn't grow unmeasured
PAUSE = 0.1  # seconds between two looks at whether it still does
LONG = 0.3  # seconds in which it does, from which on it isn't waited for
FULL = 0.85  # from which on more aren't tried
NOISE = 0.005  # seconds that an item may take longer on a busy machine
ENDED = 0.5  # share of items that should have ended, which at least ends where more pay
LONGER = 1.4  # times as long as with few workers: they may be waiting for one another
PAYS = 0.25  # more are kept where throughput rises by this share of what it might
SAME = 0.85  # fewer are kept where throughput is at least this share of what it was
SPARE = 1.25  # times the number that throughput needs
ITEMS = 20  # at least, that tell what a number of workers gives
ROUNDS = 3  # times an item's seconds, in which as many bursts don't tell something else
WINDOW = 0.15  # seconds, likewise: a few looks, between which what ends is seen all at once
MORE, FEWER = 1.5, 0.7  # times as many are tried
PATIENCE = 3  # measurements until more are tried; each time that it doesn't pay twice as many
LONGEST = 48


class Measured(NamedTuple):
    """What a number of workers gave."""

    level: int
    each: float  # seconds an item
    throughput: float  # items a second
    cores: float = 0.0  # that items computed on


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
        self.level = level
        self.why = "as in an earlier run" if few else ""  # it stands where it does
        self._first = level
        self._ramping = not few
        self._begun = self._changed = now  # when the slow start began, and when it last grew
        self._alone, self._alone_wall = 0, 0.0  # items that began at once, and ended
        self._few = few  # seconds that one takes with few workers, as far as is known
        self._each: float | None = None  # seconds an item, recently
        self._all = 0  # items that ended since the slow start began
        self._started = [(now, level)]  # how many items had begun, and when
        self.grew = math.inf  # when it first did
        self._next = now  # not to look before
        self._computing_since = 0.0  # when the kernel was first seen to compute
        self._late_since = 0.0  # when fewer ended for the first time than should have
        self._busy, self._most = 0, level  # items that run, and that may
        self._skip: int | None = None  # items that end before others count
        self._begin_window(now)
        self._before: Measured | None = None  # what is compared with, after a change
        self._patience = self._left = PATIENCE

    def learn(self, items: int, wall: float, cpu: float, first: float, now: float) -> None:
        """Take in that items ended.

        Parameters
        ----------
        items : int
            How many.
        wall, cpu : float
            The seconds that they took together, and those of them on a core.
        first : float
            The seconds that the first of them took, if it began when this did, else 0.
        now : float
            The time.
        """
        if first and self._alone < self._first:
            self._alone += 1
            self._alone_wall += first
        if self._skip is not None:  # those that began before the number changed
            self._skip -= items
            return
        self._items += items
        self._wall += wall
        self._cpu += cpu
        self._all += items

    def due(self) -> float:
        """When to look again, though nothing ended."""
        if not self._ramping:
            return math.inf
        soonest = self._begun + STEP * self.level / self._first
        if self._each is not None:
            soonest = min(soonest, self._changed + self._each * ROUND)
        elif self.level >= UNSEEN:
            return math.inf
        return max(soonest, self._next)

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
        before = self.level
        self._busy, self._most = busy, most
        if self._ramping:
            self._ramp(now, cores, waiting)
        elif self._skip is not None:
            if self._skip <= 0:
                self._begin_window(now)
        elif self._items >= ITEMS and now - self._since >= max(WINDOW, self._wall / self._items):
            self._measured(now, cores, waiting)
        return self.level != before

    def halve(self, now: float, why: str) -> None:
        """Have half as many: those that there are were too many for something."""
        self._stand(now, why)
        self._patience = self._left = LONGEST
        self._change(max(1, self.level // 2), now)
        self._before = None

    def limit(self, level: int, now: float) -> None:
        """Have no more than `level`: there can't be."""
        self._stand(now, "no more threads can be made")
        self._patience = self._left = LONGEST
        self.level = max(1, level)

    @property
    def few(self) -> float:
        """Seconds that an item takes with few workers; 0 while more would pay."""
        return 0.0 if self._ramping else self._few

    # ------------------------------------------------------------ slow start

    def _ramp(self, now: float, cores: float, waiting: bool) -> None:
        if self._items:
            self._each = self._wall / self._items
        if now < self.due() or not waiting:
            return
        if self._items and self.level * self._cpu / max(self._wall, TICK) >= BUSY:
            self._stand(now, "items compute")
            return
        self._next = now + max(LEAST, ROUND * self._with_few(now)) if self._all else now + LEAST
        if self._all and now - self._begun < self._in_time(now):
            return  # what ended may be the briefest
        if self._late(now):
            self._late_since = self._late_since or now
            if now - self._late_since >= self._with_few(now):
                self._saturated(now)
            return
        self._late_since = 0.0
        self._computing_since = (self._computing_since or now) if cores >= BUSY else 0.0
        if self._computing_since:  # whatever it is that computes: it may be over soon
            self._next = now + PAUSE
            if now - self._computing_since > LONG and self._all:
                self._stand(now, "the kernel computes")
        elif self.level >= self._most:
            self._stand(now, f"at most {self._most}")
        else:
            most = self._most if self._all else min(self._most, UNSEEN)
            self.grew, self.why = min(self.grew, now), "more paid so far"
            self._change(min(most, 2 * self.level), now)
            self._started.append((now, self.level + self._all))

    def _late(self, now: float) -> bool:
        """Whether fewer items ended than would have if they took what they do with few workers."""
        if not self._all:
            return False
        then = now - self._in_time(now)
        began = max((count for at, count in self._started if at <= then), default=0)
        return self._all < ENDED * began

    def _in_time(self, now: float) -> float:
        """Give the seconds in which an item ends that waits for no other, by and large."""
        few = self._with_few(now)
        return max(LONGER * few, few + NOISE)

    def _with_few(self, now: float) -> float:
        """Give the seconds that an item takes with few workers, at least."""
        if self._few:
            return self._few
        running = (self._first - self._alone) * (now - self._begun)
        return (self._alone_wall + running) / self._first

    def _stand(self, now: float, why: str) -> None:
        self._ramping, self.why, self._left = False, why, 1
        self._begin_window(now)

    def _saturated(self, now: float) -> None:
        """Go down to what the throughput needs."""
        self._stand(now, "")
        self._few = self._with_few(now)
        rate = self._all / (now - self._begun)
        self._try_fewer(Measured(self.level, self._each or self._few, rate), now)

    def _try_fewer(self, seen: Measured, now: float) -> None:
        needed = math.ceil(SPARE * seen.throughput * self._few)
        self._try(max(1, min(needed, int(FEWER * seen.level))), seen, now)

    # ------------------------------------------------------------ trials

    def _measured(self, now: float, cores: float, waiting: bool) -> None:
        each = self._each = max(self._wall / self._items, TICK)
        took = now - self._since
        throughput = self._items / took
        if took < ROUNDS * each:  # by Little's law, where they may end in bursts
            throughput = min(throughput, self.level / each)
        cores = max(cores, throughput * self._cpu / self._items)
        seen = Measured(self.level, each, throughput, cores)
        before, self._before = self._before, None
        self._begin_window(now)
        if not waiting:
            return
        if self._alone < self._first:
            self._few = max(self._few, self._with_few(now))
        elif not self._few:
            self._few = self._alone_wall / self._alone
        if before is None:
            self._hold(seen, now)
        elif before.level < seen.level:
            self._judge_more(before, seen, now)
        else:
            self._judge_fewer(before, seen, now)

    def _judge_more(self, before: Measured, seen: Measured, now: float) -> None:
        might = seen.level / before.level - 1
        if seen.throughput / before.throughput - 1 >= PAYS * might:
            self._patience = self._left = PATIENCE
            self.why = f"{before.level} did less"
            if seen.level < self._most and seen.cores < FULL:
                self._try(min(self._most, 2 * seen.level), seen, now)
            return
        self._wait_longer(f"{seen.level} did no more")
        self._change(before.level, now)

    def _judge_fewer(self, before: Measured, seen: Measured, now: float) -> None:
        if seen.throughput >= SAME * before.throughput:
            self.why = f"{before.level} did no more"
            if seen.level > 1:
                self._try_fewer(seen, now)
            return
        self._few = seen.each  # they wait for one another no more
        self._wait_longer(f"{seen.level} did less")
        self._try(min(before.level, 2 * seen.level), seen, now)

    def _wait_longer(self, why: str) -> None:
        self.why = why
        self._patience = self._left = min(LONGEST, 2 * self._patience)

    def _hold(self, seen: Measured, now: float) -> None:
        self._left -= 1
        if self._left > 0:
            return
        if seen.cores >= BUSY:  # what they wait for may be the kernel: that is no server's queue
            return
        if seen.each > LONGER * self._few and seen.level > 1:
            self._try_fewer(seen, now)
        elif seen.level < self._most:
            self._try(min(self._most, math.ceil(MORE * seen.level)), seen, now)

    def _try(self, level: int, seen: Measured, now: float) -> None:
        self._change(level, now)
        self._before = seen

    def _change(self, level: int, now: float) -> None:
        self.level, self._changed = level, now
        self._begin_window(now)
        self._skip = None if self._ramping else self._busy

    def _begin_window(self, since: float) -> None:
        self._skip = None
        self._items, self._wall, self._cpu, self._since = 0, 0.0, 0.0, since
