"""One side after the other, in turn, in one process."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass

Work = Callable[[], object]
Parts = dict[str, float]
Reading = float | tuple[float, Parts]  # of the whole, with what it is made of
Side = Callable[[], Reading]


@dataclass(frozen=True)
class Sides:
    """What is measured: two sides, or one."""

    ours: Side
    theirs: Side | None = None
    note: str = ""


def timed(work: Work, clock: Callable[[], float] = time.perf_counter) -> Side:
    """Give what measures the seconds that `work` takes."""

    def side() -> float:
        begun = clock()
        work()
        return clock() - begun

    return side


def cpu(work: Work) -> Side:
    """Give what measures the CPU seconds that this process spends in `work`."""
    return timed(work, time.process_time)


Tell = Callable[[str, Reading], None]  # which side, and what was read


def in_turn(sides: Sides, pairs: int, tell: Tell, tidy: Callable[[], object] = gc.collect) -> None:
    """Measure each side once without counting it, then `pairs` times, in turn.

    Who goes first changes with every pair, so that what one leaves behind meets both.
    """
    both = {"ours": sides.ours} | ({"theirs": sides.theirs} if sides.theirs else {})
    for side in both.values():
        side()
    for turn in range(pairs):
        for name in sorted(both, reverse=bool(turn % 2)):
            tidy()
            tell(name, both[name]())
