"""What a panel shows, in words and numbers: made of `Stats`, with no widget in it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .. import text
from ..events import Sampled
from ..model import Failure
from ..state import Stats
from .lines import Lines, progress_rows

POINTS = 60  # of a sparkline at least: about one for two of its pixels
SHOWN = 5  # failures that are listed
NAME_LIMIT = 80  # characters

Snapshot = dict[str, Any]


class Trail:
    """CPU and memory over the whole run, thinned out so that it stays short."""

    def __init__(self) -> None:
        self.points: tuple[tuple[float, int], ...] = ()  # a new one each time: read anywhere
        self._every = 1
        self._seen = 0

    def add(self, sample: Sampled) -> None:
        """Take in a sample; with twice `POINTS` of them, every other one is dropped."""
        self._seen += 1
        if self._seen % self._every:
            return
        self.points = (*self.points, (sample.cores, sample.memory))
        if len(self.points) >= 2 * POINTS:
            self.points = self.points[1::2]
            self._every *= 2


def heights(values: Iterable[float], least: float) -> list[int]:
    """Scale values to 0..100, where 100 is the largest of them, or `least` if that is more.

    Examples
    --------
    >>> heights([0, 1, 4], least=2.0)
    [0, 25, 100]
    """
    values = list(values)
    top = max([least, *values])
    return [round(100 * value / top) for value in values]


def meters(trail: Trail, peak: bool = False) -> list[Snapshot]:
    """Give CPU and memory: the number of now (or the `peak`) and the sparkline of each."""
    if not trail.points:
        return []
    cores, memory = zip(*trail.points, strict=True)
    read = max if peak else (lambda values: values[-1])
    number, _, unit = text.size(read(memory)).partition(" ")
    of = "peak " if peak else ""
    return [
        {
            "about": "cpu",
            "label": f"{of}CPU",
            "number": f"{read(cores):.1f}",
            "unit": "cores",
            "line": heights(cores, least=1.0),
        },
        {
            "about": "memory",
            "label": f"{of}memory",
            "number": number,
            "unit": unit,
            "line": heights(memory, least=1.25 * max(memory)),
        },
    ]


def failure_row(failure: Failure) -> Snapshot:
    """Give a failed item as texts: its index, the exception's type and message, the item."""
    error = failure.exception
    return {
        "index": f"item {failure.index:,}",
        "type": type(error).__name__,
        "message": text.message(error),
        "item": text.safe_repr(failure.item, limit=NAME_LIMIT),
    }


def failure_rows(failures: Iterable[Failure]) -> list[Snapshot]:
    """Give the first failed items, in their order; those that were only stopped aren't told."""
    told = [failure for failure in failures if failure.kind != "cancelled"]
    return [failure_row(failure) for failure in sorted(told, key=lambda f: f.index)[:SHOWN]]


def shares(stats: Stats) -> tuple[float, float] | None:
    """Give the parts of the bar that are done and failed, in per cent; None: not known."""
    total = stats.total
    if total is None and stats.ended:
        total = stats.finished
    if total is None:
        return None
    if not total:
        return (100.0, 0.0) if stats.phase == "done" else (0.0, 0.0)
    return round(100 * stats.done / total, 2), round(100 * stats.failed / total, 2)


def snapshot(
    stats: Stats,
    trail: Trail,
    failures: list[Snapshot],
    heard: int = 0,
    lines: Lines | None = None,
) -> Snapshot:
    """Give all that the panel shows of a run at one moment.

    Parameters
    ----------
    stats : Stats
        The run, in numbers.
    trail : Trail
        CPU and memory so far.
    failures : list of dict
        From `failure_rows`.
    heard : int
        How many commands came from the panel so far: it can tell that one was not heard.
    lines : Lines or None
        What the items wrote.

    Returns
    -------
    dict
        Strings to show as they are, and numbers to draw; JSON can carry it.
    """
    live = stats.phase in ("running", "paused")
    done, _, of = text.counts(stats).partition(" / ")
    said = text.labelled(stats)
    return {
        "name": text.one_line(stats.name, NAME_LIMIT),
        "phase": stats.phase,
        "state": text.state(stats),
        "where": text.one_line(text.where(stats)),
        "done": done,
        "of": f"/ {of}" if of else "done",
        "facts": [fact for fact in said if fact[0] != "state"],
        "shares": shares(stats),
        "meters": meters(trail, peak=stats.ended),
        "failures": failures,
        "more": more(stats, failures),
        "progress": progress_rows(stats),
        "output": list(lines.rows) if lines else [],
        "above": lines.above if lines else "",
        "workers": stats.workers,
        "live": live,
        "scalable": live and stats.backend != "serial",
        "heard": heard,
    }


def more(stats: Stats, failures: list[Snapshot]) -> str:
    """Say how many failures are not listed; nothing where all are."""
    left = stats.failed - len(failures)
    return f"and {left:,} more, in .failures" if left > 0 else ""
