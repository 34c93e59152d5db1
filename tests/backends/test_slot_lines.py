"""Somebody else's pool runs no more at once than the run has workers.

Covers `backends/slot_lines`.
"""

from __future__ import annotations

import threading
from concurrent.futures import Executor, Future, ThreadPoolExecutor

import pytest

import nbexec
from nbexec.backends.slot_lines import SlotLines

from ..waiting import until


class ByHand(Executor):
    """A pool whose calls end when they are told to."""

    def __init__(self, workers=8):
        self._max_workers = workers
        self.begun: list[tuple[Future, int]] = []

    def submit(self, fn, /, *args, **kwargs):
        future = Future()
        self.begun.append((future, *args))
        return future

    def end(self, place):
        future, value = self.begun[place]
        future.set_result(-value)


class AtOnce(Executor):
    """A pool that runs calls where they are submitted."""

    def submit(self, fn, /, *args, **kwargs):
        future = Future()
        future.set_result(fn(*args))
        return future


def values(pool):
    return [value for _, value in pool.begun]


def test_chunks_of_a_slot_go_one_after_the_other():
    pool = ByHand()
    lines = SlotLines(pool, 2)
    futures = [lines.submit(slot, abs, value) for slot, value in [(0, 1), (0, 2), (1, 3), (0, 4)]]
    assert values(pool) == [1, 3]
    pool.end(0)
    assert values(pool) == [1, 3, 2]
    pool.end(1)
    pool.end(2)
    assert values(pool) == [1, 3, 2, 4]
    pool.end(3)
    assert [one.result(0) for one in futures] == [-1, -2, -3, -4]


def test_a_pool_without_more_workers_needs_no_lines():
    pool = ByHand(workers=2)
    lines = SlotLines(pool, 2)
    for value in range(3):
        lines.submit(0, abs, value)
    assert values(pool) == [0, 1, 2]
    lines.resize(1)
    lines.submit(0, abs, 3)
    assert values(pool) == [0, 1, 2]
    pool.end(2)
    assert values(pool) == [0, 1, 2, 3]


def test_what_waits_is_dropped_and_the_slot_is_used_again():
    pool = ByHand()
    lines = SlotLines(pool, 1)
    lines.submit(0, abs, 1)
    waiting = lines.submit(0, abs, 2)
    assert lines.abort(0)  # the pool had not begun
    assert waiting.cancelled()
    lines.submit(0, abs, 3)
    assert values(pool) == [1, 3]
    assert lines.abort(5)


def test_what_runs_can_not_be_stopped():
    pool = ByHand()
    lines = SlotLines(pool, 1)
    lines.submit(0, abs, 1)
    pool.begun[0][0].set_running_or_notify_cancel()
    assert not lines.abort(0)


def test_failures_and_refusals_are_of_their_chunks():
    pool = ByHand()
    lines = SlotLines(pool, 1)
    first, second, third = (lines.submit(0, abs, value) for value in range(3))
    pool.begun[0][0].set_exception(KeyError("mine"))
    assert isinstance(first.exception(0), KeyError)
    pool.submit = lambda *args: (_ for _ in ()).throw(RuntimeError("after shutdown"))
    pool.end(1)
    assert second.result(0) == -1
    assert str(third.exception(0)) == "after shutdown"
    with pytest.raises(RuntimeError, match="after shutdown"):
        lines.submit(0, abs, 3)


def test_a_pool_that_runs_calls_at_once():
    lines = SlotLines(AtOnce(), 1)
    assert [lines.submit(0, abs, -x).result(0) for x in range(5)] == [*range(5)]


def test_no_more_items_run_at_once_than_there_are_workers():
    lock, now, most = threading.Lock(), 0, 0
    both = threading.Event()

    def item(x):
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
            if now == 2:
                both.set()
        both.wait(60)
        until(lambda: True)
        with lock:
            now -= 1
        return x

    with ThreadPoolExecutor(8) as pool:
        assert nbexec.map(item, range(40), backend=pool, workers=2, chunk=1) == [*range(40)]
        assert most == 2
        run = nbexec.start(item, range(40), backend=pool, workers=2, chunk=1)
        run.workers = 3
        assert run.result() == [*range(40)]
    assert most <= 3
