"""What the analyser takes where names hold much: the plan of a cell, whatever the heap."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from typing import Any

from nbexec.cell.analysis.source import remember
from nbexec.cell.analysis.weight import weight
from nbexec.cell.plan import plan

from .catalog import Setting, benchmark
from .goals import value
from .measure import Sides, cpu

SETUP = """
class Node:
    def __init__(self, n):
        self.n, self.next, self.kids = n, None, []
def chain(n):
    first = node = Node(0)
    for i in range(n):
        node.next = Node(i)
        node = node.next
    return first
def look(k):
    return big[k]
def size(k):
    return len(str(big)) + k
"""
# What the name `big` holds, by the number of its parts, and the cell.
HEAPS: dict[str, tuple[str, str]] = {
    "dicts": (
        "big = {i: {'a': i, 'b': str(i)} for i in range(n)}",
        "d = {y: look(y) for y in range(50)}",
    ),
    "lists": ("big = {i: [str(i)] * 5 for i in range(n)}", "d = [look(y) for y in range(50)]"),
    "grown": (
        "big = {i: [i] for i in range(n)}",
        "for w in range(50):\n    big.setdefault(w, []).append(w)",
    ),
    "linked": ("big = chain(n)", "out = []\nfor y in range(50):\n    out.append(size(y))"),
    "objects": ("big = [Node(i) for i in range(n)]", "t = [x.n for x in big]"),
    "tuples": ("big = [(i, (str(i), i)) for i in range(n)]", "t = [len(b) for a, b in big]"),
    "words": ("big = [str(i) for i in range(n)]", "t = sum(len(w) for w in big)"),
    "statements": (
        "big = {i: [str(i)] for i in range(n)}",
        "a = look(1)\nb = look(2)\nc = size(3)\nd = a + b",
    ),
    "frame": (
        "import pandas\nbig = pandas.DataFrame({'a': range(n), 'b': [str(i) for i in range(n)]})",
        "t = [big['a'].iloc[i] for i in range(50)]",
    ),
    "weighed": ("big = {i: [Node(i)] for i in range(n)}", ""),
}


def _of(setup: str, cell: str) -> Callable[[Setting], Iterator[Sides]]:
    def planning(setting: Setting) -> Iterator[Sides]:
        names: dict[str, Any] = {"n": setting.size(200_000, 1_000)}
        for number, source in enumerate((SETUP, setup)):
            remember(source, f"<heap {number}>")
            exec(compile(source, f"<heap {number}>", "exec", dont_inherit=True), names)
        work = (lambda: plan(cell, names)) if cell else (lambda: weight([names["big"]]))

        def median() -> float:
            return statistics.median(cpu(work)() for _ in range(5)) * 1e3  # type: ignore[misc]

        yield Sides(median, note=f"{names['n']:,} parts")

    return planning


for name, (setup, cell) in HEAPS.items():
    limit = 20 if cell else 0.5
    title = f"the plan of a cell with many {name}" if cell else "the weight of a large heap"
    benchmark(f"cells-plan-{name}", title, {"": value(limit, "ms")})(_of(setup, cell))
