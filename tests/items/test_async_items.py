"""Async iterables as items: awaited one by one, by every way of calling, on every backend."""

import asyncio
import gc
import itertools
import threading

import pytest

import nbexec

from ..waiting import until

QUIET = {"progress": "off"}


async def pages(count=5, ended=None):
    """Give some numbers, and note that it was closed."""
    try:
        for page in itertools.count() if count is None else range(count):
            await asyncio.sleep(0)
            yield page
    finally:
        if ended is not None:
            ended.append(threading.current_thread().name)


class Pages:
    """No generator: it has nothing but what `async for` needs."""

    def __init__(self):
        self._left = [1, 2, 3]

    def __aiter__(self):
        return self

    async def __anext__(self):
        if not self._left:
            raise StopAsyncIteration
        return self._left.pop(0)


async def double(x):
    await asyncio.sleep(0)
    return 2 * x


def test_every_way_of_calling(backend):
    how = {"backend": backend, **QUIET}
    twice = [0, 2, 4, 6, 8]
    assert nbexec.map(lambda x: 2 * x, pages(), **how) == twice
    assert list(nbexec.imap(lambda x: 2 * x, pages(), **how)) == twice
    assert nbexec.start(lambda x: 2 * x, pages(), **how).result() == twice
    assert asyncio.run(nbexec.amap(lambda x: 2 * x, pages(), **how)) == twice
    assert nbexec.map(abs, pages(0), **how) == []
    assert nbexec.map(abs, Pages(), **how) == [1, 2, 3]


@pytest.mark.parametrize("backend", ["auto", "asyncio"])
def test_coroutine_functions(backend):
    assert nbexec.map(double, pages(), backend=backend, **QUIET) == [0, 2, 4, 6, 8]
    assert asyncio.run(nbexec.amap(double, pages(), backend=backend, **QUIET)) == [0, 2, 4, 6, 8]


def test_beside_another_iterable():
    assert nbexec.map(pow, pages(), [2, 2, 2], backend="serial", **QUIET) == [0, 1, 4]
    assert nbexec.map(pow, [2, 3], pages(), backend="serial", **QUIET) == [1, 3]


def test_an_endless_one_is_pulled_as_results_are_taken_and_closed_in_its_loop():
    ended = []
    results = nbexec.imap(abs, pages(None, ended), backend="threads", window=10, **QUIET)
    assert list(itertools.islice(results, 30)) == list(range(30))
    results.close()
    gc.collect()
    until(lambda: ended)
    assert ended == ["nbexec-asyncio"]


def test_amap_awaits_items_in_the_callers_loop():
    async def where():
        for _ in range(3):
            yield asyncio.get_running_loop()

    async def main(backend):
        given = await nbexec.amap(lambda loop: loop, where(), backend=backend, **QUIET)
        return [loop is asyncio.get_running_loop() for loop in given]

    for backend in ("serial", "threads", "asyncio", "auto"):
        assert asyncio.run(main(backend)) == [True] * 3


def test_what_it_raises_is_raised(backend):
    async def broken():
        yield 1
        raise KeyError("page 2")

    with pytest.raises(nbexec.ItemsError, match="page 2") as caught:
        nbexec.map(abs, broken(), backend=backend, **QUIET)
    assert isinstance(caught.value.__cause__, KeyError)
    assert caught.value.partial_results == [1]


def test_what_is_awaited_when_the_run_is_cancelled_is_cancelled():
    ended, began = [], threading.Event()

    async def slow():
        try:
            yield 1
            began.set()
            await asyncio.Event().wait()
        finally:
            ended.append(threading.current_thread().name)

    run = nbexec.start(abs, slow(), backend="threads", **QUIET)
    assert began.wait(20)
    run.cancel()
    until(lambda: ended)
    assert ended == ["nbexec-asyncio"]


def test_a_cancelled_amap_closes_it():
    ended, began = [], threading.Event()

    async def slow():
        try:
            yield 1
            began.set()
            await asyncio.Event().wait()
        finally:
            ended.append(1)

    async def main():
        task = asyncio.create_task(nbexec.amap(abs, slow(), backend="threads", **QUIET))
        while not began.is_set():
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())  # which closes what is left
    assert ended == [1]


def test_what_is_neither_is_refused():
    with pytest.raises(nbexec.OptionError, match="items must be an iterable, not int"):
        nbexec.map(abs, 3, **QUIET)
