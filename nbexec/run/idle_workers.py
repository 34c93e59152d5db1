"""IdleWorkers: workers of a run that have had nothing to do for long are given back."""

from __future__ import annotations

import math

from ..placement.slots import SlotTable

LOOKS = 2  # in the time after which a worker is released: it is late by half of that, at most


class IdleWorkers:
    """When to look for idle workers, and their release; used in the loop's thread alone.

    Parameters
    ----------
    slots : SlotTable
        The run's.
    timeout : float or None
        Seconds after which an idle worker is released; None is never.
    """

    def __init__(self, slots: SlotTable, timeout: float | None) -> None:
        self._slots = slots
        self._timeout = timeout
        self._due = math.inf

    def due(self) -> float:
        """Give when to look again; infinity where no worker is held."""
        return self._due

    def sent(self, now: float) -> None:
        """Note that a worker has something to do, and may be idle later."""
        if self._timeout is not None and self._due == math.inf:
            self._due = now + self._timeout / LOOKS

    def check(self, now: float) -> None:
        """Release the workers that have been idle for so long."""
        if now < self._due or self._timeout is None:
            return
        held = self._slots.release_idle(now - self._timeout)
        self._due = now + self._timeout / LOOKS if held else math.inf
