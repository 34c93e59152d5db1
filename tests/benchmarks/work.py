"""What items do: functions that every peer can import."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

NAP = 0.01  # seconds


def noop(x: int) -> int:
    """Do nothing."""
    return x


def spin(count: int) -> int:
    """Compute, in Python, for a time that is proportional to `count`."""
    total = 0
    for one in range(count):
        total += one
    return total


def spins(seconds: float) -> int:
    """Give for how much `spin` takes about `seconds` of CPU time here."""
    trial = 100_000

    def once() -> float:
        begun = time.thread_time()
        spin(trial)
        return time.thread_time() - begun

    return max(1, round(trial * seconds / min(once() for _ in range(9))))


def nap(x: int) -> int:
    """Wait."""
    time.sleep(NAP)
    return x


async def rest(x: int) -> int:
    """Wait, and let others run."""
    await asyncio.sleep(NAP)
    return x


def total(array: Any) -> float:
    """Read an array."""
    return float(array.sum())


def block(x: int) -> Any:
    """Make an array of 10 MB."""
    import numpy

    return numpy.full(1_310_720, x, dtype=float)


def capturing(array: Any, parts: int) -> Callable[[int], float]:
    """Give a function that captures an array, and reads one of its parts."""
    size = len(array) // parts

    def read(part: int) -> float:
        return float(array[part * size : (part + 1) * size].sum())

    return read
