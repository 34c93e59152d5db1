"""The steps of a pipeline at one moment, in the words and numbers that a drawing shows.  Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ..telemetry import wording
from .nodes import Node
from .step_counts import StepCounts

LATELY = 5.0  # seconds that a rate is about

StepPhase = Literal["idle", "running", "done", "failed", "skipped"]


@dataclass(frozen=True)
class StepState:
    """One step at one moment.

    Attributes
    ----------
    name : str
        Of the step.
    phase : str
        "idle", "running", "done", "failed" where it has failed in a row, or "skipped" where it
        ran in none.
    total : int or None
        Rows in all; None where that isn't known.
    over, failed, reused, running : int
        Rows that are over with it, among them those that failed, and those whose value was in a
        journal; and calls that an executor has.
    rate : float
        Rows a second, lately.
    seconds : float
        That workers were at it.
    """

    name: str
    phase: StepPhase
    total: int | None
    over: int
    failed: int
    reused: int
    running: int
    rate: float
    seconds: float

    @property
    def counts(self) -> str:
        """Give the counts in words.

        Examples
        --------
        >>> StepState("count", "running", 10, 4, 1, 2, 1, 0.0, 0.0).counts
        '4 / 10, 2 reused, 1 failed'
        """
        of = f"{self.over:,}" if self.total is None else f"{self.over:,} / {self.total:,}"
        more = [(self.reused, "reused"), (self.failed, "failed")]
        return ", ".join([of, *(f"{count:,} {what}" for count, what in more if count)])

    @property
    def pace(self) -> str:
        """Give rate and time in words; "" where it hasn't run."""
        rate = wording.rate(self.rate) if self.rate and self.phase != "done" else ""
        took = wording.seconds(self.seconds) if self.seconds else ""
        return ", ".join(filter(None, (rate, took)))


class StepClock:
    """Makes states of counts: it knows when they were what, and so how fast they grow."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, dict[Node, int]]] = deque()

    def states(
        self, counts: Mapping[Node, StepCounts], total: int | None, now: float, ended: bool = False
    ) -> dict[Node, StepState]:
        """Give the states at a time, in seconds of any clock."""
        over = {step: one.over for step, one in counts.items()}
        self._seen.append((now, over))
        while len(self._seen) > 2 and now - self._seen[0][0] > LATELY:
            self._seen.popleft()
        since, before = self._seen[0]
        return {
            step: StepState(
                one.name,
                _phase(one, total, ended),
                total,
                over[step],
                one.failed,
                one.reused,
                one.begun,
                (over[step] - before[step]) / (now - since) if now > since else 0.0,
                one.seconds,
            )
            for step, one in counts.items()
        }


def _phase(one: StepCounts, total: int | None, ended: bool) -> StepPhase:
    if one.failed:
        return "failed"
    if ended or (total is not None and one.over >= total):
        return "done" if one.done or one.reused or one.unneeded else "skipped"
    return "running" if one.begun or one.ready or one.over else "idle"
