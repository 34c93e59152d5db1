"""What nbexec costs an item: items that do nothing."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import nbexec

from . import peers
from .catalog import Setting, benchmark
from .goals import SHOWN, at_most, value
from .measure import Sides, timed
from .work import noop


@benchmark(
    "noop-processes",
    "50,000 items that do nothing, processes",
    {"concurrent.futures": at_most(1.0), "joblib": at_most(0.15), "mpire": SHOWN},
)
def processes(setting: Setting) -> Iterator[Sides]:
    items, workers = list(range(setting.size(50_000, 1_000))), setting.workers
    with peers.ready(setting.against, workers, noop, items) as theirs:
        yield Sides(
            timed(lambda: nbexec.map(noop, items, backend="processes", workers=workers, **OFF)),
            timed(theirs.work),
            theirs.note,
        )


@benchmark(
    "noop-threads",
    "50,000 items that do nothing, threads",
    {"concurrent.futures": at_most(0.05)},
)
def threads(setting: Setting) -> Iterator[Sides]:
    items, workers = list(range(setting.size(50_000, 1_000))), setting.workers + 4
    with ThreadPoolExecutor(workers) as pool:
        yield Sides(
            timed(lambda: nbexec.map(noop, items, backend="threads", workers=workers, **OFF)),
            timed(lambda: list(pool.map(noop, items))),
        )


@benchmark(
    "noop-default",
    "50,000 items that do nothing, the default backend, beyond a list comprehension",
    {"": value(5, "ms")},
)
def default(setting: Setting) -> Iterator[Sides]:
    items = list(range(setting.size(50_000, 1_000)))
    ours = timed(lambda: nbexec.map(noop, items, **OFF))
    plain = timed(lambda: [noop(item) for item in items])
    yield Sides(lambda: (ours() - plain()) * 1e3)


@benchmark("ten", "a map of 10 items that do nothing", {"": value(None, "ms")})
def ten(setting: Setting) -> Iterator[Sides]:
    ours = timed(lambda: nbexec.map(noop, range(10), **OFF))
    yield Sides(lambda: ours() * 1e3)


OFF = {"progress": "off"}  # what the panel draws from is folded all the same
