"""Results one by one for an event loop: `nbexec.aimap`.

Covers `nbexec.run.streaming` and `nbexec.run.preparing`.
"""

from __future__ import annotations

import asyncio
import itertools

import pytest

import nbexec


def run(main):
    return asyncio.run(asyncio.wait_for(main(), 60))


async def numbers(count=10):
    for x in range(count):
        await asyncio.sleep(0)
        yield x


def test_results_come_in_order_on_every_backend(backend):
    async def main():
        return [y async for y in nbexec.aimap(lambda x: x * x, range(30), backend=backend)]

    assert run(main) == [x * x for x in range(30)]


def test_items_of_async_iterables_and_coroutines_on_the_callers_loop():
    async def main():
        here = asyncio.get_running_loop()

        async def where(x):
            return x, asyncio.get_running_loop() is here

        return [y async for y in nbexec.aimap(where, numbers())]

    assert run(main) == [(x, True) for x in range(10)]


def test_as_they_come():
    async def main():
        first = asyncio.Event()

        async def wait(x):
            if x == 0:
                await first.wait()
            return x

        got = []
        async for y in nbexec.aimap(wait, range(5), ordered=False):
            got.append(y)
            if len(got) == 4:
                first.set()
        return got

    got = run(main)
    assert got[-1] == 0
    assert sorted(got) == list(range(5))


def test_memory_is_bounded_on_both_sides():
    async def main():
        pulled = 0

        def count():
            nonlocal pulled
            for x in itertools.count():
                pulled += 1
                yield x

        results = nbexec.aimap(lambda x: x, count(), backend="threads", window=50)
        most = 0
        async for y in results:
            most = max(most, pulled - y)
            if y == 1000:
                break
        await results.aclose()
        return most

    assert run(main) <= 60


def test_the_loop_goes_on_meanwhile():
    async def main():
        ticks = 0

        async def tick():
            nonlocal ticks
            while True:
                await asyncio.sleep(0.001)
                ticks += 1

        task = asyncio.create_task(tick())
        release = asyncio.Event()

        async def wait(x):
            await release.wait()
            return x

        results = nbexec.aimap(wait, range(3))
        asyncio.get_running_loop().call_later(0.05, release.set)
        got = [y async for y in results]
        task.cancel()
        return got, ticks

    got, ticks = run(main)
    assert got == [0, 1, 2]
    assert ticks > 3


def test_the_exception_comes_after_the_results_before_it():
    def invert(x):
        return 1 / (3 - x)

    async def main():
        try:
            async for y in nbexec.aimap(invert, range(10), backend="threads"):
                got.append(y)
        except ZeroDivisionError:
            got.append("error")

    got = []
    run(main)
    assert got == [1 / 3, 1 / 2, 1.0, "error"]


def test_who_stops_waiting_cancels_the_run():
    async def main():
        cancelled = asyncio.Event()

        async def slow(x):
            try:
                await asyncio.sleep(60)
            finally:
                cancelled.set()

        async def consume():
            async for _ in nbexec.aimap(slow, range(3)):
                pass

        task = asyncio.create_task(consume())
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await cancelled.wait()

    run(main)


def test_without_a_running_loop_it_says_so():
    with pytest.raises(RuntimeError, match="no running event loop"):
        nbexec.aimap(abs, [1])
