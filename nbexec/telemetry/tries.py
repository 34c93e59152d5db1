"""Tries: the failed tries of a chunk, whose events come before that of its other items."""

from __future__ import annotations

from .events import Finished, Retried


class Tries:
    """Keeps the failed tries of the chunk that comes back; all its events have one time."""

    def __init__(self) -> None:
        self._tries: list[Retried] = []

    def add(self, event: Retried) -> None:
        """Take in a failed try."""
        last = self._tries[-1] if self._tries else event
        if (last.time, last.worker) != (event.time, event.worker):
            self._tries = []
        self._tries.append(event)

    def among(self, event: Finished) -> list[Retried]:
        """Give those that other items of the chunk ran after, in order, and forget them all."""
        tries, self._tries = self._tries, []
        if not tries:
            return tries
        outcome = event.outcome
        until = outcome.started + (outcome.ends[-1] if outcome.ends else 0.0)
        found = [
            one
            for one in tries
            if (one.time, one.worker) == (event.time, outcome.worker) and one.started < until
        ]
        return sorted(found, key=lambda one: one.started)
