"""`start` and `Run`: what goes on in the background, and how it is steered.

Covers `nbexec.backends.caller_thread`, `nbexec.backends.executor_adapter`,
`nbexec.run.context`, `nbexec.run.facts`, `nbexec.run.handle`, `nbexec.run.loop`,
`nbexec.run.rerun`, `nbexec.run.results` and `nbexec.run.steering`.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import signal
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import pytest

import nbexec
from nbexec import Failure


def wait_until(condition, seconds=10.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.005)


def nap(x):
    time.sleep(0.02)
    return x


def test_start_returns_at_once_and_result_waits(backend):
    run = nbexec.start(nap, range(20), backend=backend)
    assert run.result() == list(range(20))
    assert run.done
    assert run.wait(0)
    assert run.stats.phase == "done"
    assert "20 / 20" in repr(run)


def test_result_can_time_out(backend):
    run = nbexec.start(nap, range(200), backend=backend)
    with pytest.raises(TimeoutError, match="still running"):
        run.result(timeout=0.01)
    run.cancel()
    run.wait()


def test_cancel_keeps_what_was_finished(backend):
    run = nbexec.start(nap, range(5000), backend=backend)
    wait_until(lambda: run.stats.done >= 4)
    begun = time.monotonic()
    run.cancel()
    assert run.wait(10)
    assert time.monotonic() - begun < 10  # of more than 20
    with pytest.raises(nbexec.RunCancelled, match="was cancelled") as caught:
        run.result()
    results = caught.value.partial_results
    assert run.stats.phase == "cancelled"
    assert len(results) == 5000
    kept = [x for x in results if not isinstance(x, Failure)]
    assert len(kept) >= 4
    assert kept == [i for i, x in enumerate(results) if not isinstance(x, Failure)]
    assert {f.kind for f in results.failures} == {"cancelled"}
    assert nbexec.map(abs, [-1], backend=backend) == [1]  # the workers are as good as new


def test_cancel_does_not_wait_for_a_long_item(backend):
    run = nbexec.start(time.sleep, [30] * 10, backend=backend)
    wait_until(lambda: run.stats.running >= 1)
    begun = time.monotonic()
    run.cancel()
    assert run.wait(20)
    assert time.monotonic() - begun < 20


def test_pause_begins_no_further_item_and_resume_goes_on(backend):
    run = nbexec.start(nap, range(100), backend=backend, chunk=1)
    wait_until(lambda: run.stats.done >= 2)
    run.pause()
    wait_until(lambda: run.stats.phase == "paused" and run.stats.running == 0)
    done = run.stats.done
    time.sleep(0.1)  # nothing can be awaited: the point is that nothing happens
    assert run.stats.done == done < 100
    run.resume()
    assert run.result() == list(range(100))


def test_the_worker_count_can_be_set_while_it_runs(backend, tmp_path):
    run = nbexec.start(nap, range(60), backend=backend, workers=1)
    wait_until(lambda: run.stats.done >= 2)
    run.workers = 3
    wait_until(lambda: run.workers == (1 if backend == "serial" else 3))
    run.workers = 1
    wait_until(lambda: run.workers == 1)
    assert run.result() == list(range(60))
    with pytest.raises(nbexec.OptionError, match="workers must be"):
        run.workers = 0


def test_no_more_than_workers_items_run_at_once():
    lock, now, most = threading.Lock(), 0, 0
    own, everybody = threading.local(), threading.Barrier(3)

    def count(x):
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        if not hasattr(own, "begun"):  # each worker's first waits for those of the others
            own.begun = everybody.wait(20)
        time.sleep(0.001)
        with lock:
            now -= 1

    nbexec.map(count, range(60), backend="threads", workers=3)
    assert most == 3


def test_done_callbacks_are_called_once(backend):
    called = []
    run = nbexec.start(nap, range(3), backend=backend)
    run.add_done_callback(called.append)
    run.result()
    wait_until(lambda: called)
    run.add_done_callback(called.append)
    assert called == [run, run]


def test_an_interrupt_stops_a_blocking_map_with_its_partial_results(backend):
    before = nbexec.last_run()
    thread = threading.Thread(target=interrupt_main, args=(before,))
    thread.start()
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt) as caught:
        nbexec.map(nap, range(5000), backend=backend)
    thread.join()
    assert time.monotonic() - begun < 20
    results = caught.value.partial_results
    assert sum(not isinstance(x, Failure) for x in results) >= 3
    assert nbexec.last_run().stats.phase == "cancelled"
    assert nbexec.map(abs, [-1], backend=backend) == [1]


def interrupt_main(before):
    wait_until(lambda: nbexec.last_run() is not before and nbexec.last_run().stats.done > 3)
    signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)


def test_two_runs_at_once_do_not_share_workers(backend):
    runs = [nbexec.start(nap, range(30), backend=backend) for _ in range(3)]
    assert [run.result() for run in runs] == [list(range(30))] * 3


def test_a_map_inside_a_task_ends():
    def outer(x):
        return sum(nbexec.map(abs, [-x, x], backend="threads", progress="off"))

    for name in ("serial", "threads", "processes", "asyncio"):
        assert nbexec.map(outer, range(6), backend=name) == [2 * x for x in range(6)]


def test_stats_tell_the_truth_about_cpu_and_waiting():
    def burn(x):
        end = time.thread_time() + 0.05
        while time.thread_time() < end:
            pass

    run = nbexec.map(burn, range(4), backend="processes").run
    assert 0.19 <= run.stats.cpu_seconds < 0.6
    assert run.stats.effective_cores == pytest.approx(run.stats.cpu_seconds / run.stats.elapsed)
    run = nbexec.map(time.sleep, [0.2] * 8, backend="threads", workers=4).run
    assert run.stats.cpu_seconds < 0.1
    assert run.stats.busy_seconds >= 1.6
    assert run.stats.utilisation == pytest.approx(
        run.stats.busy_seconds / (4 * run.stats.elapsed), rel=0.2
    )


# ---------------------------------------------------------------- other ways in


def test_invoke_calls_different_functions(backend):
    assert nbexec.invoke(lambda: 1, lambda: "two", backend=backend) == [1, "two"]
    with pytest.raises(nbexec.OptionError, match="argument 1 is 3"):
        nbexec.invoke(abs, 3)


def test_amap_leaves_the_event_loop_free(backend):
    async def main():
        ticks = 0

        async def tick():
            nonlocal ticks
            while True:
                ticks += 1
                await asyncio.sleep(0.005)

        ticking = asyncio.create_task(tick())
        results = await nbexec.amap(nap, range(20), backend=backend)
        ticking.cancel()
        return results, ticks

    results, ticks = asyncio.run(main())
    assert results == list(range(20))
    assert ticks > 3


def test_amap_runs_coroutines_on_the_callers_loop():
    async def which(x):
        return asyncio.get_running_loop()

    async def main():
        return asyncio.get_running_loop(), await nbexec.amap(which, range(3))

    loop, loops = asyncio.run(main())
    assert set(loops) == {loop}


def test_cancelling_amap_cancels_the_run():
    async def main():
        task = asyncio.create_task(nbexec.amap(asyncio.sleep, [30] * 5))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        run = nbexec.last_run()
        while not run.done:  # the loop must go on for its tasks to be cancelled
            await asyncio.sleep(0.01)
        return run

    assert asyncio.run(main()).stats.phase == "cancelled"


def test_any_executor_is_a_backend_and_is_left_open():
    with ThreadPoolExecutor(2) as pool:
        lock = threading.Lock()
        assert nbexec.map(lambda x: bool(lock) and x, range(50), backend=pool) == list(range(50))
        assert pool.submit(abs, -1).result() == 1
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        assert nbexec.map(abs, range(50), backend=pool) == list(range(50))
        assert pool.submit(abs, -1).result() == 1


def test_a_client_is_used_as_it_is_and_left_open():
    from nbexec.backends import get_backend

    client = get_backend("dask").client
    address = client.scheduler_info()["address"]
    for given in (client, address, address):
        assert nbexec.map(abs, [-1], backend=given) == [1]
    assert client.submit(abs, -2).result() == 2
