"""A cell under ``%%parallel`` against the plain cell: cheap loops, dear ones, large heaps."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from typing import Any

import nbexec
from nbexec.cell.analysis.source import remember

from .catalog import Setting, benchmark
from .goals import Goal, at_least, value
from .measure import Sides, timed

PLAIN = "the plain cell"
_numbers = itertools.count()


def line(
    name: str, title: str, source: str, setup: str, goals: dict[str, Goal], first: Any = None
) -> None:
    """Make a cell known as a benchmark.

    Parameters
    ----------
    name, title : str
        Of the benchmark.
    source : str
        The cell.
    setup : str
        What ran before it.
    goals : dict
        By what it is compared with; "" is the milliseconds beyond 1.05 of the plain cell.
    first : callable or None
        Gives names for `setup`, from how much is measured.
    """

    @benchmark(f"cells-{name}", title, goals)
    def measured(setting: Setting) -> Iterator[Sides]:
        share = setting.size(1.0, 0.01)
        names: dict[str, Any] = {"__name__": "__main__", "share": share, **(first or dict)()}
        earlier = f"<cells-{name} {next(_numbers)}>"
        remember(setup, earlier)
        exec(compile(setup, earlier, "exec", dont_inherit=True), names)
        nbexec.map(abs, range(4), backend="processes", progress="off")  # workers are there
        code = compile(source, f"<cells-{name}>", "exec", dont_inherit=True)
        ours = timed(lambda: nbexec.parallel(source, dict(names), progress="off"))
        plain = timed(lambda: exec(code, dict(names)))
        if "" in goals:
            yield Sides(lambda: (ours() - 1.05 * plain()) * 1e3)
        else:
            yield Sides(ours, plain)


def _words() -> dict[str, Any]:
    draw = random.Random(1)
    made = ["".join(draw.choices("abcdefghij", k=draw.randint(3, 9))) for _ in range(200_000)]
    return {"words": made}


SHORT = "words = words[:int(len(words) * share)]\nfrom collections import Counter"
CHEAP = {"": value(30, "ms")}
WORK = "def work(n):\n    s = 0\n    for i in range({}): s += i * i\n    return s + n"

SEARCH = """
def search(xs):
    best = 0
    for x in xs:
        best = max(best, work(x))
    return best
"""

line(
    *("len", "200,000 lengths of words in a list", "sizes = [len(w) for w in words]"),
    *(SHORT, CHEAP, _words),
)
line(
    *("sum", "the sum of 200,000 lengths", "total = sum(len(w) for w in words)"),
    *(SHORT, CHEAP, _words),
)
line(
    *("counter", "200,000 letters counted", "c = Counter()\nfor w in words: c[w[-1]] += 1"),
    *(SHORT, CHEAP, _words),
)
line(
    *("groups", "200,000 words in groups"),
    "groups = {}\nfor w in words: groups.setdefault(w[-1], []).append(w)",
    *(SHORT, CHEAP, _words),
)
line(
    *("hits", "200,000 words searched for a letter that is there three times"),
    "hits = {w for w in words if any(w.count(c) == 3 for c in 'abcdefghij')}",
    *(SHORT, CHEAP, _words),
)
line(
    *("work-10us", "30,000 items of 10 µs", "ys = [work(n) for n in range(int(30_000 * share))]"),
    *(WORK.format(200), CHEAP),
)
for items, turns, each, limit in (
    (20_000, 600, "30 µs", 1.3),
    (8_000, 2_000, "0.1 ms", 1.5),
    (1_000, 20_000, "1 ms", 1.7),
    (100, 200_000, "10 ms", 1.7),
):
    line(
        *(f"work-{each.replace(' ', '').replace('µs', 'us')}", f"{items:,} items of {each}"),
        f"ys = [work(n) for n in range(int({items} * share) or 1)]",
        *(WORK.format(turns), {PLAIN: at_least(limit)}),
    )
line(
    *("function", "a loop of 1,000 items of 1 ms in a function that the cell calls"),
    "y = search(range(int(1000 * share) or 1))",
    WORK.format(20_000) + "\n" + SEARCH,
    {PLAIN: at_least(1.7)},
)
line(
    *("look-up", "50 items that look into a dictionary of 60,000 dictionaries"),
    "d = {y: look(y) for y in range(50)}",
    "big = {k: {'n': k} for k in range(int(60_000 * share))}\ndef look(y): return big[y]['n']",
    CHEAP,
)
