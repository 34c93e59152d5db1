"""How executors end: `executor/lifecycle`, at Python's end, and with the process that has one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import CancelledError, Future, wait

import psutil
import pytest

import nbexec

from ..waiting import until


def wait_for(path):
    until(path.exists, 100)


def begin_and_ask(began):
    began.touch()
    until(nbexec.cancelled, 60)
    return "stopped"


def shut_and_join(executor):
    executor.shutdown(wait=False)
    executor.join()


def test_shutdown_now_stops_what_runs_and_gives_what_never_began(backend, tmp_path):
    executor = nbexec.Executor(backend, workers=1)
    running = executor.submit(begin_and_ask, tmp_path / "began")
    until((tmp_path / "began").exists, 60)
    plain = executor.submit(pow, 2, exp=10)
    urgent = executor.options(priority=1).submit(abs, -1)
    limited = executor.options(rate="1/day").submit(abs, -2)
    unstarted = executor.shutdown_now()
    assert executor.join(60)
    assert [(one.fn, one.args, one.kwargs) for one in unstarted] == [
        (abs, (-1,), {}),
        (pow, (2,), {"exp": 10}),
        (abs, (-2,), {}),
    ]
    assert [one.future for one in unstarted] == [urgent, plain, limited]
    assert all(one.future.cancelled() for one in unstarted)
    assert running.result(60) == "stopped"
    assert executor.shutdown_now() == []


def test_shutdown_now_ends_calls_that_never_ask(backend, tmp_path):
    executor = nbexec.Executor(backend, workers=1)
    running = executor.submit(wait_for, tmp_path / "go")
    until(lambda: running.running() and executor.run._loop._slots.in_flight, 60)
    executor.shutdown_now()
    assert executor.join(60)
    with pytest.raises((nbexec.RunCancelled, nbexec.WorkerDied)):
        running.result(60)
    (tmp_path / "go").touch()


def test_shutdown_now_leaves_out_what_was_cancelled_before():
    go = threading.Event()
    executor = nbexec.Executor("threads", workers=1)
    running = executor.submit(go.wait)
    until(running.running)
    first, second = executor.submit(abs, -1), executor.submit(abs, -2)
    first.cancel()
    assert [one.future for one in executor.shutdown_now()] == [second]
    go.set()


def test_shutdown_now_gives_the_functions_that_were_submitted():
    go = threading.Event()
    executor = nbexec.Executor("threads", workers=1, seed=7)
    running = executor.submit(go.wait)
    until(running.running)
    executor.submit(abs, -1)
    assert [one.fn for one in executor.shutdown_now()] == [abs]
    go.set()


def test_join_waits_until_all_is_over(backend, tmp_path):
    executor = nbexec.Executor(backend, workers=1)
    future = executor.submit(wait_for, tmp_path / "go")
    with pytest.raises(RuntimeError, match="Executor still accepts calls: shut it down"):
        executor.join()
    executor.shutdown(wait=False)
    assert not executor.join(0.01)
    (tmp_path / "go").touch()
    assert executor.join(60)
    assert future.done()
    assert executor.join()


def test_it_is_active_until_it_is_shut_down_or_breaks(backend):
    with nbexec.Executor(backend, workers=1) as executor:
        assert executor.is_active
        assert executor.options(priority=1).is_active
    assert not executor.is_active
    with nbexec.Executor(backend, workers=1, initializer=divmod, initargs=(1, 0)) as executor:
        executor.submit(abs, -1).exception(60)
        until(lambda: not executor.is_active)


def test_every_method_says_that_it_was_shut_down():
    executor = nbexec.Executor("threads", name="mine")
    executor.shutdown()
    words = "cannot schedule new futures after shutdown of mine"
    for use in (
        lambda: executor.submit(abs, -1),
        lambda: executor.map(abs, [-1]),
        lambda: executor.compute("sum", [1.0]),
        lambda: executor.options(priority=1).submit(abs, -1),
    ):
        with pytest.raises(RuntimeError, match=words):
            use()
    executor.shutdown()  # once more does nothing
    assert executor.join()


def test_what_waits_is_cancelled_where_the_run_is(backend, tmp_path):
    executor = nbexec.Executor(backend, workers=1)
    executor.submit(begin_and_ask, tmp_path / "began")
    until((tmp_path / "began").exists, 60)
    pending = executor.submit(abs, -1)
    executor.run.cancel()
    with pytest.raises(CancelledError):
        pending.result(60)
    executor.run.wait()
    with pytest.raises(nbexec.RunCancelled):
        executor.submit(abs, -1)


# ---------------------------------------------------------------- workers on demand


def used(executor):
    return sum(slot.used for slot in executor.run._loop._slots._slots)


def test_few_calls_need_few_workers(backend):
    if backend == "serial":
        pytest.skip("it has one")
    with nbexec.Executor(backend, workers=8) as executor:
        assert used(executor) == 0
        for _ in range(10):
            executor.submit(abs, -1).result(60)
        assert used(executor) == 1


def test_idle_workers_are_released_and_calls_have_others(backend):
    with nbexec.Executor(backend, workers=2, idle_timeout=0.1) as executor:
        before = executor.submit(os.getpid).result(60)
        until(lambda: used(executor) == 0, 60)
        if backend == "processes":
            until(lambda: not psutil.pid_exists(before), 60)
            assert executor.submit(os.getpid).result(60) != before
        assert executor.submit(abs, -1).result(60) == 1


def test_one_that_begins_again_runs_the_initializer():
    begun = []
    with nbexec.Executor(
        "threads", 1, initializer=begun.append, initargs=(1,), idle_timeout=0.1
    ) as executor:
        for count in (1, 2):
            executor.submit(abs, -1).result(60)
            assert begun == [1] * count
            until(lambda: used(executor) == 0, 60)


def test_a_busy_worker_is_not_idle(backend):
    with nbexec.Executor(backend, workers=1, idle_timeout=0.05) as executor:
        assert executor.submit(ticks).result(60) == 30


def ticks():
    import time

    for _ in range(30):
        time.sleep(0.01)
    return 30


def test_an_idle_timeout_that_can_not_be():
    with pytest.raises(nbexec.OptionError, match="idle_timeout must be seconds"):
        nbexec.Executor("serial", idle_timeout=-1)


# ---------------------------------------------------------------- the process that has it

BEGIN = """
import nbexec, os, sys, time
name = sys.argv[1]
executor = nbexec.Executor(name, workers=2, max_queue=100)

def work(x):
    time.sleep(0.02)
    print("did", x, flush=True)
    return os.getpid()
"""

ENDS = """
futures = [executor.options(priority=x % 3).submit(work, x) for x in range(10)]
"""

GOES_ON = """
print("workers", {executor.submit(os.getpid).result() for _ in range(5)}, flush=True)
futures = [executor.submit(time.sleep, 600) for x in range(10)]
time.sleep(600)
"""


def begin(code, name):
    root = os.path.dirname(os.path.dirname(nbexec.__file__))
    environment = {**os.environ, "PYTHONPATH": root}
    command = [sys.executable, "-c", BEGIN + code, name]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


@pytest.mark.parametrize("name", ["serial", "threads", "asyncio", "processes"])
def test_at_the_end_of_python_accepted_calls_are_done(name):
    with begin(ENDS, name) as process:
        children = []
        output = process.stdout.read()
        children += psutil.Process().children(recursive=True)
        assert process.wait(60) == 0
    assert not [one for one in children if one.pid == process.pid and one.is_running()]
    if name != "processes":  # there the output is the kernel's to show
        assert sorted(output.split("\n")[:-1]) == sorted(f"did {x}" for x in range(10))


def test_a_process_that_is_killed_leaves_no_worker():
    with begin(GOES_ON, "processes") as process:
        line = process.stdout.readline()
        assert line.startswith("workers")
        family = psutil.Process(process.pid).children(recursive=True)
        assert family
        os.kill(process.pid, signal.SIGKILL)
        process.wait(60)
    until(lambda: not [one for one in family if one.is_running() and one.status() != "zombie"], 60)


def test_shutdown_now_gives_calls_that_wait_for_futures():
    executor, never = nbexec.Executor("threads", workers=1), Future()
    first = executor.submit(abs, never)
    second = executor.submit(pow, first, 2)
    last = second.then(abs)
    unstarted = executor.shutdown_now()
    assert [(one.fn, one.args) for one in unstarted] == [(abs, (never,)), (pow, (first, 2))]
    assert [one.future for one in unstarted] == [first, second]
    assert executor.join(60)
    assert wait([first, second, last], 60).not_done == set()
    assert all(one.cancelled() for one in (first, second, last))


@pytest.mark.parametrize("end", [nbexec.Executor.shutdown, shut_and_join])
@pytest.mark.parametrize("backend", ["serial", "threads", "asyncio"])
def test_a_call_does_not_wait_for_its_own_executor(backend, end):
    executor = nbexec.Executor(backend, workers=1)
    ended = executor.submit(end, executor)
    with pytest.raises(RuntimeError, match="can't wait for the executor's end"):
        ended.result(60)
    assert not executor.is_active
    assert executor.join(60)
