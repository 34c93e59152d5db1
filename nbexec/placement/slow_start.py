"""SlowStart: the number at once doubles, until that doesn't pay any more."""

from __future__ import annotations

import math
from typing import NamedTuple

from .load import BUSY, LONGER, TICK, Load, Measured

LEAST = 0.001  # seconds between two steps
STEP = 0.0025  # seconds for each time the first number: 6 at 0, 12 at 5 ms, 24 at 10
UNSEEN = 128  # at most, until an item has ended
ROUND = 0.5  # share of an item's seconds, between two steps
PAUSE = 0.1  # seconds between two looks at whether the kernel still computes
LONG = 0.3  # seconds in which it does, from which on it isn't waited for
NOISE = 0.005  # seconds that an item may take longer on a busy machine
ENDED = 0.5  # share of items that should have ended, which at least ends where more pay


class StartEnded(NamedTuple):
    """Why a slow start is over."""

    why: str
    saturated: Measured | None = None  # what too many gave


class SlowStart:
    """The slow start of a run."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._started = [(load.begun, load.level)]  # how many items had begun, and when
        self._next = load.begun  # not to look before
        self._computing_since = 0.0  # when the kernel was first seen to compute
        self._late_since = 0.0  # when fewer ended for the first time than should have
        self.grew = math.inf  # when it first did

    def due(self) -> float:
        """When to look again, though nothing ended."""
        load = self._load
        soonest = load.begun + STEP * load.level / load.first
        if load.each is not None:
            soonest = min(soonest, load.changed + load.each * ROUND)
        elif load.level >= UNSEEN:
            return math.inf
        return max(soonest, self._next)

    def look(self, now: float, cores: float, waiting: bool) -> StartEnded | None:
        """Take a step where one is due; give why it is over, if it is."""
        load = self._load
        if load.timed:
            load.each = load.mean
        if now < self.due() or not waiting:
            return None
        if load.timed and load.level * load.cpu / max(load.wall, TICK) >= BUSY:
            return StartEnded("items compute")
        few = load.with_few(now)
        self._next = now + max(LEAST, ROUND * few) if load.all else now + LEAST
        if load.all and now - load.begun < self._in_time(now):
            return None  # what ended may be the briefest
        if self._late(now):
            self._late_since = self._late_since or now
            return self._saturated(now) if now - self._late_since >= few else None
        self._late_since = 0.0
        self._computing_since = (self._computing_since or now) if cores >= BUSY else 0.0
        if self._computing_since:  # whatever it is that computes: it may be over soon
            self._next = now + PAUSE
            over = now - self._computing_since > LONG and load.all
            return StartEnded("the kernel computes") if over else None
        if load.level >= load.most:
            return StartEnded(f"at most {load.most}")
        self._grow(now)
        return None

    def _grow(self, now: float) -> None:
        load = self._load
        most = load.most if load.all else min(load.most, UNSEEN)
        self.grew, load.why = min(self.grew, now), "more paid so far"
        load.change(min(most, 2 * load.level), now)
        self._started.append((now, load.level + load.all))

    def _late(self, now: float) -> bool:
        """Whether fewer items ended than would have if they took what they do with few workers."""
        if not self._load.all:
            return False
        then = now - self._in_time(now)
        began = max((count for at, count in self._started if at <= then), default=0)
        return self._load.all < ENDED * began

    def _in_time(self, now: float) -> float:
        """Give the seconds in which an item ends that waits for no other, by and large."""
        few = self._load.with_few(now)
        return max(LONGER * few, few + NOISE)

    def _saturated(self, now: float) -> StartEnded:
        load = self._load
        load.few = load.with_few(now)
        rate = load.all / (now - load.begun)
        return StartEnded("", Measured(load.level, load.each or load.few, rate))
