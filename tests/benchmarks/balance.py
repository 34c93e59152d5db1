"""How evenly work is spread: items that compute, all alike or of very different length."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence

import nbexec

from . import peers
from .catalog import Setting, benchmark
from .goals import at_least, at_most
from .measure import Sides, timed
from .work import spin, spins

AGAINST_ALL = dict.fromkeys(peers.PEERS, at_most(1.0))
HEAVY = 50  # times as much as the others


@benchmark(
    "cpu",
    "2,000 items of 1 ms CPU, processes",
    {"ideal": at_least(0.93), **AGAINST_ALL},
)
def cpu(setting: Setting) -> Iterator[Sides]:
    yield from _sides(setting, [spins(0.001)] * setting.size(2_000, 100))


@benchmark("tail", "3,000 items of 0.5 ms, 1 % cost 50x, anywhere; processes", AGAINST_ALL)
def tail(setting: Setting) -> Iterator[Sides]:
    items = _with_tail(setting)
    random.Random(0).shuffle(items)
    yield from _sides(setting, items)


@benchmark("tail-at-end", "3,000 items of 0.5 ms, the last 1 % cost 50x; processes", AGAINST_ALL)
def tail_at_end(setting: Setting) -> Iterator[Sides]:
    yield from _sides(setting, _with_tail(setting))


def _with_tail(setting: Setting) -> list[int]:
    count, light = setting.size(3_000, 200), spins(0.0005)
    heavy = count // 100
    return [light] * (count - heavy) + [light * HEAVY] * heavy


def _sides(setting: Setting, items: Sequence[int]) -> Iterator[Sides]:
    workers = setting.workers
    ours = timed(
        lambda: nbexec.map(spin, items, backend="processes", workers=workers, progress="off")
    )
    if setting.against == "ideal":
        serial = timed(lambda: [spin(item) for item in items], time.process_time)
        yield Sides(ours, lambda: serial() / workers, "CPU time of a plain loop / workers")
        return
    with peers.ready(setting.against, workers, spin, items) as theirs:
        yield Sides(ours, timed(theirs.work), theirs.note)
