"""Rows, windows and batches: pandas' own methods, `vmap`, `pmap` and batched calls.

Where there is no other library of the kind, it is compared with the plain loop.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import nbexec

from .catalog import Setting, benchmark
from .goals import Goal
from .measure import Sides, timed
from .work import spin, spins

SHOWN = Goal()
A_CALL, AN_ITEM = 0.005, 0.00005  # seconds of a batched function
OFF = {"backend": "processes", "progress": "off"}


@benchmark(
    "rows",
    "df.apply(axis=1), 4,000 rows of 0.5 ms",
    {"pandas": SHOWN, "pandarallel": SHOWN, "mapply": SHOWN, "swifter": SHOWN},
)
def rows(setting: Setting) -> Iterator[Sides]:
    import pandas

    count = spins(0.0005)
    frame = pandas.DataFrame({"n": [count] * setting.size(4_000, 100)})
    nbexec.pandas(workers=setting.workers, progress="off")

    def work(row: Any) -> int:
        return spin(int(row["n"]))

    theirs = _apply(setting.against, setting.workers, frame)
    yield Sides(
        timed(lambda: frame.nbexec.apply(work, axis=1)), timed(lambda: theirs(work, axis=1))
    )


def _apply(name: str, workers: int, frame: Any) -> Callable[..., object]:
    """Give the method that another library has for `apply`."""
    if name == "pandarallel":
        from pandarallel import pandarallel

        pandarallel.initialize(nb_workers=workers, progress_bar=False, verbose=0)
        return frame.parallel_apply  # type: ignore[no-any-return]
    if name == "mapply":
        import mapply

        mapply.init(n_workers=workers, progressbar=False)
        return frame.mapply  # type: ignore[no-any-return]
    if name == "swifter":
        import swifter  # noqa: F401  # it registers itself

        return frame.swifter.progress_bar(False).apply  # type: ignore[no-any-return]
    return frame.apply  # type: ignore[no-any-return]


@benchmark("windows", "rolling(50).apply, 4,000 windows of 0.5 ms", {"pandas": SHOWN})
def windows(setting: Setting) -> Iterator[Sides]:
    import pandas

    count = spins(0.0005)
    rolling = pandas.Series(range(setting.size(4_000, 100))).rolling(50, min_periods=1)
    nbexec.pandas(workers=setting.workers, progress="off")

    def work(_: Any) -> float:
        return float(spin(count))

    yield Sides(
        timed(lambda: rolling.nbexec.apply(work, raw=True)),
        timed(lambda: rolling.apply(work, raw=True)),
    )


@benchmark("vmap", "vmap over an array, 2,000 items of 1 ms", {"plain loop": SHOWN})
def vmap(setting: Setting) -> Iterator[Sides]:
    import numpy

    counts = numpy.full(setting.size(2_000, 50), spins(0.001))
    many = nbexec.vmap(spin, workers=setting.workers, **OFF)
    yield Sides(timed(lambda: many(counts)), timed(lambda: [spin(one) for one in counts]))


@benchmark("pmap", "pmap over a list, 2,000 items of 1 ms", {"plain loop": SHOWN})
def pmap(setting: Setting) -> Iterator[Sides]:
    counts = [spins(0.001)] * setting.size(2_000, 50)

    def all_of(batch: list[int]) -> list[int]:
        return [spin(one) for one in batch]

    many = nbexec.pmap(all_of, workers=setting.workers, **OFF)
    yield Sides(timed(lambda: many(counts)), timed(lambda: all_of(counts)))


@benchmark(
    "batched",
    "a service: 5 ms a call and 0.05 ms an item, 2,000 items, threads",
    {"single calls": SHOWN, "batches of 64": SHOWN},
)
def batched(setting: Setting) -> Iterator[Sides]:
    items = list(range(setting.size(2_000, 100)))

    @nbexec.batched(max_size=64)
    def ask(batch: list[int]) -> list[int]:
        time.sleep(A_CALL + AN_ITEM * len(batch))
        return batch

    options = {"backend": "threads", "workers": setting.workers, "progress": "off"}

    def theirs() -> object:
        if setting.against == "single calls":
            return nbexec.map(lambda item: ask.batch([item]), items, **options)
        parts = [items[at : at + 64] for at in range(0, len(items), 64)]
        return nbexec.map(ask.batch, parts, chunk=1, **options)

    yield Sides(timed(lambda: nbexec.map(ask, items, **options)), timed(theirs))
