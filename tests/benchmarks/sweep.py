"""Cells under ``%%parallel`` against the plain cell: by what an item takes, does, and reads.

``python -m tests.benchmarks.sweep --costs 1,100 --bodies append,sum --heaps none`` measures some.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import psutil

import nbexec
from nbexec.cell.analysis.source import remember

from .catalog import Setting, benchmark
from .goals import value
from .measure import Sides

SETUP = """
from collections import Counter
def work(n, turns):
    s = 0
    for i in range(turns): s += i
    return s + n
class Node:
    def __init__(self, n):
        self.n, self.next = n, None
class Thing:
    def every(self, xs):
        ys = []
        for x in xs: ys.append({work})
        return ys
def every(xs):
    ys = []
    for x in xs: ys.append({work})
    return ys
"""
BODIES = {
    "append": "ys = []\nfor x in xs: ys.append({work})",
    "comprehension": "ys = [{work} for x in xs]",
    "sum": "t = sum({work} for x in xs)",
    "dict": "d = {{}}\nfor x in xs: d[x] = {work}",
    "Counter": "c = Counter()\nfor x in xs: c[x % 7] += {work}",
    "groups": "g = {{}}\nfor x in xs: g.setdefault(x % 7, []).append({work})",
    "print": "for x in xs: print({work})",
    "function": "ys = every(xs)",
    "method": "ys = Thing().every(xs)",
}
# What there is besides, and what an item reads of it.
HEAPS = {
    "none": ("", ""),
    "dicts": ("big = {i: {'n': i} for i in range(60_000)}", " + big[x % 60_000]['n']"),
    "linked": (
        "first = node = Node(0)\n"
        "for i in range(20_000):\n    node.next = Node(i)\n    node = node.next",
        " + first.n",
    ),
    "frame": ("import pandas\nframe = pandas.DataFrame({'a': range(60_000)})", " + len(frame)"),
}
COSTS = (0.05, 1.0, 10.0, 30.0, 100.0, 1_000.0, 10_000.0, 100_000.0)  # microseconds
TURN = 0.03  # microseconds, about
WHOLE, LEAST, MOST = 0.3, 16, 200_000  # seconds of a plain cell, and items
FASTER = ((1_000.0, 1.7), (100.0, 1.5), (30.0, 1.3))  # from which cost on how much, on two cores
_numbers = itertools.count()


class Reading(NamedTuple):
    """What the two took at best: seconds on the clock, and CPU seconds of all processes."""

    items: int
    plain: float
    ours: float
    plain_cpu: float
    ours_cpu: float

    @property
    def more(self) -> float:
        """Milliseconds beyond 1.05 of the plain cell."""
        return (self.ours - 1.05 * self.plain) * 1e3

    @property
    def overhead(self) -> float:
        """Microseconds of CPU that an item costs more."""
        return (self.ours_cpu - self.plain_cpu) / self.items * 1e6


def measure(cost: float, body: str, heap: str, rounds: int, **options: Any) -> Reading:
    """Measure one cell and its plain twin in turn; the best of each counts."""
    made, read = HEAPS[heap]
    turns = int(cost / TURN)
    work = (f"work(x, {turns})" if turns > 1 else "x") + read
    names: dict[str, Any] = {"__name__": "__main__"}
    for source in (SETUP.format(work=work), made):
        filename = f"<sweep {next(_numbers)}>"
        remember(source, filename)
        exec(compile(source, filename, "exec", dont_inherit=True), names)
    each = max(_took(lambda: names["work"](1, turns)) if turns > 1 else 0.0, cost * 1e-6)
    items = max(LEAST, min(MOST if body != "print" else 5_000, int(WHOLE / each)))
    names["xs"] = list(range(items))
    source = BODIES[body].format(work=work)
    code = compile(source, "<sweep>", "exec", dont_inherit=True)
    ours, plain = [], []
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        for turn in range(rounds + 1):
            after = [
                _both(lambda: exec(code, dict(names))),
                _both(lambda: nbexec.parallel(source, dict(names), progress="off", **options)),
            ]
            if turn:  # the first is not counted
                plain.append(after[0])
                ours.append(after[1])
    best = [min(one[at] for one in side) for at in (0, 1) for side in (plain, ours)]
    return Reading(items, *best)


def _took(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _both(work: Callable[[], object]) -> tuple[float, float]:
    cpu, begun = _cpu(), time.perf_counter()
    work()
    took = time.perf_counter() - begun
    return took, _cpu() - cpu


def _cpu() -> float:
    """Give the CPU seconds of this process and of its workers so far."""
    total = time.process_time()
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            total += sum(child.cpu_times()[:2])
    return total


def misses(cost: float, found: Reading, cores: int) -> str:
    """Say which goal a reading misses; "" where it misses none."""
    if found.more > 30:
        return f"{found.more:.0f} ms more"
    limit = next((faster for least, faster in FASTER if cost >= least), 0.0)
    if cores == 2 and found.items > 1 and found.plain / found.ours < limit:
        return f"{found.plain / found.ours:.2f} times as fast, not {limit:g}"
    return ""


@benchmark(
    "cells-sweep",
    "many sorts of brief items: the cell that loses most against the plain one",
    {"": value(30, "ms")},
)
def brief(setting: Setting) -> Iterator[Sides]:
    grid = [(cost, body) for cost in COSTS[:3] for body in BODIES][:: setting.size(1, 9)]
    nbexec.map(abs, range(4), backend="processes", progress="off")  # workers are there

    def worst() -> float:
        return max(measure(cost, body, "none", 2).more for cost, body in grid)

    yield Sides(worst)


def main() -> None:
    """Print a line for each cell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--costs", default=",".join(map(str, COSTS)))
    parser.add_argument("--bodies", default=",".join(BODIES))
    parser.add_argument("--heaps", default=",".join(HEAPS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--backend", default="auto")
    given = parser.parse_args()
    nbexec.map(abs, range(4), backend="processes", progress="off")
    cores = os.cpu_count() or 1
    for heap, cost, body in itertools.product(
        given.heaps.split(","), map(float, given.costs.split(",")), given.bodies.split(",")
    ):
        found = measure(cost, body, heap, given.rounds, backend=given.backend)
        what = f"{heap:7}{cost:>9g} us {body:14}{found.items:>8,} items"
        took = f"plain {found.plain * 1e3:8.1f} ms, ours {found.ours * 1e3:8.1f}"
        more = f"{found.more:8.1f} ms more; an item {found.overhead:6.2f} us of CPU more"
        print(f"{what}  {took}, {more}  {misses(cost, found, cores)}", flush=True)


if __name__ == "__main__":
    main()
