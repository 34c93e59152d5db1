"""Compare two ways of doing a thing: in turn, in one process, by the medians."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


def timed(work: Callable[[], object]) -> float:
    """Give the seconds that `work` takes."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def cpu(work: Callable[[], object]) -> float:
    """Give the CPU seconds that this process spends in `work`."""
    begun = time.process_time()
    work()
    return time.process_time() - begun


@dataclass(frozen=True)
class Comparison:
    """What was measured of ours and theirs, in seconds, pair by pair."""

    name: str
    goal: float
    ours: list[float]
    theirs: list[float]

    @property
    def ratio(self) -> float:
        """Ours over theirs, of the medians."""
        return statistics.median(self.ours) / statistics.median(self.theirs)

    @property
    def spread(self) -> tuple[float, float]:
        """The smallest and the largest ratio of a pair."""
        pairs = [a / b for a, b in zip(self.ours, self.theirs, strict=True)]
        return min(pairs), max(pairs)

    def row(self) -> str:
        """Give it as a line of a table."""
        low, high = self.spread
        met = "met" if self.ratio <= self.goal else "NOT MET"
        ours, theirs = statistics.median(self.ours), statistics.median(self.theirs)
        return (
            f"{self.name:<58} {ours * 1e3:9.1f} ms {theirs * 1e3:9.1f} ms "
            f"{self.ratio:6.2f} ({low:.2f} to {high:.2f})  goal {self.goal:.2f}  {met}"
        )


def compare(
    name: str,
    goal: float,
    ours: Callable[[], object],
    theirs: Callable[[], object],
    pairs: int,
    timed: Callable[[Callable[[], object]], float] = timed,
) -> Comparison:
    """Time both in turn, after one of each that is not counted."""
    ours(), theirs()
    measured = [(timed(ours), timed(theirs)) for _ in range(pairs)]
    return Comparison(name, goal, [a for a, _ in measured], [b for _, b in measured])
