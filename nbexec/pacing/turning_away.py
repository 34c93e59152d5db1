"""TurningAway: items that servers, or this machine, have turned away, and what follows of it.

A run pauses as long as it is asked to, then has fewer items at once, and tries again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable
from typing import NamedTuple

from ..model import Chunk, Outcome, SlowDown
from ..options.record import Options
from ..telemetry import wording
from .asking import asking
from .slowing import Slowing


class Paused(NamedTuple):
    """Why nothing of a key starts before a time."""

    until: float
    key: Hashable
    asked: SlowDown


class TurnedAway(NamedTuple):
    """An item that a server turned away, and will be tried again."""

    at: int  # its offset in the chunk
    until: float  # on the run's clock


class TurningAway:
    """What one run was asked for, by servers and by this machine.

    Parameters
    ----------
    options : Options
        The run's.
    """

    def __init__(self, options: Options) -> None:
        self._asks = asking(options)
        self._slowing = Slowing(options.deadline is not None)  # for servers, by key
        self._short = Slowing(False, halves=True)  # for this machine's files and threads
        self._paused = Paused(-math.inf, None, SlowDown(0, None))  # the latest pause

    def most(self, key: Hashable) -> float:
        """Give how many items of a key may run at once; infinity for any number."""
        return self._slowing.most(key)

    @property
    def most_in_all(self) -> float:
        """How many items this machine has files and threads for, as far as is known."""
        return self._short.most(None)

    def until(self, key: Hashable) -> float:
        """Give the time before which nothing of a key starts."""
        return max(self._slowing.until(key), self.until_any)

    @property
    def until_any(self) -> float:
        """The time before which nothing starts, whatever its key."""
        return self._short.until(None)

    def sort_out(
        self,
        chunk: Chunk,
        outcome: Outcome,
        now: float,
        key_of: Callable[[Chunk, int], Hashable],
        at_once: int,
        running: Callable[[Hashable], int] | None,
        workers: int,
    ) -> list[tuple[TurnedAway, Hashable]]:
        """Give the items that were turned away and are worth trying again, each with its key.

        `at_once` is how many ran just now, these among them, and `running` says how many of a
        key, where the run has keys.
        """
        pauses = self._slowing.pauses or self._short.pauses
        if self._asks is None or not (outcome.errors or pauses):
            return []
        found = []
        for at, error in outcome.errors.items():
            asked = self._asks(error)
            begun = now - (outcome.ends[-1] - (outcome.ends[at - 1] if at else 0.0))
            if asked is None or (asked.lacking and self._alone(begun, workers)):
                continue
            key = key_of(chunk, at)
            slowing, of = (self._short, None) if asked.lacking else (self._slowing, key)
            ran = at_once if asked.lacking or running is None else running(key)
            until = slowing.asked(of, now, asked.seconds, begun, ran)
            if until is not None:
                found.append((TurnedAway(at, until), key))
                self._paused = max(self._paused, Paused(until, key, asked), key=lambda one: one[0])
        if not outcome.errors and outcome.values:
            begun = now - outcome.ends[-1]
            self._slowing.passed(key_of(chunk, 0), begun, workers)
            self._short.passed(None, begun, workers)
        return found

    def _alone(self, begun: float, workers: int) -> bool:
        """Whether an item ran with no other: what it lacks it would in a plain loop, too."""
        return workers <= 1 or (self.most_in_all <= 1 and begun >= self.until_any)

    def words(self, now: float) -> str:
        """Say what the run was asked for, while that holds; else ""."""
        until, key, asked = self._paused
        if until <= now:
            return ""
        left = f"{wording.about(until - now)} left"
        if asked.lacking:
            return f"slowing down, out of {asked.lacking}: {left}"
        who = "" if key is None else f" by {wording.safe_repr(key, 40)}"
        why = f" (status {asked.status})" if asked.status else ""
        return f"slowing down, as asked{who}{why}: {left}"

    def notes(self) -> list[str]:
        """Say how often the run had to slow down, and why."""
        ways = [(self._slowing, "as asked"), (self._short, "out of files or threads")]
        return [
            f"slowed down {_times(slowing.pauses)}, {why}, for {wording.seconds(slowing.seconds)}"
            for slowing, why in ways
            if slowing.pauses
        ]


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"
