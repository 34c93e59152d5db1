"""Items that travel together in the kernel, and are had back from where they wait."""

from __future__ import annotations

import asyncio
import time

import pytest

import nbexec
from nbexec.items.outcomes import cut
from nbexec.model import Error, Task
from nbexec.telemetry.events import Finished, Returned
from nbexec.worker.chunk_state import ChunkState, SharedChunkState
from nbexec.worker.execute import ExecutionSpec, StopFlag, run_chunk
from nbexec.worker.setup_once import SetupOnce

from ..telemetry.test_events import check
from ..waiting import until

NAP = 0.01


@pytest.fixture(params=["threads", "asyncio", "asyncio, plain"])
def near(request):
    """A backend whose items can be had back, and what makes a function for it of a plain one."""
    name, _, plain = request.param.partition(", ")
    return name, (lambda fn: fn) if plain or name == "threads" else _coroutine


def _coroutine(fn):
    """Make a coroutine function of a generator-like one: it sleeps in small steps."""

    async def wait(x):
        steps = fn(x, stepwise=True)
        for _ in steps:
            await asyncio.sleep(0.002)
        return x

    return wait


def waits(until_when):
    """Give a function that takes NAP, or until `until_when(x)` says that it is over."""

    def steps(x):
        end = time.monotonic() + NAP
        while (over := until_when(x)) is False or (over is None and time.monotonic() < end):
            yield

    def work(x, stepwise=False):
        if stepwise:
            return steps(x)
        for _ in steps(x):
            time.sleep(0.002)
        return x

    return work


def test_each_item_goes_to_one_of_two():
    chunk_state = SharedChunkState([1, 2, 3, 4, 5])
    items = iter(chunk_state.items)
    assert next(items) == 1
    assert chunk_state.pending == 4
    assert chunk_state.take_back(2) == 2
    assert list(items) == [2, 3]
    assert chunk_state.take_back(9) == 0


def test_what_is_finished_can_be_read_while_the_rest_is_not():
    def work(x):
        if x == 0:
            seen.append(chunk_state.so_far("me"))
        return 1 // (x - 1)

    seen, chunk_state = [], SharedChunkState([3, 2, 0, 4])
    task = Task(work, "work")
    run_chunk(ExecutionSpec(task, SetupOnce(task), StopFlag()), chunk_state)
    (outcome,) = seen
    assert (outcome.values, outcome.errors, outcome.worker) == ([0, 1], {}, "me")
    assert len(outcome.ends) == 2
    assert abs(outcome.started - time.time()) < 5


def test_an_outcome_is_cut():
    task = Task(lambda x: 1 // x, "work")
    whole = run_chunk(ExecutionSpec(task, SetupOnce(task), StopFlag()), ChunkState([1, 0, 2, 0]))
    assert cut(whole, 0, 4) is whole
    part = cut(whole, 1, 3)
    assert part.values == [None, 0]
    assert list(part.errors) == [0]
    assert part.started == whole.started + whole.ends[0]
    assert part.ends == [whole.ends[at] - whole.ends[0] for at in (1, 2)]


def test_a_chunk_with_a_failure_comes_back_soon():
    def work(x):
        time.sleep(NAP)
        return 1 // x

    task, items = Task(work, "work"), [1, 0, 2, 3]
    spec = ExecutionSpec(task, SetupOnce(task), StopFlag())
    outcome = run_chunk(spec, SharedChunkState(items))
    assert outcome.values == [1, None]
    assert isinstance(outcome.errors[1], Error)
    assert len(run_chunk(spec, ChunkState(items)).values) == 4


def test_items_that_wait_travel_together(near, log):
    backend, made = near
    work = made(waits(lambda x: None))
    assert nbexec.map(work, range(60), backend=backend) == list(range(60))
    chunks = [len(event.chunk) for event in log.events if isinstance(event, Finished)]
    assert chunks[0] > 5  # when nobody knows yet how long they take
    assert sum(chunks) == 60
    assert check(log.events)


def test_nothing_waits_for_one_that_takes_long(near, log):
    """Neither items that are behind it, nor values that are before it: else this hangs."""
    backend, made = near
    runs = []
    late = 20
    work = made(waits(lambda x: (runs[0].stats.done >= 59) if x == late else None))
    run = nbexec.start(work, range(60), backend=backend)
    runs.append(run)
    assert run.result(30) == list(range(60))
    assert check(log.events)
    assert any(isinstance(event, Returned) for event in log.events)


def test_who_has_nothing_to_do_gets_what_waits_elsewhere(near, log, monkeypatch):
    monkeypatch.setattr("nbexec.run.reclaim.LATE", 60.0)
    backend, made = near
    begun = set()

    def rule(x):
        begun.add(x)
        return (len(begun) == 60) if x == 20 else None

    assert nbexec.map(made(waits(rule)), range(60), backend=backend) == list(range(60))
    check(log.events)


def test_what_is_finished_before_one_that_is_stopped_is_kept(near):
    backend, made = near
    begun, over = [], []

    def rule(x):
        begun.append(x)
        if x == 20:
            return bool(over)
        return None

    run = nbexec.start(made(waits(rule)), range(40), backend=backend)
    until(lambda: run.stats.done == 39 or (20 in begun and len(set(begun)) > 30))
    run.cancel()
    assert run.wait(5)
    over.append(1)
    ended = [value for value in run.results if not isinstance(value, nbexec.Failure)]
    assert set(range(20)) <= set(ended)
    assert 20 not in ended


def test_a_pause_has_what_has_not_begun_wait(near, log):
    backend, made = near
    begun = set()
    run = nbexec.start(made(waits(begun.add)), range(400), backend=backend)
    until(lambda: run.stats.done > 20)
    run.pause()
    until(lambda: run.stats.phase == "paused")
    already = len(begun)
    until(lambda: run.stats.running == 0)
    assert len(begun) == run.stats.done <= already + 4  # two at each worker, had it taken a while
    assert run.stats.done < 400
    run.resume()
    assert run.result(30) == list(range(400))
    check(log.events)


def test_fewer_workers_leave_nothing_behind(near, log):
    backend, made = near
    runs = []
    run = nbexec.start(made(waits(lambda x: None)), range(120), backend=backend, workers=4)
    runs.append(run)
    until(lambda: run.stats.done > 8)
    run.workers = 1
    assert run.result(30) == list(range(120))
    check(log.events)


def test_a_chunk_that_was_asked_for_stays_together(near, log):
    backend, made = near
    nbexec.map(made(waits(lambda x: None)), range(24), backend=backend, chunk=6)
    assert not [event for event in log.events if isinstance(event, Returned)]
    assert {len(event.chunk) for event in log.events if isinstance(event, Finished)} == {6}


def test_an_item_that_cancels_its_task_is_not_the_next_items_trouble():
    async def work(x):
        already = asyncio.current_task().cancelling()
        if x % 7 == 3:
            asyncio.current_task().cancel()
        await asyncio.sleep(NAP)
        return already

    results = nbexec.map(work, range(40), backend="asyncio", on_error="collect")
    assert len(results.failures) == 6
    assert all(isinstance(one.exception, asyncio.CancelledError) for one in results.failures)
    assert set(results.ok()) == {0}
