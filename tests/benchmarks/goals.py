"""What a measurement is judged by, and what became of it.  No clock, no I/O."""

from __future__ import annotations

import statistics
from dataclasses import asdict, dataclass, field, replace
from enum import Enum
from typing import Any


class Verdict(Enum):
    """What became of a goal."""

    MET = "met"
    NOT_MET = "NOT MET"
    SHOWN = ""  # there is no goal
    MISSING = "not installed"
    FAILED = "failed"


@dataclass(frozen=True)
class Goal:
    """What a measurement is judged by.

    Parameters
    ----------
    sort : str
        "time": our time over theirs is at most `limit`; "speed": theirs over ours (with an
        ideal as "theirs": the efficiency) is at least `limit`; "value": what is measured of
        ours is at most `limit`.
    limit : float or None
        None is no goal: the measurement is shown.
    unit : str
        Of a value.
    """

    sort: str = "time"
    limit: float | None = None
    unit: str = "s"

    def __str__(self) -> str:
        if self.limit is None:
            return ""
        sign = "≥" if self.sort == "speed" else "≤"
        return f"{sign} {self.limit:g}" + (f" {self.unit}" if self.sort == "value" else "")


def at_most(limit: float) -> Goal:
    """Our time over theirs."""
    return Goal("time", limit)


def at_least(limit: float) -> Goal:
    """Their time over ours: the efficiency, where "theirs" is an ideal."""
    return Goal("speed", limit)


def value(limit: float | None, unit: str) -> Goal:
    """What is measured of ours alone."""
    return Goal("value", limit, unit)


SHOWN = Goal()  # a ratio without a goal


@dataclass(frozen=True)
class Result:
    """One line of the table: what was measured of ours and theirs, pair by pair."""

    benchmark: str
    against: str
    goal: Goal
    ours: list[float] = field(default_factory=list)
    theirs: list[float] = field(default_factory=list)  # none where only ours is measured
    parts: dict[str, list[float]] = field(default_factory=dict)  # of ours, by name
    note: str = ""
    load: list[float] = field(default_factory=list)  # averages of 1, 5, 15 minutes, before it
    problem: str = ""  # why nothing was measured
    missing: bool = False  # whether that is because the peer is not installed

    @property
    def line(self) -> tuple[str, str]:
        """Which line of the table it is."""
        return self.benchmark, self.against

    def after(self, before: Result) -> Result:
        """Give both as one: pairs of one line from one process more."""
        if before.problem or self.problem:
            return self if before.problem else before
        names = dict.fromkeys([*before.parts, *self.parts])
        notes = dict.fromkeys(filter(None, [*before.note.split("; "), self.note]))
        return replace(
            before,
            ours=[*before.ours, *self.ours],
            theirs=[*before.theirs, *self.theirs],
            parts={name: before.parts.get(name, []) + self.parts.get(name, []) for name in names},
            note="; ".join(notes),
            load=max(before.load, self.load),
        )

    @property
    def readings(self) -> list[float]:
        """What is judged, pair by pair."""
        if self.goal.sort == "value":
            return self.ours
        pairs = zip(self.ours, self.theirs, strict=True)
        return [self._over(ours, theirs) for ours, theirs in pairs]

    @property
    def measured(self) -> float:
        """What is judged: of a ratio, that of the medians."""
        if self.goal.sort == "value":
            return statistics.median(self.ours)
        return self._over(statistics.median(self.ours), statistics.median(self.theirs))

    def _over(self, ours: float, theirs: float) -> float:
        return theirs / ours if self.goal.sort == "speed" else ours / theirs

    @property
    def spread(self) -> tuple[float, float]:
        """The smallest and the largest of the pairs."""
        readings = self.readings
        return min(readings), max(readings)

    @property
    def verdict(self) -> Verdict:
        """Whether the goal is met."""
        if self.problem:
            return Verdict.MISSING if self.missing else Verdict.FAILED
        if self.goal.limit is None:
            return Verdict.SHOWN
        above = self.measured >= self.goal.limit
        exact = self.measured == self.goal.limit
        met = exact or above is (self.goal.sort == "speed")
        return Verdict.MET if met else Verdict.NOT_MET

    def as_json(self) -> dict[str, Any]:
        """Give it as JSON has it, with what was worked out from it."""
        found = asdict(self)
        found["verdict"] = self.verdict.name.lower()
        if not self.problem:
            found |= {"measured": self.measured, "spread": list(self.spread)}
        return found

    @classmethod
    def of_json(cls, data: dict[str, Any]) -> Result:
        """Undo `as_json`."""
        names = cls.__dataclass_fields__
        kept = {name: data[name] for name in names if name in data}
        return cls(**{**kept, "goal": Goal(**data["goal"])})
