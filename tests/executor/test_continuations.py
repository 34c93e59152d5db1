"""Calls that wait for futures: `then`, and futures as arguments.

Covers `executor/continuations`, `executor/future` and `items/awaiting_calls`.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools
import gc
import os
import pickle
import subprocess
import sys
import threading
import weakref

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nbexec
from nbexec.executor.continuations import futures_in
from nbexec.executor.future import CallFuture
from nbexec.items.awaiting_calls import in_turn

from ..waiting import until


@pytest.fixture
def executor(backend):
    with nbexec.Executor(backend, workers=2) as executor:
        yield executor


@pytest.fixture
def threads():
    with nbexec.Executor("threads", workers=2) as executor:
        yield executor


def wait_for(path):
    until(path.exists)
    return str(path.name)


# ---------------------------------------------------------------- then


def test_then_goes_on_with_the_result(executor):
    future = executor.submit(pow, 2, 3).then(float).then(lambda x: x / 2)
    assert isinstance(future, nbexec.CallFuture)
    assert future.result(60) == 4.0


def test_a_failure_goes_down_as_the_same_exception(executor):
    source = executor.submit(divmod, 1, 0)
    down = source.then(len).then(None)
    assert down.exception(60) is source.exception()
    assert source.then(None, on_error=str).result(60) == str(source.exception())
    assert source.then(len, str).then(len).result(60) == len(str(source.exception()))


def test_on_error_is_for_what_the_source_raises_alone(executor):
    source = executor.submit(pow, 2, 3)
    with pytest.raises(TypeError, match="len"):
        source.then(len, on_error=repr).result(60)
    assert source.then(None, on_error=repr).result(60) == 8
    assert source.then(len).then(None, on_error=lambda error: type(error)).result(60) is TypeError


def test_an_exit_is_no_error_to_go_on_with(threads):
    def leave():
        raise SystemExit(3)

    source = threads.submit(leave)
    assert isinstance(source.then(None, on_error=repr).exception(60), SystemExit)


def test_cancellation_goes_down_and_not_up(threads):
    go = threading.Event()
    held = [threads.submit(go.wait) for _ in range(2)]
    source = threads.submit(abs, -1)
    called = []
    first, second = source.then(called.append), source.then(abs, called.append)
    third = second.then(abs)
    assert first.cancel()
    assert first.cancelled()
    assert not source.cancelled()  # others wait for it
    assert source.cancel()
    done, _ = concurrent.futures.wait([first, second, third], 60)
    assert all(one.cancelled() for one in done)
    assert len(done) == 3
    go.set()
    assert all(one.result(60) for one in held)
    assert called == []


def test_no_worker_is_held_meanwhile(executor):
    source = concurrent.futures.Future()
    waiting = [executor.submit(abs, source) for _ in range(20)]
    assert executor.submit(abs, -1).result(60) == 1
    assert not any(one.done() or one.running() for one in waiting)
    source.set_result(-7)
    assert [one.result(60) for one in waiting] == [7] * 20


def test_a_continuation_that_gives_a_future_ends_as_that_does(threads):
    assert threads.submit(abs, -2).then(lambda x: threads.submit(pow, x, 5)).result(60) == 32
    bad = threads.submit(abs, -2).then(lambda x: threads.submit(divmod, x, 0))
    assert isinstance(bad.exception(60), ZeroDivisionError)
    inner = concurrent.futures.Future()
    late = threads.submit(abs, -2).then(lambda x: inner)
    inner.cancel()
    with pytest.raises(concurrent.futures.CancelledError):
        late.result(60)
    plain = threads.submit(lambda: threads.submit(abs, -3))
    assert plain.result(60).result(60) == 3  # submit gives what the function gives


def test_a_continuation_that_gives_itself(threads):
    mine = []
    go = threading.Event()
    future = threads.submit(go.wait).then(lambda _: mine[0])
    mine.append(future)
    go.set()
    with pytest.raises(RuntimeError, match="its own future"):
        future.result(60)


def test_a_failure_goes_down_a_chain_of_any_length(threads):
    source = concurrent.futures.Future()
    future = threads.submit(abs, source)
    for _ in range(3000):
        future = future.then(None)
    error = KeyError("far")
    source.set_exception(error)
    assert future.exception(60) is error


def test_then_needs_functions_and_an_executor():
    executor = nbexec.Executor("threads", workers=1)
    future = executor.submit(abs, -1)
    with pytest.raises(TypeError, match="fn must be callable or None, not 3"):
        future.then(3)
    with pytest.raises(TypeError, match="on_error must be callable"):
        future.then(abs, on_error=3)
    executor.shutdown()
    with pytest.raises(RuntimeError, match="after shutdown"):
        future.then(abs)
    del executor
    gc.collect()
    for gone in (future, CallFuture()):
        with pytest.raises(RuntimeError, match="after shutdown"):
            gone.then(abs)


def test_a_continuation_outlives_who_has_the_executor():
    source = concurrent.futures.Future()
    executor = nbexec.Executor("threads", workers=1)
    future = executor.submit(abs, source).then(float)
    del executor
    gc.collect()
    source.set_result(-1)
    assert future.result(60) == 1.0


def test_they_draw_as_calls_submitted_in_their_places(backend):
    def draw(_):
        import random

        return random.random()

    with nbexec.Executor(backend, workers=2, seed=7) as executor:
        first = executor.submit(draw, 0)
        second = first.then(draw)
        third = executor.submit(draw, second)
        drawn = [one.result(60) for one in (first, second, third)]
    with nbexec.Executor("serial", seed=7) as executor:
        assert [executor.submit(draw, x).result() for x in range(3)] == drawn


# ---------------------------------------------------------------- futures as arguments


def test_futures_are_replaced_by_their_results(executor):
    two, three = executor.submit(abs, -2), executor.submit(abs, -3)
    assert executor.submit(pow, two, three).result(60) == 8
    assert executor.submit(int, executor.submit(str, "11"), base=two).result(60) == 3
    assert executor.submit(repr, [two, (1,), three]).result(60) == "[2, (1,), 3]"
    assert executor.submit(repr, (two, 0)).result(60) == "(2, 0)"
    assert executor.submit(dict, a=two, b={"x": three, "y": 1}).result(60) == {
        "a": 2,
        "b": {"x": 3, "y": 1},
    }


def test_futures_of_others(executor):
    with (
        concurrent.futures.ThreadPoolExecutor(1) as pool,
        nbexec.Executor("threads", workers=1) as other,
    ):
        assert executor.submit(pow, pool.submit(abs, -2), other.submit(abs, -5)).result(60) == 32


def test_map_takes_futures_too(executor):
    futures = [executor.submit(abs, x) for x in range(-4, 0)]
    assert list(executor.map(pow, futures, [2] * 4)) == [16, 9, 4, 1]
    futures = [executor.submit(abs, x) for x in range(-4, 0)]
    assert list(executor.map(pow, futures, [2] * 4, chunksize=3)) == [16, 9, 4, 1]


def test_a_failed_argument_ends_the_call_at_once(executor):
    never = concurrent.futures.Future()
    bad = executor.submit(divmod, 1, 0)
    call = executor.submit(max, never, [bad])
    assert call.exception(60) is bad.exception()
    gone = concurrent.futures.Future()
    call = executor.submit(max, never, gone).then(abs)
    gone.cancel()
    assert isinstance(executor, nbexec.Executor)
    with pytest.raises(concurrent.futures.CancelledError):
        call.result(60)
    assert call.cancelled()


def test_of_several_failed_arguments_the_first_one_counts(threads):
    first, second = concurrent.futures.Future(), concurrent.futures.Future()
    second.set_exception(KeyError(2))
    first.set_exception(KeyError(1))
    assert threads.submit(max, [first], key=second).exception(60) is first.exception()


def test_lists_are_taken_as_they_are_when_they_are_given(threads):
    source = concurrent.futures.Future()
    items, plain = [source, 1], [1]
    call = threads.submit(lambda *args: args, items, plain)
    items.append(2)
    source.set_result(0)
    got, same = call.result(60)
    assert got == [0, 1]
    assert same is plain  # what has no futures is not copied
    assert items == [source, 1, 2]


def test_a_future_itself_is_given_with_partial(threads):
    promise = concurrent.futures.Future()
    threads.submit(functools.partial(concurrent.futures.Future.set_result, promise, 5)).result(60)
    assert promise.result(0) == 5


def test_only_plain_containers_one_deep_are_looked_into():
    class Rows(list):
        """A list of somebody's own."""

    future = concurrent.futures.Future()
    assert futures_in((Rows([future]), [[future]], {1: (future,)}, {future: 1}), {}) == []
    assert futures_in(([future], future), {"x": {"y": future}}) == [future]


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_graph_of_calls_gives_what_plain_calls_give(data):
    """Each call adds results of earlier ones; some fail, and so does all that needs them."""
    size = data.draw(st.integers(1, 8))
    needs = [
        data.draw(st.lists(st.integers(0, at - 1), max_size=3)) if at else [] for at in range(size)
    ]
    fails = data.draw(st.sets(st.integers(0, size - 1), max_size=2))

    def call(at, values, other=0):
        if at in fails:
            raise ValueError(at)
        return at + sum(values) + other

    expected = []
    for at in range(size):
        inputs = [expected[one] for one in needs[at]]
        bad = next((one for one in inputs if isinstance(one, Exception)), None)
        try:
            expected.append(bad if bad is not None else call(at, inputs[:-1], *inputs[-1:]))
        except ValueError as error:
            expected.append(error)
    with nbexec.Executor("threads", workers=2) as executor:
        futures = []
        for at in range(size):
            inputs = [futures[one] for one in needs[at]]
            other = {"other": inputs[-1]} if inputs else {}
            futures.append(executor.submit(call, at, inputs[:-1], **other))
        found = [one.exception(60) or one.result(60) for one in futures]
    for got, wanted in zip(found, expected, strict=True):
        assert type(got) is type(wanted)
        if not isinstance(wanted, Exception):
            assert got == wanted
        else:
            assert got.args[0] in fails


# ---------------------------------------------------------------- the executor's end


def test_shutdown_waits_for_calls_that_wait(executor):
    source = concurrent.futures.Future()
    futures = [executor.submit(abs, source), executor.submit(abs, source).then(float)]
    executor.shutdown(wait=False)
    with pytest.raises(RuntimeError, match="after shutdown"):
        executor.submit(abs, source)
    threading.Timer(0.05, source.set_result, [-3]).start()
    executor.shutdown()
    assert [future.result(0) for future in futures] == [3, 3.0]
    assert executor.run.done


def test_shutdown_can_cancel_calls_that_wait(executor):
    source = concurrent.futures.Future()
    futures = [executor.submit(abs, source), executor.submit(abs, source).then(float)]
    executor.shutdown(cancel_futures=True)
    assert all(future.cancelled() for future in futures)
    source.set_result(1)  # nobody waits for it any more
    assert executor.run.done


def test_a_cancelled_call_that_waits_lets_the_executor_end(executor):
    call = executor.submit(abs, concurrent.futures.Future())
    executor.shutdown(wait=False)
    assert call.cancel()
    assert concurrent.futures.wait([call], 60).done == {call}
    executor.shutdown()


def test_a_callback_may_submit_while_calls_are_cancelled(threads):
    go, refused = threading.Event(), []
    held = [threads.submit(go.wait) for _ in range(2)]

    def submit(_):
        try:
            threads.submit(abs, -1)
        except RuntimeError as error:
            refused.append(error)

    for _ in range(4):
        threads.submit(abs, -1).add_done_callback(submit)
    threads.shutdown(wait=False, cancel_futures=True)
    go.set()
    assert all(one.result(60) for one in held)
    assert len(refused) == 4


def test_a_run_that_is_cancelled_leaves_nobody_waiting(threads):
    go = threading.Event()
    source = concurrent.futures.Future()
    running = [threads.submit(go.wait) for _ in range(2)]
    until(lambda: all(one.running() for one in running))
    pending, waiting = threads.submit(abs, -1), threads.submit(abs, source)
    flat = waiting.then(None)
    threads.run.cancel()
    for one in (pending, waiting, flat):
        with pytest.raises(concurrent.futures.CancelledError):
            one.result(60)
    for one in running:
        assert isinstance(one.exception(60), nbexec.RunCancelled)
    go.set()
    threads.run.wait()
    with pytest.raises(nbexec.RunCancelled):
        threads.submit(abs, -1)


def test_calls_that_wait_fail_with_the_initializer():
    with nbexec.Executor("threads", workers=1, initializer=divmod, initargs=(1, 0)) as executor:
        waiting = executor.submit(abs, concurrent.futures.Future())
        bad = executor.submit(abs, -1)
        for one in (bad, waiting):
            assert isinstance(one.exception(60), concurrent.futures.BrokenExecutor)


def test_python_waits_for_them_at_its_end():
    code = """
import nbexec, threading, time
executor = nbexec.Executor("threads", workers=1)
go = threading.Event()
executor.submit(go.wait).then(lambda _: print("went on", flush=True))
threading.Timer(0.2, go.set).start()
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=100, cwd=os.getcwd()
    )
    assert (done.stdout, done.stderr) == ("went on\n", "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_is_told(tmp_path):
    code = """
import concurrent.futures, os, nbexec
executor = nbexec.Executor("threads", workers=1)
source = concurrent.futures.Future()
waiting = executor.submit(abs, source)
then = waiting.then(None)
child = os.fork()
if child == 0:
    errors = [one.exception(10) for one in (waiting, then)]
    assert all("forked this one" in str(error) for error in errors), errors
    try:
        waiting.then(abs)
    except RuntimeError as error:
        assert "forked this one" in str(error), error
    os._exit(7)
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
source.set_result(-1)
print(status, then.result(10))
"""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True,
                          text=True, timeout=100, cwd=os.getcwd())  # fmt: skip
    assert (done.stdout, done.stderr) == ("7 1\n", "")


# ---------------------------------------------------------------- what is kept, and sent


class Weighty:
    """An argument that may be referred to weakly."""


def test_what_waited_keeps_nothing(threads):
    source = concurrent.futures.Future()
    given_ = Weighty()
    ref = weakref.ref(given_)
    call = threads.submit(lambda weighty, x: x, given_, source)
    gone = threads.submit(lambda weighty, x: x, given_, concurrent.futures.Future())
    go_on = call.then(lambda x, kept=given_: x)
    del given_
    gone.cancel()
    source.set_result(1)
    assert go_on.result(60) == 1
    until(lambda: gc.collect() >= 0 and ref() is None)
    assert source.result() == 1  # it is still here, with its callbacks


def test_a_future_can_not_be_sent(sent):
    with nbexec.Executor(sent, workers=1) as executor:
        future = executor.submit(abs, -1)
        with pytest.raises(nbexec.PickleError, match="stays in the process"):
            executor.submit(lambda: future.result()).result(60)
        with pytest.raises(nbexec.PickleError, match="'executor'"):
            executor.submit(lambda: executor.submit(abs, -1)).result(60)
    with pytest.raises(TypeError, match="give it to submit"):
        pickle.dumps(future)


def test_run_in_executor_waits_for_futures(threads):
    async def main():
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(threads, pow, threads.submit(abs, -2), 3)

    assert asyncio.run(main()) == 8


def test_steps_within_steps_come_after_them():
    order = []

    def step(name, then=()):
        order.append(f"begin {name}")
        for one in then:
            in_turn(functools.partial(step, one))
        order.append(f"end {name}")

    in_turn(lambda: step("a", "bc"))
    assert order == [f"{what} {name}" for name in "abc" for what in ("begin", "end")]

    def interrupt():
        in_turn(lambda: order.append("after"))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        in_turn(interrupt)
    assert order[-1] == "after"


# ---------------------------------------------------------------- options of calls that go on


def flaky(path, value):
    with path.open("a") as file:
        file.write("try\n")
    if len(path.read_text().split()) < 3:
        raise OSError("not yet")
    return value


def test_a_continuation_has_the_options_of_the_view_before(executor, tmp_path):
    careful = executor.options(retries=2, retry_wait=0)
    first = careful.submit(abs, -7)
    goes_on = functools.partial(flaky, tmp_path / "then")
    assert first.then(goes_on).then(str).result(60) == "7"
    (tmp_path / "then").unlink()
    assert first.then(str).then(goes_on).result(60) == "7"  # however many are between
    (tmp_path / "then").unlink()
    failed = careful.submit(divmod, 1, 0)
    mended = failed.then(None, on_error=lambda error: flaky(tmp_path / "on_error", 3))
    assert mended.result(60) == 3
    plain = executor.submit(abs, -7).then(goes_on)
    assert isinstance(plain.exception(60), OSError)


def test_a_call_with_futures_has_the_options_of_its_own_view(executor, tmp_path):
    careful = executor.options(retries=2, retry_wait=0)
    mended = careful.submit(flaky, tmp_path / "a", executor.submit(abs, -1))
    failed = executor.submit(flaky, tmp_path / "b", careful.submit(abs, -1))
    assert mended.result(60) == 1
    assert isinstance(failed.exception(60), OSError)


def test_a_continuation_is_as_urgent_as_the_call_before(tmp_path):
    go, order = threading.Event(), []
    with nbexec.Executor("threads", workers=1) as executor:
        first = executor.options(priority=10).submit(go.wait)
        usual = [executor.submit(order.append, n) for n in range(3)]
        urgent = first.then(lambda _: order.append("urgent"))
        go.set()
        concurrent.futures.wait([*usual, urgent], 60)
    assert order[:2] in (["urgent", 0], [0, "urgent"])  # one was on its way
    assert len(order) == 4


def test_a_continuation_has_the_time_limit_and_the_name_of_the_view_before(tmp_path):
    with nbexec.Executor("threads", workers=2) as executor:
        hasty = executor.options(timeout=0.2, name="hasty")
        late = hasty.submit(abs, -1).then(lambda _: wait_for(tmp_path / "go"))
        error = late.exception(60)
        assert isinstance(error, nbexec.ItemTimeout)
        assert "'hasty' took longer than timeout=0.2" in str(error)
        (tmp_path / "go").touch()


def test_a_continuation_counts_for_the_rate_of_the_view_before():
    with nbexec.Executor("threads", workers=2) as executor:
        seldom = executor.options(rate="1/h", key="host")
        waiting = seldom.submit(abs, -1).then(str)
        assert executor.submit(abs, -2).then(str).result(60) == "2"
        until(lambda: executor.stats.queued == 1)
        assert not waiting.done()
        assert waiting.cancel()
