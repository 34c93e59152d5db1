"""MemoryGate: whether a run may start more items, by how much memory is used."""

from __future__ import annotations

from typing import Literal

from ..telemetry import wording
from ..telemetry.events import Sampled

PATIENCE = 3.0  # seconds: memory that was freed is seen a sample or two later

Verdict = Literal["go", "hold", "trim", "give up"]


class MemoryGate:
    """Pure decisions: samples in, verdicts out.

    Parameters
    ----------
    limit : int
        Bytes that may be used.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.held = False
        self.used = 0
        self._idle_since: float | None = None  # nothing ran, and still there was too much
        self._trimmed = False

    def judge(self, sample: Sampled, idle: bool) -> Verdict:
        """Give a verdict on a sample; `idle`: nothing of the run is running."""
        self.used = sample.memory if sample.local is None else sample.local
        self.held = self.used > self.limit
        if not self.held:
            self._idle_since, self._trimmed = None, False
            return "go"
        if not idle:
            self._idle_since = None
            return "hold"
        if not self._trimmed:
            self._trimmed, self._idle_since = True, sample.time
            return "trim"
        if self._idle_since is None:
            self._idle_since = sample.time
        return "give up" if sample.time - self._idle_since >= PATIENCE else "hold"

    def words(self) -> str:
        """Say what is waited for."""
        if not self.held:
            return ""
        return f"waiting for memory: {wording.size(self.used)} used of {wording.size(self.limit)}"
