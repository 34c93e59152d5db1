"""What nbexec costs an item: items that do nothing."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import nbexec

from . import peers
from .catalog import Setting, benchmark
from .goals import SHOWN, at_most
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


OFF = {"progress": "off"}  # what the panel draws from is folded all the same
