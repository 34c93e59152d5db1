"""Calls that wait in a worker for other calls of their executor: nothing waits for ever.

Covers `executor/blocked_calls` and `run/lending`.
"""

from __future__ import annotations

import concurrent.futures
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nbexec
from nbexec.backends.threads import Threads
from nbexec.executor.blocked_calls import called
from nbexec.items.queue_bound import inside
from nbexec.model import Chunk
from nbexec.placement.slots import SlotTable
from nbexec.run.lending import Lending, Loan

from ..conftest import BACKENDS
from ..waiting import until

ADDING = ["threads", "asyncio"]
WAYS = {
    "result": lambda executor, future: future.result(),
    "exception": lambda executor, future: future.exception() or future.result(0),
    "wait": lambda executor, future: executor.wait([future]).done.pop().result(0),
    "as_completed": lambda executor, future: next(iter(executor.as_completed([future]))).result(0),
}


@pytest.fixture(params=ADDING)
def executor(request):
    with nbexec.Executor(request.param, workers=1) as executor:
        yield executor


@pytest.mark.parametrize("way", WAYS)
def test_a_call_may_wait_for_another_one_of_a_full_pool(executor, way):
    def outer(x):
        return WAYS[way](executor, executor.submit(abs, x))

    assert executor.submit(outer, -1).result(60) == 1
    until(lambda: executor.run.workers == 1)


def test_groups_and_map_in_a_call_of_a_full_pool(executor):
    def outer():
        return (
            list(executor.map(abs, [-1, -2])),
            [one.result() for one in executor.invoke_all([(abs, (-3,)), (abs, (-4,))])],
            executor.invoke_any([(divmod, (1, 0)), (abs, (-5,))]),
        )

    assert executor.submit(outer).result(60) == ([1, 2], [3, 4], 5)


def test_calls_that_wait_in_calls_that_wait(executor):
    def fib(n):
        if n < 2:
            return n
        one, two = executor.submit(fib, n - 1), executor.submit(fib, n - 2)
        return one.result() + two.result()

    assert executor.submit(fib, 8).result(100) == 21
    until(lambda: executor.run.workers == 1)


def test_a_worker_is_added_while_it_waits_and_no_longer():
    seen = []
    with nbexec.Executor("threads", workers=1) as executor:

        def inner():
            until(lambda: executor.run.workers == 2)
            seen.append(executor.run.workers)

        def outer():
            executor.submit(inner).result()
            until(lambda: executor.run.workers == 1)
            seen.append(executor.run.workers)

        executor.submit(outer).result(60)
        assert seen == [2, 1]
        executor.run.workers = 3  # what is asked for is beside what is lent
        until(lambda: executor.run.workers == 3)


def test_what_is_waited_for_comes_first_and_nothing_else_runs_beside():
    order, running = [], set()
    with nbexec.Executor("threads", workers=1) as executor:

        def inner(at):
            running.add(threading.get_ident())
            order.append(("inner", at, len(running)))
            running.discard(threading.get_ident())

        def outer(at):
            waited = executor.submit(inner, at)
            order.append(("outer", at, len(running)))
            waited.result()

        for future in [executor.submit(outer, at) for at in range(6)]:
            future.result(60)
    assert order == [(what, at, at_once) for at in range(6)
                     for what, at_once in (("outer", 0), ("inner", 1))]  # fmt: skip


def test_a_wait_with_a_timeout_gives_the_worker_back(executor):
    go = threading.Event()

    def outer():
        waited = executor.submit(go.wait)
        for _ in range(3):
            with pytest.raises(TimeoutError):
                waited.result(0.02)
        assert len(waited._done_callbacks) == 0
        go.set()
        return waited.result(60)

    assert executor.submit(outer).result(60) is True
    until(lambda: executor.run.workers == 1)


def test_what_fails_and_what_is_cancelled(executor):
    def outer():
        assert isinstance(executor.submit(divmod, 1, 0).exception(), ZeroDivisionError)
        waiting = executor.submit(abs, concurrent.futures.Future())
        threading.Timer(0.05, waiting.cancel).start()
        with pytest.raises(concurrent.futures.CancelledError):
            waiting.result()
        first, second = executor.submit(divmod, 1, 0), executor.submit(abs, -2)
        done = executor.wait([first, second], 60, concurrent.futures.FIRST_EXCEPTION).done
        return first in done

    assert executor.submit(outer).result(60)


def test_serial_says_which_call_waits_for_which():
    with nbexec.Executor("serial") as executor:

        def inner():
            return 1

        def outer():
            return executor.submit(inner).result()

        with pytest.raises(nbexec.BackendError) as caught:
            executor.submit(outer).result(60)
        said = str(caught.value)
        for part in ("inner() can't begin", "outer() has the only worker", "'serial'", "then()"):
            assert part in said
        assert executor.submit(abs, -1).result(60) == 1  # it goes on
        assert executor.submit(lambda: executor.submit(abs, -2).then(float)).result(60).result(60)


def test_pools_of_others_say_so_once_all_their_workers_wait():
    go = threading.Event()
    with (
        concurrent.futures.ThreadPoolExecutor(2) as pool,
        nbexec.Executor(pool, workers=2) as executor,
    ):

        def outer():
            return executor.submit(abs, -1).result()

        held = executor.submit(go.wait)
        until(held.running)
        alone = executor.submit(outer)
        until(alone.running)
        assert not alone.done()  # the other worker will be free
        go.set()
        assert alone.result(60) == 1
        both = threading.Barrier(2)

        def outer_too():
            both.wait(60)
            waited = executor.submit(abs, -1)
            both.wait(60)
            return waited.result()

        ends = [executor.submit(outer_too).exception for _ in range(2)]
        errors = [end(60) for end in ends]
        assert sum(error is None for error in errors) == 1  # the first one's could begin then
        (error,) = filter(None, errors)
        assert "all 2 workers" in str(error)


def test_a_worker_that_has_just_come_free_is_seen(monkeypatch):
    """The end of a call, and the next message that one waits, come to the loop at once."""
    go, waits = threading.Event(), threading.Event()
    with (
        concurrent.futures.ThreadPoolExecutor(2) as pool,
        nbexec.Executor(pool, workers=2) as executor,
    ):
        loop, lend = executor.run._loop, executor.run.lend
        handle = loop._intake._on_reply

        def late(chunk, reply):
            handle(chunk, reply)
            go.set()
            assert waits.wait(60)  # so that the loop handles that before it sends anything

        def noted(loan):
            lend(loan)
            waits.set()

        def outer():
            assert go.wait(60)
            return executor.submit(abs, -1).result()

        monkeypatch.setattr(executor.run, "lend", noted)
        alone = executor.submit(outer)
        until(alone.running)
        monkeypatch.setattr(loop._intake, "_on_reply", late)
        executor.submit(abs, -2)
        assert alone.result(60) == 1


def test_auto_goes_where_it_can_wait():
    with nbexec.Executor("auto", workers=1) as executor:
        assert executor.submit(lambda: executor.submit(abs, -1).result()).result(100) == 1


def test_a_run_in_a_call_and_an_executor_in_a_call():
    with nbexec.Executor("threads", workers=1) as executor:

        def mapped():
            return nbexec.map(lambda x: executor.submit(abs, x).result(), [-1, -2], workers=2)

        assert executor.submit(mapped).result(60) == [1, 2]

        def nested():
            with nbexec.Executor("threads", workers=1) as other:
                return other.submit(lambda: executor.submit(abs, -3).result()).result()

        assert executor.submit(nested).result(60) == 3


def test_nobody_else_is_within():
    assert inside.get() == ()
    with nbexec.Executor("threads", workers=1) as executor:
        assert inside.get() == ()
        assert len(executor.submit(inside.get).result(60)) == 1
    assert (called(len), called(functools_partial()), called(WAYS["wait"])) == (
        "len()", "partial()", "<lambda>()",
    )  # fmt: skip


def functools_partial():
    import functools

    return functools.partial(len)


# ---------------------------------------------------------------- the records


def test_who_is_stuck():
    lending, loans = Lending(), [Loan(lambda backend: None) for _ in range(3)]
    assert not lending.lend(loans[0], adds_workers=False)
    assert not lending.stuck(running=2)
    assert not lending.lend(loans[1], adds_workers=False)
    assert lending.stuck(running=2)
    assert not lending.give_back(loans[0])
    assert not lending.stuck(running=2)
    assert lending.lend(loans[2], adds_workers=True)
    assert lending.lent == 1
    assert lending.give_back(loans[2])
    assert not lending.give_back(loans[2])  # once
    assert lending.lent == 0


class NoSession:
    """A session that nothing is sent to."""

    stealable = False

    def resize(self, workers):
        self.workers = workers


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(["lend", "back", "send", "end", "more", "less"]), max_size=40))
def test_slots_are_as_many_as_asked_for_and_lent_and_no_two_have_a_number(steps):
    slots, session = SlotTable(), NoSession()
    slots.switch_to(session, 2)
    asked, lent, sent, at = 2, 0, [], 0
    for step in steps:
        if step in ("lend", "back"):
            lent = lent + 1 if step == "lend" else max(0, lent - 1)
            slots.lend(lent)
        elif step in ("more", "less"):
            asked = asked + 1 if step == "more" else max(1, asked - 1)
            slots.resize(asked)
        elif step == "send" and slots.has_room(1):
            sent.append(Chunk([at], [at]))
            at += 1
            slots.assign(sent[-1], 0.0)
        elif step == "end" and sent:
            slots.release(sent.pop(0))
        assert len(slots._slots) == asked + lent
        assert not any(slot.retired for slot in slots._slots)
        numbers = [slot.number for slot in slots._slots]
        assert len({*numbers}) == len(numbers)
        assert numbers[0] == 0  # what runs at the first one is looked at


def test_which_backends_add_workers():
    adding = {name for name in BACKENDS if _adds(name)}  # others may have been registered
    assert adding == {*ADDING}
    assert Threads.adds_workers


def _adds(name):
    from nbexec.backends import get_backend

    return get_backend(name).adds_workers


@pytest.mark.parametrize("backend", ["threads", "asyncio"])
def test_a_call_hears_of_calls_that_are_cancelled(backend):
    with nbexec.Executor(backend, workers=1) as executor:

        def before():
            cancelled = executor.submit(abs, -1)
            cancelled.cancel()
            return executor.wait([cancelled]).done == {cancelled}

        def meanwhile():
            executor.run.pause()  # so that no worker comes by
            cancelled = executor.submit(abs, -1)
            cancelled.add_done_callback(lambda _: executor.run.resume())
            timer = threading.Timer(0.05, cancelled.cancel)
            timer.start()
            return [*executor.as_completed([cancelled])] == [cancelled]

        assert executor.submit(before).result(60)
        assert executor.submit(meanwhile).result(60)
