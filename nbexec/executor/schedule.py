"""Schedule: decides when runs of a job begin.  It has no clock, no thread and no calls."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from .timings import Moment, Timing, shown

GRACE = 60.0  # seconds after its time in which a run still counts as on time
SET_BACK = 3 * 3600.0  # seconds: a wall clock set back by more begins anew, as cron's does
LOOK_EVERY = 10.0  # seconds: a wall clock may be set, and a machine may sleep


class Deadline(NamedTuple):
    """The time after which no run is due, on one of the clocks."""

    at: float
    wall: bool


@dataclass(frozen=True)
class JobPolicy:
    """What is done about runs that are late, in each other's way, or fail; and when it ends."""

    missed: str = "once"
    overlap: str = "skip"
    on_error: str = "go_on"
    times: int | None = None
    until: Deadline | None = None


class Schedule:
    """The runs of one job: which are due, how many go on, and how many there were.

    Attributes
    ----------
    due : float or None
        When the next run is due, on the timing's clock; None while that isn't known, or where
        there is none.
    begun, running, failures, missed : int
        Runs that have begun, that go on, that failed, and times that had no run of their own.
    waiting : int
        Runs that are due and wait for the one that goes on.
    paused, stopping : bool
        Whether none begins for now; and whether none begins any more.
    """

    def __init__(self, timing: Timing, policy: JobPolicy, now: Moment) -> None:
        self.timing, self.policy = timing, policy
        self.begun = self.running = self.waiting = self.failures = self.missed = 0
        self.paused = self.stopping = False
        self._seen = now.wall
        self.due = self._within(timing.first(now), now)

    @property
    def over(self) -> bool:
        """Whether nothing runs, and nothing will."""
        return not self.running and (
            self.stopping or self.spent or (self.due is None and not self.waiting)
        )

    @property
    def spent(self) -> bool:
        """Whether as many have begun as may."""
        return self.policy.times is not None and self.begun >= self.policy.times

    def look(self, now: Moment) -> int:
        """Give how many runs begin now; they count as begun."""
        if self.timing.wall and now.wall < self._seen - SET_BACK:
            self.due = self._within(self.timing.first(now), now)
        self._seen = now.wall
        if self.stopping or self.paused or self.spent:
            return 0
        begin = self._admit(self._passed(now))
        if self.policy.times is not None:
            begin = min(begin, self.policy.times - self.begun)
        self.begun += begin
        self.running += begin
        return begin

    def _passed(self, now: Moment) -> tuple[int, bool]:
        """Give how many runs have become due, and whether any of them was missed."""
        self.due = self._within(self.due, now)  # the clock of `until` may have been set
        upto = min(shown(now, self.timing.wall), self._limit(now))
        if self.due is None or self.due > upto:
            return 0, False
        count, last, following = self.timing.passed(self.due, upto)
        self.due = self._within(following, now)
        wanted = count
        if self.policy.missed != "all":
            on_time = shown(now, self.timing.wall) - last <= GRACE
            wanted = 1 if on_time or self.policy.missed == "once" else 0
        self.missed += count - wanted
        return wanted, count > 1

    def _admit(self, due: tuple[int, bool]) -> int:
        """Give how many of those that are due begin, beside what runs; others wait or are left."""
        wanted, late = due
        if self.policy.overlap == "allow":
            return wanted
        begin = 0
        if not self.running and self.waiting:
            begin, self.waiting = 1, self.waiting - 1
        elif not self.running and wanted:
            begin, wanted = 1, wanted - 1
        if late or self.policy.overlap == "queue":
            self.waiting += wanted
        else:
            self.missed += wanted
        return begin

    def force(self) -> None:
        """Have one more run begin, out of turn."""
        self.begun += 1
        self.running += 1
        if self.timing.once or self.timing.rest is not None:
            self.due = None

    def ended(self, now: Moment, failed: bool) -> None:
        """Take in that a run has ended."""
        self.running -= 1
        if failed:
            self.failures += 1
            self.stopping = self.stopping or self.policy.on_error == "stop"
        self._rest(now)

    def refused(self, now: Moment, missed: bool) -> None:
        """Take in that a run which counts as begun did not begin."""
        self.begun -= 1
        self.running -= 1
        self.missed += missed
        self._rest(now)

    def _rest(self, now: Moment) -> None:
        if self.timing.rest is not None and not self.running:
            self.due = self._within(now.monotonic + self.timing.rest, now)

    def close(self) -> bool:
        """Have none begin any more; give whether one would have."""
        more = self.due is not None or self.waiting or (self.timing.rest is not None)
        more = bool(more) and not (self.over or self.stopping or self.spent)
        self.stopping = True
        return more

    def wake(self, now: Moment) -> float | None:
        """Give the seconds until the next `look`; None until something else happens."""
        if self.stopping or self.paused or self.spent:
            return None
        if self.waiting and not self.running:
            return 0.0
        if self.due is None:
            return None
        left = max(0.0, self.due - shown(now, self.timing.wall))
        return min(left, LOOK_EVERY) if self.timing.wall else left

    def next_time(self, now: Moment) -> float | None:
        """Give when the next run is due, as Unix time."""
        if self.due is None or self.stopping or self.spent:
            return None
        return now.wall + self.due - shown(now, self.timing.wall)

    def _limit(self, now: Moment) -> float:
        """Give the time after which none is due, on the timing's clock."""
        until = self.policy.until
        if until is None:
            return math.inf
        return until.at + shown(now, self.timing.wall) - shown(now, until.wall)

    def _within(self, due: float | None, now: Moment) -> float | None:
        return due if due is not None and due <= self._limit(now) else None
