"""Large arrays: captured by the function, as items, and as results."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import nbexec

from . import peers
from .catalog import Setting, benchmark
from .fresh import fresh, of_workers, peak
from .goals import at_most, value
from .measure import Sides, timed
from .work import block, capturing, total

MB = 131_072  # floats


@benchmark(
    "captured",
    "200 items that use a captured array of 48 MB, processes",
    {
        "joblib": at_most(0.3),
        "memory": value(1.0, "copies"),
        "memory, private": value(None, "copies"),
        "memory, joblib": value(None, "copies"),
    },
)
def captured(setting: Setting) -> Iterator[Sides]:
    count = setting.size(48, 4) * MB
    if setting.against.startswith("memory"):
        way = "joblib" if setting.against.endswith("joblib") else "nbexec"
        sort = "Pss_Anon" if setting.against.endswith("private") else "Pss"
        asked = f"grown({way!r}, {sort!r}, {count})"
        code = f"from tests.benchmarks.arrays import grown; print({asked})"
        yield Sides(lambda: fresh(code), note=f"{sort} of all workers, above that before the run")
        return
    import numpy

    fn = capturing(numpy.random.default_rng(0).random(count), 200)
    with peers.ready(setting.against, setting.workers, fn, range(200)) as theirs:
        yield Sides(timed(lambda: _ours(fn, range(200), setting.workers)), timed(theirs.work))


def grown(way: str, sort: str, count: int) -> float:
    """Give by how many copies of a captured array the workers grow, at the most."""
    import numpy

    workers = Setting("").workers
    fn = capturing(numpy.random.default_rng(0).random(count), 200)
    first = capturing(numpy.zeros(200), 200)  # by then NumPy is imported there
    run: Callable[[Any, range, int], object] = _ours
    if way == "joblib":
        with peers.PEERS[way].open(workers) as run:
            pass
    run(first, range(200), workers)
    before = of_workers(sort)
    with peak(lambda: of_workers(sort)) as most:
        run(fn, range(200), workers)
    return (most[0] - before) / (8 * count)


@benchmark(
    "arguments",
    "200 arguments of 10 MB, processes",
    {"joblib": at_most(1.0), "mpire": at_most(1.0), "concurrent.futures": at_most(1.0)},
)
def arguments(setting: Setting) -> Iterator[Sides]:
    import numpy

    # views of one block: each is sent whole, and yet they are in memory once
    count, size = setting.size(200, 20), setting.size(10, 1) * MB
    base = numpy.random.default_rng(0).random(size + count)
    items = [base[at : at + size] for at in range(count)]
    with peers.ready(setting.against, setting.workers, total, items) as theirs:
        yield Sides(
            timed(lambda: _ours(total, items, setting.workers)), timed(theirs.work), theirs.note
        )


@benchmark(
    "results",
    "60 results of 10 MB, processes",
    {"joblib": at_most(0.7), "concurrent.futures": at_most(1.0)},
)
def results(setting: Setting) -> Iterator[Sides]:
    items = range(setting.size(60, 6))
    with peers.ready(setting.against, setting.workers, block, items) as theirs:
        yield Sides(
            timed(lambda: _ours(block, items, setting.workers)), timed(theirs.work), theirs.note
        )


def _ours(fn: Callable[[Any], Any], items: Any, workers: int) -> object:
    return nbexec.map(fn, items, backend="processes", workers=workers, progress="off")
