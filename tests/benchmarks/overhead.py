"""What nbexec costs an item, against the standard library with its best settings."""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import nbexec
from nbexec.machine import cores

from .compare import Comparison, compare, timed

ITEMS = 50_000
CHUNKSIZES = (250, 500, 1000, 2500, 5000, 12_500, 25_000)


def noop(x: int) -> int:
    return x


def processes(pairs: int) -> Comparison:
    """No-op items on processes, against `ProcessPoolExecutor.map` and its best chunksize."""
    items, workers = list(range(ITEMS)), cores()
    with ProcessPoolExecutor(workers) as pool:
        list(pool.map(noop, items, chunksize=1000))

        def best(chunksize: int) -> float:
            work = lambda: list(pool.map(noop, items, chunksize=chunksize))
            return statistics.median(timed(work) for _ in range(5))

        chunksize = min(CHUNKSIZES, key=best)
        return compare(
            f"{ITEMS:,} no-ops, processes; ProcessPoolExecutor, chunksize {chunksize:,}",
            1.0,
            lambda: nbexec.map(noop, items, backend="processes", workers=workers, progress="off"),
            lambda: list(pool.map(noop, items, chunksize=chunksize)),
            pairs,
        )


def threads(pairs: int) -> Comparison:
    """No-op items on threads, against `ThreadPoolExecutor.map`."""
    items, workers = list(range(ITEMS)), cores() + 4
    with ThreadPoolExecutor(workers) as pool:
        return compare(
            f"{ITEMS:,} no-ops, threads; ThreadPoolExecutor",
            0.1,
            lambda: nbexec.map(noop, items, backend="threads", workers=workers, progress="off"),
            lambda: list(pool.map(noop, items)),
            pairs,
        )


def importing(pairs: int) -> Iterator[str]:
    """Seconds of ``import nbexec`` beyond those of a bare interpreter."""
    bare = [sys.executable, "-c", "pass"]
    ours = [sys.executable, "-c", "import nbexec"]
    measured = [
        (timed(lambda: subprocess.run(ours)), timed(lambda: subprocess.run(bare)))
        for _ in range(2 * pairs)
    ]
    more = [a - b for a, b in measured]
    met = "met" if statistics.median(more) <= 0.03 else "NOT MET"
    yield (
        f"{'import nbexec, beyond a bare interpreter':<58} {statistics.median(more) * 1e3:9.1f} ms "
        f"({min(more) * 1e3:.1f} to {max(more) * 1e3:.1f})  goal 30.0 ms  {met}"
    )
