"""Trials: now and then another number at once is tried, and kept where it gives more."""

from __future__ import annotations

import math
from collections import deque

from .load import BUSY, LONGER, TICK, Load, Measured, mean

FULL = 0.85  # cores that items compute on, from which on more aren't tried
PAYS = 0.25  # more are kept where throughput rises by this share of what it might
CHANCE = 0.15  # and by this at least: so much it may rise by chance
SAME = 0.85  # fewer are kept where throughput is at least this share of what it was
SPARE = 1.25  # times the number that throughput needs
AGAIN = 1.75  # the same after fewer were seen to do less: throughput may yet rise
TWICE = 1.7  # at most, when more are tried: with a margin for what is measured by chance
ITEMS = 20  # at least, that tell what a number of workers gives
TELLING = 40  # the same while another number is tried
ERROR = 0.1  # share of the mean that it may be off: where items differ more are needed
LATEST = 8  # times an item's seconds, after which those that there are must do
ROUNDS = 3  # times an item's seconds, in which as many bursts don't tell something else
WINDOW = 0.12  # seconds, likewise: a few looks, between which what ends is seen all at once
HELD = 4  # measurements of one number that are taken together
MORE, FEWER = 1.5, 0.7  # times as many are tried
LEAST = 1.2  # times as many: less doesn't tell
PATIENCE = 3  # measurements until more are tried; each time that it doesn't pay twice as many
LONGEST = 48
# Times an item's seconds, or a window's, after which fewer are tried though items take no longer
# than with few workers: those with few may have been slow ones.  It is done once, and costs a
# share of 1 - FEWER for ROUNDS of them.
OLD = 8


class Trials:
    """What comes after the slow start.

    A server that serves `k` at once gets at most twice as many: what is tried is at most
    ``TWICE * items a second * seconds an item takes with few workers``, by Little's law
    ``TWICE * k`` once it is full, and what was tried is kept where it did more.
    """

    def __init__(self, load: Load) -> None:
        self._load = load
        self._before: Measured | None = None  # what is compared with, after a change
        self._held: deque[Measured] = deque(maxlen=HELD)  # with the number that there is
        self._patience = self._left = PATIENCE
        self._sure = False  # whether it was seen that fewer do less
        self._checking = False  # whether that is being tried

    def begin(self, now: float, why: str) -> None:
        """Begin with the number that there is."""
        self._load.why, self._left = why, 1
        self._load.begin_window(now)

    def rest(self) -> None:
        """Try nothing for as long as it ever waits."""
        self._patience = self._left = LONGEST

    def halve(self, now: float, why: str) -> None:
        """Have half as many."""
        self.begin(now, why)
        self.rest()
        self._change(max(1, self._load.level // 2), now)
        self._before = None

    def look(self, now: float, cores: float, waiting: bool) -> None:
        """Take a step where enough items ended."""
        load = self._load
        if load.skip is not None:
            if load.skip <= 0:
                load.begin_window(now)
        elif self._enough(now):
            self._measured(now, cores, waiting)

    def _enough(self, now: float) -> bool:
        """Whether what ended tells what a number of workers gives."""
        load = self._load
        took, least = now - load.since, ITEMS if self._before is None else TELLING
        if load.timed < least or took < self._window():
            return False
        return load.timed >= (load.spread() / ERROR) ** 2 or took >= LATEST * load.mean

    def _window(self) -> float:
        """Give the seconds that tell what a number of workers gives."""
        load = self._load
        return max(WINDOW, load.mean * (ROUNDS if self._checking else 1))

    def try_fewer(self, seen: Measured, now: float) -> None:
        """Go down to what the throughput needs."""
        needed = math.ceil(SPARE * seen.throughput * self._load.few)
        self._try(max(1, min(needed, int(FEWER * seen.level))), seen, now)

    def _measured(self, now: float, cores: float, waiting: bool) -> None:
        load = self._load
        each = load.each = load.mean
        # By Little's law no more than `level / each`: of bursts a window may see one too many.
        throughput = min(load.items / (now - load.since), load.level / each)
        cores = max(cores, throughput * load.cpu / load.timed)
        seen = Measured(load.level, each, throughput, cores)
        before, self._before = self._before, None
        load.begin_window(now)
        if not waiting:
            return
        if load.alone < load.first:
            load.few = max(load.few, load.with_few(now))
        elif not load.few:
            load.few = load.alone_wall / load.alone
        if LONGER * each < load.few:  # the first ones were slow for a reason of their own
            load.few = each
        if before is None:
            self._held.append(seen)
            self._hold(mean(self._held), now)
        elif before.level < seen.level:
            self._judge_more(before, seen, now)
        else:
            self._judge_fewer(before, seen, now)

    def _judge_more(self, before: Measured, seen: Measured, now: float) -> None:
        might = seen.level / before.level - 1
        if seen.throughput / before.throughput - 1 >= max(CHANCE, PAYS * might):
            self._patience = self._left = PATIENCE
            self._load.why = f"{before.level} did less"
            self._load.few = max(self._load.few, before.each)  # so they didn't wait in a queue
            if seen.cores < FULL:
                self._try_more(2 * seen.level, seen, now)
            return
        self._wait_longer(f"{seen.level} did no more")
        self._change(before.level, now)

    def _judge_fewer(self, before: Measured, seen: Measured, now: float) -> None:
        self._checking = False
        if seen.throughput >= SAME * before.throughput:
            self._load.why = f"{before.level} did no more"
            self._load.few = min(self._load.few, seen.each)
            if self._sure and seen.level <= LONGER * seen.throughput * self._load.few:
                self._wait_longer(self._load.why)  # even fewer were seen to do less
            elif seen.level > 1:
                self.try_fewer(seen, now)
            return
        self._load.few, self._sure = seen.each, True  # they wait for one another no more
        self._wait_longer(f"{seen.level} did less")
        needed = math.ceil(AGAIN * before.throughput * seen.each)
        self._change(max(seen.level + 1, min(before.level, needed)), now)

    def _wait_longer(self, why: str) -> None:
        self._load.why = why
        self._patience = self._left = min(LONGEST, 2 * self._patience)

    def _hold(self, seen: Measured, now: float) -> None:
        self._left -= 1
        if self._left > 0:
            return
        if seen.cores >= BUSY:  # what they wait for may be the kernel: that is no server's queue
            return
        if seen.each > LONGER * self._load.few and seen.level > 1:
            self.try_fewer(seen, now)
        elif self._checking:
            self._try(int(FEWER * seen.level), seen, now)
        elif not self._sure and seen.level > self._load.first and self._old(seen, now):
            self._checking, self._left = True, 1  # once it was measured for longer
        else:
            self._try_more(math.ceil(MORE * seen.level), seen, now)

    def _try_more(self, level: int, seen: Measured, now: float) -> None:
        """Try up to `level`, but no more than twice what the throughput needs."""
        needed = seen.throughput * max(self._load.few, TICK)
        level = min(level, int(TWICE * needed), self._load.most)
        if level >= LEAST * seen.level:
            self._try(level, seen, now)

    def _old(self, seen: Measured, now: float) -> bool:
        return now - self._load.begun >= OLD * max(WINDOW, min(seen.each, self._load.few))

    def _try(self, level: int, seen: Measured, now: float) -> None:
        self._change(level, now)
        self._before = seen

    def _change(self, level: int, now: float) -> None:
        self._held.clear()
        # Half a round more, since those that there were end in no order.
        self._load.change(level, now, skip=self._load.busy + level // 2)
