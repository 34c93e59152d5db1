"""backend="auto": the choice from the evidence, and the choice in real runs."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time

import pytest

import nbexec
from nbexec import machine
from nbexec.auto import Evidence, choose


@pytest.fixture(autouse=True)
def four_cores(monkeypatch):
    monkeypatch.setattr(machine, "cores", lambda: 4)
    with nbexec.options(workers=None):
        yield


def seen(items, each, cpu_share=1.0, left=1000, **more):
    return Evidence(items, items * each, items * each * cpu_share, left=left, **more)


def test_too_little_is_not_enough():
    assert choose(Evidence(), None, 0) is None
    assert choose(seen(1, 0.03), None, 0) is None
    assert choose(seen(100, 1e-5), None, 0) is None
    assert choose(Evidence(running_wall=0.05, running_busy=0.05), None, 0) is None


def test_items_that_wait_go_to_threads():
    choice = choose(seen(3, 0.05, cpu_share=0.02), None, 0)
    assert (choice.backend, choice.workers) == ("threads", 8)
    assert choice.reason == "items take 50 ms and wait 98% of it"


def test_items_that_compute_go_to_processes():
    choice = choose(seen(3, 0.041), None, 0)
    assert (choice.backend, choice.workers) == ("processes", 4)
    assert choice.reason == "items take 41 ms of CPU"


def test_a_slow_first_item_is_judged_while_it_runs():
    busy = Evidence(running_wall=0.2, running_busy=0.19, left=9)
    assert choose(busy, None, 0).backend == "processes"
    assert choose(busy, None, 0).reason == "items take over 200 ms of CPU"
    idle = Evidence(running_wall=0.2, running_busy=0.001, left=9)
    assert choose(idle, None, 0).backend == "threads"


def test_tiny_items_stay_in_the_kernel():
    choice = choose(seen(20_000, 2e-6, left=10**7), None, 0)
    assert (choice.backend, choice.workers) == ("serial", 1)
    assert "sending one would take as long" in choice.reason


def test_little_work_stays_in_the_kernel_unless_workers_are_warm():
    little = seen(10, 0.01, left=30)
    assert choose(little, None, 0).backend == "serial"
    assert "workers would not pay" in choose(little, None, 0).reason
    warm = seen(10, 0.01, left=30, warm=True)
    assert choose(warm, None, 0).backend == "processes"


def test_an_input_without_an_end_is_taken_to_be_long():
    assert choose(seen(10, 0.01, left=None), None, 0).backend == "processes"


def test_workers_are_what_was_asked_for():
    assert choose(seen(3, 0.05), 3, 0).workers == 3
    assert choose(seen(3, 0.05, cpu_share=0), 50, 0).workers == 50


def test_one_core_stays_in_the_kernel(monkeypatch):
    monkeypatch.setattr(machine, "cores", lambda: 1)
    assert choose(seen(3, 0.05), None, 0).backend == "serial"


def test_nested_runs_do_not_multiply():
    assert [machine.default_workers(16, depth) for depth in (0, 1, 2, 3)] == [16, 4, 1, 1]
    assert choose(seen(3, 0.05), None, 1).workers == 2
    assert choose(seen(3, 0.05), None, 2).backend == "serial"


# ---------------------------------------------------------------- real runs


def burn(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass
    return seconds


def test_waiting_items_end_up_on_threads():
    run = nbexec.map(time.sleep, [0.1] * 40).run
    assert run.choice.backend == "threads"
    assert run.stats.elapsed < 3  # of 4


def test_computing_items_end_up_on_processes_each_run_once(tmp_path):
    def once(x):
        (tmp_path / str(x)).open("x").close()  # raises if it is run twice
        return burn(0.02) and x

    results = nbexec.map(once, range(100))
    assert results == list(range(100))
    assert results.run.choice.backend == "processes"


def test_small_work_stays_and_says_how_long_it_took():
    run = nbexec.map(abs, range(10)).run
    assert run.choice.backend == "serial"
    assert run.choice.reason.startswith("all of it took")


def test_a_core_that_is_not_free_is_not_taken_for_waiting():
    crowd = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(8)]
    try:
        time.sleep(0.3)
        run = nbexec.map(burn, [0.02] * 40).run
        assert run.choice.backend == "processes", run.choice
        run = nbexec.map(time.sleep, [0.05] * 20).run
        assert run.choice.backend == "threads", run.choice
    finally:
        for one in crowd:
            one.kill()
            one.wait()


def test_coroutine_functions_go_to_asyncio():
    run = nbexec.map(asyncio.sleep, [0.001] * 10).run
    assert run.choice.backend == "asyncio"


def test_what_cannot_be_sent_stays_on_threads_and_says_why():
    lock = threading.Lock()

    def locked(x):
        with lock:
            return burn(0.02)

    run = nbexec.map(locked, range(60)).run
    assert run.choice.backend == "threads"
    assert "'lock'" in run.choice.reason

    run = nbexec.map(lambda item: burn(0.02) and None, [threading.Lock()] * 60).run
    assert run.choice.backend == "threads"
    assert "lock" in run.choice.reason


def test_an_executor_chooses_too():
    with nbexec.Executor() as executor:
        futures = [executor.submit(burn, 0.02) for _ in range(60)]
        assert {future.result() for future in futures} == {0.02}
        assert executor.run.choice.backend == "processes"
