"""backend="auto": from measurements of the first items to a choice, and the reason in words.

The first items run in the kernel, each once, and are timed as they run.  `choose` is a
pure function of what was seen.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from . import machine
from .model import Choice, Chunk, Outcome
from .text import seconds

ENOUGH = 0.02  # seconds of items that tell enough, where at least FEW of them ended
FEW = 3  # items
SLOW = 0.1  # seconds after which an item that still runs is judged by what it did so far
WAITS = 0.5  # an item that used less CPU time than this share of its time waits
START = 0.4  # seconds until cold worker processes are of use: loky, 2 cores
SEND = 3e-6  # seconds an item to send it and its result: tests/benchmarks/overhead.py
GAIN = 0.8  # workers are worth it if they take at most this share of the time


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was seen of a run's first items."""

    items: int = 0  # that ended
    wall: float = 0.0  # seconds, of those
    busy: float = 0.0  # seconds, of those, on a core or ready to run while none was free
    running_wall: float = 0.0  # seconds, of the chunk that runs now
    running_busy: float = 0.0  # seconds, of those, likewise
    left: int | None = None  # items not yet begun; None where that isn't known
    warm: bool = False  # whether worker processes are there already


FIRST = Choice("serial", 1, "timing the first items")  # where a run begins


class Probe:
    """Gathers evidence from the first items, and remembers one to see if it can be sent."""

    def __init__(self) -> None:
        self.seen = Evidence()
        self.sample: tuple[Any, Any] | None = None  # an item and its value

    def learn(self, chunk: Chunk, outcome: Outcome) -> None:
        """Take in a chunk that ran in the kernel."""
        seen = self.seen
        self.sample = self.sample or (chunk.items[0], outcome.values[0])
        self.seen = replace(
            seen,
            items=seen.items + len(outcome.values),
            wall=seen.wall + outcome.ends[-1],
            busy=seen.busy + outcome.cpu + outcome.starved,
        )

    def look(self, wall: float, busy: float, **facts: Any) -> Evidence:
        """Give the evidence, with the seconds of what runs now, and other facts."""
        return replace(self.seen, running_wall=wall, running_busy=busy, **facts)

    def ended(self) -> Choice:
        """Where a run was that ended before anything was chosen."""
        if not self.seen.items:
            return Choice(FIRST.backend, 1, "nothing had to run")
        return Choice(FIRST.backend, 1, f"all of it took {seconds(self.seen.wall)}")


def choose(seen: Evidence, workers: int | None, depth: int) -> Choice | None:
    """Give where the rest should run, or None to see more first."""
    items, wall, busy = seen.items, seen.wall, seen.busy
    slow = seen.running_wall > SLOW
    if slow:  # it is judged before it ends
        items, wall, busy = items + 1, wall + seen.running_wall, busy + seen.running_busy
    elif not items or wall < ENOUGH or (items < FEW and wall < SLOW):
        return None
    each = wall / items
    used = min(busy / wall, 1.0)
    what = f"items take {'over ' if slow else ''}{seconds(each)}"
    if used < WAITS:
        return _threads(f"{what} and wait {1 - used:.0%} of it", workers, depth)
    rest = float("inf") if seen.left is None else each * seen.left
    return _processes(each, rest, f"{what} of CPU", seen, workers, depth)


def _threads(what: str, workers: int | None, depth: int) -> Choice:
    most = min(32, machine.cores() + 4)
    return Choice("threads", workers or machine.default_workers(most, depth), what)


def _processes(
    each: float, rest: float, what: str, seen: Evidence, workers: int | None, depth: int
) -> Choice:
    count = workers or machine.default_workers(machine.cores(), depth)
    if count == 1:
        return Choice("serial", 1, f"{what} and there is one core to use")
    start = 0.01 if seen.warm else START
    sending = 0.0 if seen.left is None else SEND * seen.left
    if GAIN * each < SEND:
        return Choice("serial", 1, f"{what}: sending one would take as long")
    if rest < float("inf") and start + sending + rest / count > GAIN * rest:
        return Choice("serial", 1, f"{what}, {seconds(rest)} in all: workers would not pay")
    return Choice("processes", count, what)
