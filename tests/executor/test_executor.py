"""`nbexec.Executor`, over `items/call_queue`: `concurrent.futures.Executor` on every backend.

Covers `executor/mapping`, `executor/future` and `executor/open_runs`.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import gc
import itertools
import threading
import time
import weakref

import dask
import pytest

import nbexec

from ..waiting import until


@pytest.fixture
def executor(backend):
    with nbexec.Executor(backend, workers=2) as executor:
        yield executor


def test_it_is_one(executor):
    assert isinstance(executor, concurrent.futures.Executor)


def test_submit_gives_futures(executor):
    futures = [executor.submit(pow, 2, exp) for exp in range(20)]
    assert all(isinstance(future, concurrent.futures.Future) for future in futures)
    done, pending = concurrent.futures.wait(futures, timeout=100)  # Dask may have to start
    assert not pending
    assert {future.result() for future in done} == {2**exp for exp in range(20)}


class Weighty:
    """An argument that may be referred to weakly."""


def test_what_a_call_was_given_is_let_go_before_its_result_is_there(executor, tmp_path):
    left, go = [], tmp_path / "go"
    given = Weighty()
    ref = weakref.ref(given)
    future = executor.submit(_kind_once, given, go)
    future.add_done_callback(lambda _: left.append(ref()))  # in the thread that sets it
    del given
    go.touch()
    assert future.result(30) == "Weighty"
    until(lambda: left)
    assert left == [None]


def _kind_once(given, go):
    until(go.exists)  # somebody waits to be called back
    return type(given).__name__


def test_keyword_arguments_and_as_completed(executor):
    futures = [executor.submit(int, text, base=2) for text in ("1", "10", "11")]
    assert sorted(f.result() for f in concurrent.futures.as_completed(futures)) == [1, 2, 3]


def test_an_exception_is_its_futures_alone(executor):
    bad, good = executor.submit(divmod, 1, 0), executor.submit(divmod, 7, 2)
    with pytest.raises(ZeroDivisionError):
        bad.result(30)
    assert good.result(30) == (3, 1)
    assert executor.stats.failed == 1


def test_coroutine_functions_run_to_their_end(executor):
    async def double(x):
        await asyncio.sleep(0)
        return 2 * x

    assert executor.submit(double, 4).result(30) == 8


def test_map_gives_results_in_order(executor):
    assert list(executor.map(abs, range(-50, 0))) == list(range(50, 0, -1))
    assert list(executor.map(pow, [2, 3], [3, 2])) == [8, 9]
    assert list(executor.map(abs, [])) == []


def test_map_can_time_out(executor, tmp_path):
    now, later = tmp_path / "now", tmp_path / "later"
    now.touch()
    results = executor.map(wait_for, [now, later], timeout=0.3)
    with pytest.raises(TimeoutError):
        list(results)
    later.touch()  # or the executor's end would wait for it


def wait_for(path):
    until(path.exists)


def test_a_waiting_call_can_be_cancelled(executor, tmp_path):
    go = tmp_path / "go"
    futures = [executor.submit(wait_for, go) for _ in range(8)]
    assert futures[-1].cancel()
    assert futures[-1].cancelled()
    go.touch()
    assert all(future.result(30) is None for future in futures[:-1])


def test_shutdown_refuses_what_comes_after(executor):
    future = executor.submit(abs, -1)
    executor.shutdown()
    assert future.done()
    with pytest.raises(RuntimeError, match="after shutdown"):
        executor.submit(abs, -1)
    with pytest.raises(RuntimeError, match="after shutdown"):
        executor.map(abs, [-1])


def test_shutdown_can_cancel_what_waits(executor, tmp_path):
    go = tmp_path / "go"
    futures = [executor.submit(wait_for, go) for _ in range(30)]
    executor.shutdown(wait=False, cancel_futures=True)
    go.touch()
    executor.shutdown()
    assert all(future.done() for future in futures)
    assert sum(future.cancelled() for future in futures) > 20


def test_calls_that_wait_for_each_other_do_not_deadlock():
    barrier = threading.Barrier(3)
    with nbexec.Executor("threads", workers=3) as executor:
        futures = [executor.submit(barrier.wait, 10) for _ in range(9)]
        assert sorted({future.result(30) for future in futures}) == [0, 1, 2]


def test_run_in_executor(executor):
    async def main():
        return await asyncio.get_running_loop().run_in_executor(executor, abs, -3)

    assert asyncio.run(main()) == 3


def test_a_call_that_cannot_be_sent_is_its_futures_error(sent):
    lock = threading.Lock()
    with nbexec.Executor(sent, workers=2) as executor:
        bad, good = executor.submit(lambda: bool(lock)), executor.submit(abs, -1)
        with pytest.raises(nbexec.PickleError, match="'lock'"):
            bad.result(30)
        assert good.result(30) == 1


def test_an_executor_that_is_dropped_lets_its_threads_go():
    before = threading.active_count()
    executor = nbexec.Executor("serial")
    assert executor.submit(abs, -1).result() == 1
    del executor
    until(lambda: threading.active_count() <= before, 5)


def test_map_sends_chunks(executor):
    assert list(executor.map(pow, range(10), range(10), chunksize=3)) == [x**x for x in range(10)]
    with pytest.raises(ValueError, match="chunksize must be at least 1, not 0"):
        executor.map(abs, [1], chunksize=0)


def test_map_shares_the_executors_workers():
    release = threading.Event()
    with nbexec.Executor("threads", workers=1) as executor:
        first = executor.submit(release.wait, 10)
        began = []
        with pytest.raises(TimeoutError):
            next(executor.map(began.append, [1, 2], timeout=0.1))
        release.set()
        first.result(10)
    assert began == []  # nor later: giving up on them cancelled them


def prepared():
    return getattr(threading, "of_this_test", None)


def test_an_initializer_runs_in_each_worker_before_its_calls(backend):
    def begin(value):
        threading.of_this_test = value

    with nbexec.Executor(backend, workers=2, initializer=begin, initargs=(7,)) as executor:
        assert {executor.submit(prepared).result(30) for _ in range(6)} == {7}
    with pytest.raises(TypeError, match="initializer must be callable, not 3"):
        nbexec.Executor(backend, initializer=3)


def test_no_call_is_accepted_once_an_initializer_has_raised(backend):
    broken = pytest.raises(
        concurrent.futures.BrokenExecutor, match="the initializer raised ZeroDivisionError"
    )
    with nbexec.Executor(backend, workers=1, initializer=divmod, initargs=(1, 0)) as executor:
        with broken:
            executor.submit(abs, -1).result(60)
        with broken:
            executor.submit(abs, -2)


def test_a_call_that_raises_a_broken_executor_breaks_nothing():
    with nbexec.Executor("threads", workers=1) as executor:
        with pytest.raises(concurrent.futures.BrokenExecutor, match="its own"):
            executor.submit(raise_broken).result()
        assert executor.submit(abs, -1).result() == 1


def raise_broken():
    raise concurrent.futures.BrokenExecutor("its own")


def test_calls_fail_where_the_initializer_does(backend):
    with nbexec.Executor(backend, workers=1, initializer=divmod, initargs=(1, 0)) as executor:
        future = executor.submit(abs, -1)
        with pytest.raises(concurrent.futures.BrokenExecutor, match="ZeroDivisionError"):
            future.result(30)


def test_bad_options_are_told_at_once():
    with pytest.raises(nbexec.OptionError, match="did you mean 'threads'"):
        nbexec.Executor("thread")
    with pytest.raises(nbexec.OptionError, match="workers"):
        nbexec.Executor("threads", workers=-1)


# ---------------------------------------------------------------- map with a buffer


@pytest.mark.parametrize("chunksize", [None, 3])
def test_map_pulls_no_more_than_its_buffer(backend, chunksize):
    pulled = []

    def endless():
        for x in itertools.count():
            pulled.append(x)
            yield x

    with nbexec.Executor(backend, 2) as executor:
        results = executor.map(str, endless(), buffersize=4, chunksize=chunksize)
        assert len(pulled) == 4 * (chunksize or 1)
        assert list(itertools.islice(results, 10)) == [str(x) for x in range(10)]
        assert len(pulled) <= 10 + 5 * (chunksize or 1)
        results.close()


@pytest.mark.parametrize("buffersize", [1, 3, 100])
def test_map_with_a_buffer_gives_what_map_gives(backend, buffersize):
    with nbexec.Executor(backend, 2) as executor:
        assert list(executor.map(pow, range(9), [2] * 7, buffersize=buffersize)) == [
            x * x for x in range(7)
        ]
        assert list(executor.map(abs, [], buffersize=buffersize)) == []
        results = executor.map(lambda x: 6 // x, [3, 0, 1], buffersize=buffersize)
        assert next(results) == 2
        with pytest.raises(ZeroDivisionError):
            next(results)
        with pytest.raises(StopIteration):
            next(results)


def test_a_buffer_of_an_executor_that_was_shut_down():
    with nbexec.Executor("threads", 2) as executor:
        results = executor.map(abs, range(10), buffersize=2)
    with pytest.raises(RuntimeError, match="after shutdown"):
        list(results)


def test_a_buffer_of_an_executor_that_is_gone():
    executor = nbexec.Executor("threads", 2)
    results = executor.map(abs, range(10), buffersize=2)
    del executor
    gc.collect()
    assert list(results) == [0, 1]


@pytest.mark.parametrize(
    ("wrong", "error"), [(0, ValueError), (-1, ValueError), ("4", TypeError), (2.0, TypeError)]
)
def test_a_buffer_that_can_not_be(wrong, error):
    with nbexec.Executor("serial") as executor, pytest.raises(error, match="buffersize must be"):
        executor.map(abs, [1], buffersize=wrong)


def test_a_result_that_comes_too_late(backend):
    if backend == "serial":
        pytest.skip("the calling thread does the calls, and is not waiting meanwhile")
    with nbexec.Executor(backend, 1) as executor:
        results = executor.map(time.sleep, [0, 30, 0, 0], buffersize=2, timeout=0.5)
        with pytest.raises(TimeoutError):
            list(results)
        executor.run.cancel()


def test_dask_takes_it_for_a_pool():
    with nbexec.Executor("threads", 3) as executor, dask.config.set(pool=executor):
        assert executor._max_workers == 3
        assert dask.delayed(sum)([dask.delayed(abs)(x) for x in (-1, -2)]).compute() == 3


@pytest.mark.parametrize("given", [None, 3])
def test_auto_says_how_many_calls_it_could_run_at_once(given):
    """Libraries, such as Dask with `pool=`, give it no more calls than that at a time."""
    with nbexec.Executor("threads", workers=given) as threads:
        most = threads._max_workers
    with nbexec.Executor("auto", workers=given) as executor:
        assert executor._max_workers == most
        for _ in range(20):
            executor.submit(abs, -1).result()
        assert executor._max_workers == most


@pytest.mark.parametrize("name", ["serial", "threads", "asyncio"])
def test_a_result_is_freed_with_its_future(name):
    class Big:
        pass

    gc.disable()  # at once, not when cycles are next looked for: results may be large
    try:
        with nbexec.Executor(name, workers=2) as executor:
            made = [weakref.ref(executor.submit(Big).result()) for _ in range(3)]
            executor.submit(int).result()
            until(lambda: not any(ref() for ref in made))
    finally:
        gc.enable()
