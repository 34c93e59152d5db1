"""Several calls of an executor together.

Covers `executor/groups`.
"""

from __future__ import annotations

import concurrent.futures
import signal
import threading

import pytest

import nbexec

from ..waiting import until


@pytest.fixture
def executor(backend):
    with nbexec.Executor(backend, workers=2) as executor:
        yield executor


@pytest.fixture
def threads():
    with nbexec.Executor("threads", workers=2) as executor:
        yield executor


def begin_and_wait(began, go):
    began.touch()
    until(go.exists)
    return "late"


def test_a_batch_gives_futures_in_order(executor):
    calls = [(pow, (2, 3)), dict, (int, ("ff",), {"base": 16}), (divmod, [7, 2]), (list,)]
    futures = executor.submit_batch(iter(calls))
    assert [one.result(60) for one in futures] == [8, {}, 255, (3, 1), []]
    assert all(isinstance(one, nbexec.CallFuture) for one in futures)
    assert executor.submit_batch([]) == []


@pytest.mark.parametrize(
    "wrong", [3, (3,), (abs, -1), (abs, "x"), (int, ("1",), 2), (int, (), {}, 1), (), None]
)
def test_nothing_of_a_batch_is_submitted_where_one_is_no_call(threads, wrong):
    called = []
    for method in (threads.submit_batch, threads.invoke_all, threads.invoke_any):
        with pytest.raises(TypeError, match="call 1 must be a function, "):
            method([(called.append, (1,)), wrong])
    assert threads.stats.done == 0
    assert called == []


def test_a_batch_of_an_executor_that_was_shut_down():
    executor = nbexec.Executor("threads", workers=1)
    executor.shutdown()
    with pytest.raises(RuntimeError, match="after shutdown"):
        executor.submit_batch([dict])


def test_a_batch_that_is_refused_in_its_middle_is_cancelled(threads, monkeypatch):
    go = threading.Event()
    held = [threads.submit(go.wait) for _ in range(2)]
    submit, given = threads.submit, []

    def submit_two(fn, *args):
        if len(given) == 2:
            raise RuntimeError("full")
        given.append(submit(fn, *args))
        return given[-1]

    monkeypatch.setattr(threads, "submit", submit_two)
    with pytest.raises(RuntimeError, match="full"):
        threads.submit_batch([dict, dict, dict])
    assert [one.cancelled() for one in given] == [True, True]
    go.set()
    assert all(one.result(60) for one in held)


# ---------------------------------------------------------------- all


def test_invoke_all_gives_futures_that_are_done(executor):
    futures = executor.invoke_all([(pow, (2, x)) for x in range(6)] + [(divmod, (1, 0))])
    assert all(one.done() for one in futures)
    assert [one.result() for one in futures[:-1]] == [2**x for x in range(6)]
    assert isinstance(futures[-1].exception(), ZeroDivisionError)
    assert executor.invoke_all([]) == []


def test_invoke_all_cancels_what_has_not_begun_in_time(tmp_path):
    began, go = tmp_path / "began", tmp_path / "go"
    with nbexec.Executor("threads", workers=1) as executor:
        calls = [(begin_and_wait, (began, go)), (abs, (-1,)), (abs, (-2,))]
        running, *others = executor.invoke_all(calls, timeout=0.2)
        assert not running.done()
        assert all(one.cancelled() for one in others)
        go.touch()
        assert running.result(60) == "late"


# ---------------------------------------------------------------- any


def test_invoke_any_gives_the_first_success(executor):
    assert executor.invoke_any([(divmod, (1, 0)), (divmod, (7, 2)), (divmod, (1, 0))]) == (3, 1)


def test_invoke_any_cancels_the_rest(threads):
    go, ran = threading.Event(), []
    calls = [dict, go.wait, go.wait, (ran.append, ("never",))]
    assert threads.invoke_any(calls) == {}  # its worker has the third one, perhaps
    go.set()
    threads.shutdown()
    assert ran == []


def test_invoke_any_raises_all_where_none_succeeds(executor):
    with pytest.raises(ExceptionGroup, match="none of 2 calls succeeded") as caught:
        executor.invoke_any([(divmod, (1, 0)), (int, ("x",))])
    errors = caught.value.exceptions
    assert [type(one) for one in errors] == [ZeroDivisionError, ValueError]
    assert [one.__notes__ for one in errors] == [
        ["nbexec: call 0 of 2: divmod()"],
        ["nbexec: call 1 of 2: int()"],
    ]
    with pytest.raises(ValueError, match="at least one call"):
        executor.invoke_any([])


class Falsy(Exception):
    """An exception with a length, as one that collects others may have."""

    def __len__(self):
        return 0


def raise_falsy(*args):
    raise Falsy("nothing")


def test_an_exception_that_is_false_is_raised(executor):
    """`concurrent.futures` has taken it for none, and has given None as the result."""
    future = executor.submit(raise_falsy)
    waiting = [executor.submit(repr, future), future.then(repr)]
    with pytest.raises(Falsy):
        future.result()
    for one in waiting:
        with pytest.raises(Falsy):
            one.result()
    with pytest.raises(Falsy):
        list(executor.map(raise_falsy, [1, 2]))
    with pytest.raises(ExceptionGroup) as caught:
        executor.invoke_any([raise_falsy, raise_falsy])
    assert [type(one) for one in caught.value.exceptions] == [Falsy, Falsy]


def test_invoke_any_can_time_out(tmp_path):
    began, go = tmp_path / "began", tmp_path / "go"
    with nbexec.Executor("threads", workers=1) as executor:
        with pytest.raises(TimeoutError):
            executor.invoke_any([(begin_and_wait, (began, go)), (abs, (-1,))], timeout=0.1)
        until(began.exists)
        go.touch()
        assert executor.submit(abs, -2).result(60) == 2
        assert executor.stats.done == 2  # not the second call


@pytest.mark.parametrize("method", ["invoke_all", "invoke_any"])
def test_an_interrupt_cancels_the_rest(method):
    go, futures = threading.Event(), []
    with nbexec.Executor("threads", workers=1) as executor:
        submit = executor.submit

        def keep(*given):
            futures.append(submit(*given))
            return futures[-1]

        executor.submit = keep

        def interrupt():
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
            go.wait(60)

        with pytest.raises(KeyboardInterrupt):
            getattr(executor, method)([interrupt, dict, dict])
        assert [one.cancelled() for one in futures] == [False, True, True]
        go.set()


# ---------------------------------------------------------------- wait, as_completed


def test_wait_and_as_completed_are_those_of_the_standard_library(threads):
    go = threading.Event()
    held, quick = threads.submit(go.wait), threads.submit(abs, -1)
    bad = threads.submit(divmod, 1, 0)
    done, not_done = threads.wait([held, quick], return_when=concurrent.futures.FIRST_COMPLETED)
    assert (done, not_done) == ({quick}, {held})
    done, _ = threads.wait([held, bad], return_when=concurrent.futures.FIRST_EXCEPTION)
    assert done == {bad}
    assert threads.wait([held], timeout=0.01).not_done == {held}
    ends = threads.as_completed([held, quick, bad, quick], timeout=60)
    assert {next(ends), next(ends)} == {quick, bad}
    go.set()
    assert list(ends) == [held]
    with pytest.raises(TimeoutError):
        list(threads.as_completed([concurrent.futures.Future()], timeout=0.01))
    assert threads.wait([]).done == set()
    with pytest.raises(ValueError, match="return"):
        threads.wait([held, concurrent.futures.Future()], return_when="SOON")


def test_as_completed_in_a_call():
    with nbexec.Executor("threads", workers=1) as executor:

        def outer():
            futures = [executor.submit(abs, x) for x in (-1, -2, -3)]
            found = [one.result() for one in executor.as_completed([*futures, futures[0]], 60)]
            with pytest.raises(TimeoutError, match=r"1 \(of 1\) futures unfinished"):
                next(executor.as_completed([concurrent.futures.Future()], 0.01))
            return sorted(found)

        assert executor.submit(outer).result(60) == [1, 2, 3]


# ---------------------------------------------------------------- a bounded queue


@pytest.fixture
def full():
    """An executor whose one worker is busy, with no room for another call."""
    go, begun = threading.Event(), threading.Event()
    with nbexec.Executor("threads", workers=1, max_queue=0) as executor:
        executor.submit(lambda: (begun.set(), go.wait(100)))
        assert begun.wait(60)
        yield executor
        go.set()


def test_a_timeout_is_for_room_in_the_queue_too(full):
    made = []
    futures = full.invoke_all([(made.append, (n,)) for n in range(3)], timeout=0.05)
    assert [one.cancelled() for one in futures] == [True] * 3
    with pytest.raises(TimeoutError, match="no room in the queue in time"):
        full.invoke_any([(made.append, (n,)) for n in range(3)], timeout=0.05)
    with pytest.raises(TimeoutError, match="had no room for a call in time"):
        next(full.map(made.append, range(3), timeout=0.05))
    assert made == []


def test_calls_that_found_room_in_time_count():
    go = threading.Event()
    with nbexec.Executor("threads", workers=1, max_queue=1) as executor:
        one, two, late = executor.invoke_all([(go.wait, (100,)), dict, dict], timeout=0.2)
        assert (one.done(), two.cancelled(), late.cancelled()) == (False, True, True)
        with pytest.raises(TimeoutError):
            executor.invoke_any([dict, dict], timeout=0.05)
        go.set()
        assert one.result(60)
        assert executor.invoke_any([dict, dict, dict], timeout=60) == {}
