"""Results in words."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from .goals import Result


def columns(result: Result) -> tuple[str, ...]:
    """Give a line of the table.

    Its name, what it is compared with, the medians of both, what is judged, its spread, the
    goal and the verdict.
    """
    name = result.benchmark, result.against
    if result.problem:
        return (*name, "", "", "", "", str(result.goal), result.verdict.value)
    low, high = result.spread
    plain = result.goal.sort == "value"
    unit = result.goal.unit
    ours, theirs = ("", "") if plain else (median(result.ours), median(result.theirs))
    measured = f"{number(result.measured)} {unit}" if plain else number(result.measured)
    return (
        *name,
        ours,
        theirs,
        measured,
        f"{number(low)} to {number(high)}",
        str(result.goal),
        result.verdict.value,
    )


def median(seconds: Sequence[float]) -> str:
    """Give the median of some times."""
    middle = statistics.median(seconds)
    return f"{middle:.2f} s" if middle >= 1 else f"{middle * 1e3:.3g} ms"


def number(x: float) -> str:
    """Give a number as short as it tells enough."""
    if abs(x) < 1e-9:
        return "0"
    return f"{x:.3f}" if abs(x) < 0.1 else f"{x:.2f}" if abs(x) < 100 else f"{x:.0f}"


def middle_and_ends(readings: Sequence[float]) -> tuple[float, float, float]:
    """Give the median, the smallest and the largest."""
    return statistics.median(readings), min(readings), max(readings)
