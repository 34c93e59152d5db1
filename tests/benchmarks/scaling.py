"""How much faster more workers are: the same work on 1, 2, 4, ... of them.

    python -m tests.benchmarks.scaling [--rounds N] [--quick]

Prints a table in Markdown: speedups over one after the other in this process, medians.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import nbexec
from nbexec.system.machine import cores
from nbexec.telemetry import wording

from . import peers
from .measure import timed
from .work import spin, spins

Line = tuple[str, str, Callable[[], float]]  # the work, who does it, and what times that
Stack = contextlib.ExitStack
ALONE = "one after the other"


def counts() -> list[int]:
    """Give the numbers of workers: powers of two up to the cores."""
    return [2**power for power in range(cores().bit_length()) if 2**power <= cores()]


def of_processes(seconds: float, count: int, most: int, stack: Stack) -> Iterator[Line]:
    """Give the sides of items that compute in Python."""
    items = [spins(seconds)] * count
    name = f"{count:,} items of {wording.seconds(seconds)}, processes"
    yield name, ALONE, timed(lambda: [spin(item) for item in items])
    yield name, "nbexec", timed(lambda: _map(spin, items, "processes", most))
    for peer in ("concurrent.futures", "joblib"):
        theirs = stack.enter_context(peers.ready(peer, most, spin, items))
        yield name, peer, timed(theirs.work)


def of_threads(count: int, size: int, most: int, stack: Stack) -> Iterator[Line]:
    """Give the sides of items that free the GIL."""
    import numpy

    def sort(seed: int) -> float:
        return float(numpy.sort(numpy.random.default_rng(seed).random(size))[0])

    name = f"{count} NumPy sorts of {size:,}, threads"
    yield name, ALONE, timed(lambda: [sort(seed) for seed in range(count)])
    yield name, "nbexec", timed(lambda: _map(sort, range(count), "threads", most))
    pool = stack.enter_context(ThreadPoolExecutor(most))
    yield name, "concurrent.futures", timed(lambda: list(pool.map(sort, range(count))))


def of_one_array(size: int, most: int, stack: Stack) -> Iterator[Line]:
    """Give the sides of one large array, reduced."""
    import numpy
    from threadpoolctl import threadpool_limits

    array = numpy.random.default_rng(0).random(size)
    name = f"square_sum of {size // 1_000_000} million floats"

    def one_thread() -> None:
        with threadpool_limits(1):
            numpy.dot(array, array)

    yield name, ALONE, timed(one_thread)
    executor = stack.enter_context(nbexec.Executor("threads", workers=most, progress="off"))
    yield name, "nbexec", timed(lambda: executor.compute("square_sum", array))


def _map(fn: Callable[[Any], object], items: Sequence[int], backend: str, most: int) -> None:
    nbexec.map(fn, items, backend=backend, workers=most, progress="off")


def works(most: int, quick: bool) -> list[Callable[[Stack], Iterator[Line]]]:
    """Give everything that is measured with so many workers."""
    share = 20 if quick else 1
    return [
        functools.partial(of_processes, 0.001, 2_000 // share, most),
        functools.partial(of_processes, 0.00002, 50_000 // share, most),
        functools.partial(of_threads, 200 // share, 200_000, most),
        functools.partial(of_one_array, 200_000_000 // share, most),
    ]


def measure(rounds: int, quick: bool) -> dict[tuple[str, str], dict[int, float]]:
    """Give the median seconds, by work and who did it, by the number of workers."""
    found: dict[tuple[str, str], dict[int, float]] = {}
    for most in counts():
        for opened in works(most, quick):
            with contextlib.ExitStack() as stack:
                lines = {line[:2]: line[2] for line in opened(stack)}
                taken: dict[tuple[str, str], list[float]] = {line: [] for line in lines}
                for turn in range(rounds + 1):  # the first does not count
                    for line in sorted(lines, reverse=bool(turn % 2)):
                        taken[line].append(lines[line]())
            for line, times in taken.items():
                found.setdefault(line, {})[most] = statistics.median(times[1:])
                print(f"{most:>3}  {line}: {found[line][most] * 1e3:.1f} ms", file=sys.stderr)
    return found


def table(found: dict[tuple[str, str], dict[int, float]]) -> str:
    """Give the speedups as a table."""
    head = ["work", ALONE, "", *(str(most) for most in counts())]
    lines = [head, ["---", "--:", "---", *("--:" for _ in counts())]]
    for (work, who), taken in found.items():
        if who != ALONE:
            alone = found[work, ALONE]
            speedups = (f"{alone[most] / taken[most]:.2f}" for most in counts())
            shown = f"{statistics.median(alone.values()) * 1e3:.0f} ms"
            lines.append([work, shown, who, *speedups])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="tiny sizes: to see that it works")
    given = parser.parse_args()
    print(table(measure(given.rounds, given.quick)))


if __name__ == "__main__":
    main()
