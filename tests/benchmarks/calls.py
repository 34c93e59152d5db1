"""Calls that wait: how many at once, with limits, with tries, and in flat memory."""

from __future__ import annotations

import asyncio
import resource
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import nbexec
from nbexec.placement import profiles

from .at_once import MEDIAN, NUMBERS, Server
from .catalog import Setting, benchmark
from .fresh import fresh
from .goals import SHOWN, at_least, at_most, value
from .measure import Sides, Work, timed
from .work import NAP, nap, rest

SERVED, CALL = 16, 0.05  # at once, and seconds of each
NEVER = "1_000_000/s"  # a limit that holds nobody up
RATE = 100  # calls a second


def ours(fn: Callable[[Any], Any], items: Sequence[Any], **options: Any) -> Work:
    """Give a run of nbexec that knows nothing of earlier ones."""

    def work() -> object:
        profiles.forget()
        return nbexec.map(fn, items, progress="off", **options)

    return work


def best(work: Callable[[int], object]) -> int:
    """Give the number at once with which it takes least, each tried once."""
    return min(NUMBERS[2:], key=lambda number: timed(lambda: work(number))())


def pooled(fn: Callable[[Any], Any], items: Sequence[Any], workers: int) -> list[Any]:
    """Map as the standard library does."""
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(fn, items))


# ------------------------------------------------------------ how many at once


def _found_out(setting: Setting, backend: str) -> Iterator[Sides]:
    items = range(setting.size(800, 60))
    server = Server(SERVED)

    def call(_: int) -> None:
        server.call(CALL)

    number = best(lambda number: pooled(call, items, number))
    theirs = timed(lambda: pooled(call, items, number))
    yield Sides(timed(ours(call, items, backend=backend)), theirs, f"{number} threads")


@benchmark(
    "waiting-threads",
    "800 calls of 50 ms, 16 of which are served at once; threads, how many is found out",
    {"concurrent.futures": at_most(MEDIAN)},
)
def threads(setting: Setting) -> Iterator[Sides]:
    yield from _found_out(setting, "threads")


@benchmark(
    "waiting-auto",
    "the same; where and how many is found out",
    {"concurrent.futures": at_most(MEDIAN)},
)
def auto(setting: Setting) -> Iterator[Sides]:
    yield from _found_out(setting, "auto")


@benchmark(
    "waiting-asyncio",
    "the same calls as coroutines; how many at once is found out",
    {"aiometer": at_most(MEDIAN), "asyncio.Semaphore": SHOWN},
)
def coroutines(setting: Setting) -> Iterator[Sides]:
    items = range(setting.size(800, 60))
    server = Server(SERVED)

    async def call(_: int) -> None:
        await server.call_async(CALL)

    run = {"aiometer": aiometer, "asyncio.Semaphore": semaphore}[setting.against]
    number = best(lambda number: asyncio.run(run(call, items, number)))
    theirs = timed(lambda: asyncio.run(run(call, items, number)))
    yield Sides(timed(ours(call, items)), theirs, f"{number} at once")


@benchmark(
    "waiting-given",
    "600 sleeps of 10 ms, 50 threads",
    {"concurrent.futures": at_most(1.02)},
)
def given(setting: Setting) -> Iterator[Sides]:
    items = range(setting.size(600, 100))
    with ThreadPoolExecutor(50) as pool:
        theirs = timed(lambda: list(pool.map(nap, items)))
        yield Sides(timed(ours(nap, items, backend="threads", workers=50)), theirs)


# ------------------------------------------------------------ what it costs


@benchmark(
    "waiting-coroutines",
    "10,000 coroutines of 10 ms, 1,000 at once",
    {"bare tasks": at_most(1.05), "asyncio.Semaphore": SHOWN, "aiometer": SHOWN},
)
def many(setting: Setting) -> Iterator[Sides]:
    items, most = range(setting.size(10_000, 500)), setting.size(1_000, 100)
    run = {"bare tasks": bare, "asyncio.Semaphore": semaphore, "aiometer": aiometer}
    theirs = timed(lambda: asyncio.run(run[setting.against](rest, items, most)))
    yield Sides(timed(ours(rest, items, workers=most)), theirs)


@benchmark(
    "waiting-rate",
    "the same under a rate limit that never binds",
    {"bare tasks": at_most(1.10), "aiolimiter": at_most(1.0)},
)
def limited(setting: Setting) -> Iterator[Sides]:
    items, most = range(setting.size(10_000, 500)), setting.size(1_000, 100)
    run = {"bare tasks": bare, "aiolimiter": aiolimiter}[setting.against]
    theirs = timed(lambda: asyncio.run(run(rest, items, most)))
    yield Sides(timed(ours(rest, items, workers=most, rate=NEVER)), theirs)


@benchmark(
    "waiting-limit",
    "400 coroutines at 100/s",
    {"ideal": at_least(0.9), "aiolimiter": SHOWN},
)
def at_rate(setting: Setting) -> Iterator[Sides]:
    count = setting.size(4, 2) * RATE
    mine = timed(ours(rest, range(count), workers=RATE, rate=f"{RATE}/s"))
    ideal = count / RATE - 1 + NAP
    if setting.against == "ideal":
        yield Sides(mine, lambda: ideal)
        return
    theirs = timed(lambda: asyncio.run(aiolimiter(rest, range(count), RATE, RATE)))
    yield Sides(mine, theirs, "aiolimiter starts twice as many in the first second")


@benchmark(
    "waiting-tries",
    "600 calls of 10 ms, each fifth fails at first; 50 threads",
    {"tenacity": at_most(1.05)},
)
def tries(setting: Setting) -> Iterator[Sides]:
    from tenacity import retry, stop_after_attempt, wait_fixed

    items = range(setting.size(600, 100))
    failed: set[int] = set()

    def flaky(x: int) -> int:
        time.sleep(NAP)
        if x % 5 == 0 and x not in failed:
            failed.add(x)
            raise ConnectionError("no reply")
        return x

    again = retry(stop=stop_after_attempt(3), wait=wait_fixed(NAP))(flaky)

    def afresh(work: Work) -> Work:
        return lambda: (failed.clear(), work())

    mine = ours(flaky, items, backend="threads", workers=50, retries=2, retry_wait=NAP)
    with ThreadPoolExecutor(50) as pool:
        theirs = timed(afresh(lambda: list(pool.map(again, items))))
        yield Sides(timed(afresh(mine)), theirs)


@benchmark(
    "waiting-memory",
    "100,000 coroutines from a generator, 1,000 at once, through imap",
    {"memory": value(5, "MB")},
)
def memory(setting: Setting) -> Iterator[Sides]:
    count = setting.size(100_000, 4_000)
    code = f"from tests.benchmarks.calls import grown; print(grown({count}))"
    yield Sides(lambda: fresh(code), note="peak RSS, by how much more in the second half")


async def brief(x: int) -> int:
    """Wait for a moment."""
    await asyncio.sleep(0.001)
    return x


def grown(count: int) -> float:
    """Give by how many MB this process grows in the second half."""
    early = 0
    results = nbexec.imap(brief, (x for x in range(count)), workers=1000, progress="off")
    for x in results:
        if x == count // 2:
            early = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - early) / 1024


# ------------------------------------------------------------ how others do it


async def bare(fn: Callable[[Any], Any], items: Sequence[Any], most: int) -> list[Any]:
    """Have so many tasks take items in turn: nothing could be cheaper."""
    left, results = iter(enumerate(items)), [None] * len(items)

    async def take() -> None:
        for at, item in left:
            results[at] = await fn(item)

    await asyncio.gather(*(take() for _ in range(most)))
    return results


async def semaphore(fn: Callable[[Any], Any], items: Sequence[Any], most: int) -> list[Any]:
    """Have a task for each item."""
    room = asyncio.Semaphore(most)

    async def one(item: Any) -> Any:
        async with room:
            return await fn(item)

    return await asyncio.gather(*map(one, items))


async def aiometer(fn: Callable[[Any], Any], items: Sequence[Any], most: int) -> list[Any]:
    """Have aiometer do it."""
    import aiometer

    found: list[Any] = await aiometer.run_on_each(fn, items, max_at_once=most)
    return found


async def aiolimiter(
    fn: Callable[[Any], Any], items: Sequence[Any], most: int, rate: float = 1_000_000
) -> list[Any]:
    """Have a task for each item, behind a limiter and a semaphore."""
    from aiolimiter import AsyncLimiter

    room, limiter = asyncio.Semaphore(most), AsyncLimiter(rate, 1)

    async def one(item: Any) -> Any:
        async with room, limiter:
            return await fn(item)

    return await asyncio.gather(*map(one, items))
