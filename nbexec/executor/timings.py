"""Timings: when the runs of a job are due, as plain arithmetic over what a clock shows.

A time is on one of two clocks.  Delays and periods are on the monotonic one, which nobody sets
and daylight saving leaves alone; dates and cron's times are on the wall clock.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any, NamedTuple, Protocol

from ..options.duration_text import in_words

MOST_COUNTED = 10_000  # times of a trigger that passed at once and are counted, one by one


class Moment(NamedTuple):
    """What both clocks show at one moment: seconds, and seconds of Unix time."""

    monotonic: float
    wall: float


class Passed(NamedTuple):
    """Times that have passed: how many, the last of them, and the one that comes next."""

    times: int
    last: float
    following: float | None


class Timing(Protocol):
    """When runs are due.

    Attributes
    ----------
    wall : bool
        Whether its times are on the wall clock.
    once : bool
        Whether there is one time alone.
    rest : float or None
        Seconds from the end of a run to the next one, where that is what counts.
    """

    @property
    def wall(self) -> bool: ...
    @property
    def once(self) -> bool: ...
    @property
    def rest(self) -> float | None: ...

    def first(self, now: Moment) -> float | None:
        """Give the first time from now on; None where there is none."""

    def passed(self, due: float, upto: float) -> Passed:
        """Give what has passed by `upto`, from `due` on, which has."""


def shown(now: Moment, wall: bool) -> float:
    """Give what one of the clocks shows."""
    return now.wall if wall else now.monotonic


@dataclass(frozen=True)
class Once:
    """Once, `delay` seconds from now."""

    delay: float

    wall = False
    once = True
    rest = None

    def first(self, now: Moment) -> float | None:
        return now.monotonic + self.delay

    def passed(self, due: float, upto: float) -> Passed:
        return Passed(1, due, None)

    def __str__(self) -> str:
        return f"once after {in_words(self.delay)}"


@dataclass(frozen=True)
class At:
    """Once, at a date."""

    when: datetime

    wall = True
    once = True
    rest = None

    def first(self, now: Moment) -> float | None:
        return self.when.timestamp()

    def passed(self, due: float, upto: float) -> Passed:
        return Passed(1, due, None)

    def __str__(self) -> str:
        return f"once at {self.when:%Y-%m-%d %H:%M:%S}"


@dataclass(frozen=True)
class Every:
    """At a fixed rate: `delay` seconds from now, and every `period` seconds from then on."""

    period: float
    delay: float = 0.0

    wall = False
    once = False
    rest = None

    def first(self, now: Moment) -> float | None:
        return now.monotonic + self.delay

    def passed(self, due: float, upto: float) -> Passed:
        count = int((upto - due) // self.period) + 1
        while due + count * self.period <= upto:  # the quotient was rounded
            count += 1
        return Passed(count, due + (count - 1) * self.period, due + count * self.period)

    def __str__(self) -> str:
        return f"every {in_words(self.period)}"


@dataclass(frozen=True)
class AfterEach:
    """After `delay` seconds, and `rest` seconds after the end of each run."""

    rest: float
    delay: float = 0.0

    wall = False
    once = False

    def first(self, now: Moment) -> float | None:
        return now.monotonic + self.delay

    def passed(self, due: float, upto: float) -> Passed:
        return Passed(1, due, None)

    def __str__(self) -> str:
        return f"{in_words(self.rest)} after each run"


@dataclass(frozen=True)
class Fires:
    """When a trigger of APScheduler fires.

    Parameters
    ----------
    trigger : object
        Its `get_next_fire_time` is all that is used.
    words : str
        What people call it.
    twice : bool
        Whether it fires in both of the hours of the night in which summer time ends.
    """

    trigger: Any
    words: str
    twice: bool = True

    wall = True
    once = False
    rest = None

    def first(self, now: Moment) -> float | None:
        return self._next(None, now.wall)

    def passed(self, due: float, upto: float) -> Passed:
        count, last = 1, due
        following = self._after(due, upto)
        while following is not None and following <= upto:
            count, last = count + 1, following
            if count > MOST_COUNTED:
                following = self._beyond(upto)
                break
            following = self._after(following, upto)
        return Passed(count, last, following)

    def _after(self, due: float, now: float) -> float | None:
        following = self._next(due, now)
        if following is not None and following <= due:  # a time between two floats
            following = self._next(math.nextafter(due, math.inf) + 1e-6, now)
        return following

    def _beyond(self, now: float) -> float | None:
        """Give the first time after now, whichever were before."""
        fresh = self._next(None, now)  # keeps the phase of an interval
        return fresh if fresh is not None and fresh > now else self._next(now, now)

    def _next(self, previous: float | None, now: float) -> float | None:
        zone: tzinfo | None = getattr(self.trigger, "timezone", None)
        before = None if previous is None else _date(previous, zone)
        found = self.trigger.get_next_fire_time(before, _date(now, zone))
        while found is not None and found.fold and not self.twice:
            found = self.trigger.get_next_fire_time(found, found)
        return None if found is None else float(found.timestamp())

    def __str__(self) -> str:
        return self.words


def _date(seconds: float, zone: tzinfo | None) -> datetime:
    return datetime.fromtimestamp(seconds, UTC).astimezone(zone)
