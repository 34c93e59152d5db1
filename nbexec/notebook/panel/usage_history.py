"""CPU and memory over a run: thinned out for the sparkline, by process for the plots."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from ...telemetry.events import Sampled

POINTS = 60  # of a sparkline at least: about one for two of its pixels
WINDOW = 240  # samples of the plots: two minutes
SLOTS = 16  # processes that have a line of their own


class UsageCurve:
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


class Samples:
    """The last samples, in columns: in all, and for each process in a slot of its own.

    A process keeps its slot while it lives; one that comes later may have it after it.
    """

    def __init__(self) -> None:
        self.names: list[str] = []  # who is, or was last, in each slot
        self.limit = 0  # bytes
        self._rows: deque[tuple[float, float, int, dict[int, tuple[float, int]]]]
        self._rows = deque(maxlen=WINDOW)

    def add(self, sample: Sampled) -> None:
        """Take in a sample."""
        parts = {part.name: part for part in sample.parts}
        for name in parts:
            if name not in self.names:
                self._place(name, parts)
        row = {
            slot: (parts[name].cores, parts[name].memory)
            for slot, name in enumerate(self.names)
            if name in parts
        }
        self._rows.append((sample.time, sample.cores, sample.memory, row))
        self.limit = sample.memory_limit

    def _place(self, name: str, alive: Iterable[str]) -> None:
        if len(self.names) < SLOTS:
            self.names.append(name)
            return
        free = [slot for slot, old in enumerate(self.names) if old not in alive]
        if free:
            self.names[free[0]] = name

    def columns(self, began: float) -> dict[str, list[float | None]]:
        """Give a column each for time (seconds since `began`), CPU in per cent, memory in GB.

        "cpu" and "memory" are of all; "cpu0", "memory0" and so on of the process in that
        slot, with None where it was not there.
        """
        rows = list(self._rows)
        columns: dict[str, list[float | None]] = {
            "time": [round(time - began, 1) for time, *_ in rows],
            "cpu": [_percent(cores) for _, cores, *_ in rows],
            "memory": [_gigabytes(memory) for _, _, memory, _ in rows],
            "limit": [_gigabytes(self.limit)] * len(rows),
        }
        for slot in range(SLOTS):
            there = [row.get(slot) for *_, row in rows]
            columns[f"cpu{slot}"] = [None if at is None else _percent(at[0]) for at in there]
            columns[f"memory{slot}"] = [None if at is None else _gigabytes(at[1]) for at in there]
        return columns


def _percent(cores: float) -> float:
    return round(100 * cores, 1)


def _gigabytes(size: int) -> float:
    return round(size / 1e9, 4)
