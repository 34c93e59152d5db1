"""Items that wait: threads and coroutines."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Iterator

import nbexec

from .catalog import Setting, benchmark
from .goals import SHOWN, at_least, at_most
from .measure import Sides, timed
from .work import NAP, nap, rest


@benchmark(
    "sleeps",
    "600 sleeps of 10 ms, 50 threads",
    {"ideal": at_least(0.95)},
)
def sleeps(setting: Setting) -> Iterator[Sides]:
    items, workers = range(setting.size(600, 100)), 50
    ours = timed(lambda: nbexec.map(nap, items, backend="threads", workers=workers, progress="off"))
    ideal = NAP * len(items) / workers
    yield Sides(ours, lambda: ideal)


@benchmark(
    "coroutines",
    "10,000 coroutines of 10 ms, 1,000 at once",
    {"ideal": at_least(0.9), "aiometer": at_most(1.0), "asyncio.Semaphore": SHOWN},
)
def coroutines(setting: Setting) -> Iterator[Sides]:
    items, most = range(setting.size(10_000, 500)), setting.size(1_000, 100)
    ours = timed(lambda: nbexec.map(rest, items, backend="asyncio", workers=most, progress="off"))
    ideal = NAP * len(items) / most
    yield Sides(
        ours,
        {
            "ideal": lambda: ideal,
            "aiometer": timed(lambda: asyncio.run(_aiometer(items, most))),
            "asyncio.Semaphore": timed(lambda: asyncio.run(_semaphore(items, most))),
        }[setting.against],
    )


async def _aiometer(items: range, most: int) -> list[int]:
    import aiometer

    calls = [functools.partial(rest, item) for item in items]
    return await aiometer.run_all(calls, max_at_once=most)


async def _semaphore(items: range, most: int) -> list[int]:
    room = asyncio.Semaphore(most)

    async def one(item: int) -> int:
        async with room:
            return await rest(item)

    return await asyncio.gather(*map(one, items))
