"""How many run at once where they wait: on threads, on an event loop, and with auto.

Covers `nbexec.placement.at_once` and `nbexec.system.open_files`.
"""

from __future__ import annotations

import asyncio
import resource
import subprocess
import sys
import threading
import time

import pytest

import nbexec
from nbexec.backends import threads
from nbexec.model import Choice, Error, Outcome, SlowDown, Task
from nbexec.placement import profiles
from nbexec.placement.at_once import AtOnce
from nbexec.system import open_files

from ..waiting import until

MANY = 30  # more than there are workers at first


@pytest.fixture(autouse=True)
def nothing_known():
    profiles.forget()
    with nbexec.options(workers=None):
        yield


def meet(many):
    """Give a function whose items wait until `many` of them run at once."""
    barrier = threading.Barrier(many)

    def wait(x):
        barrier.wait(timeout=20)
        return x

    return wait


def test_more_run_at_once_while_they_wait():
    results = nbexec.map(meet(MANY), range(MANY), backend="threads")
    assert results == list(range(MANY))
    assert results.run.choice.workers >= MANY


def test_auto_does_so_too():
    running, most, lock = 0, 0, threading.Lock()

    def wait(x):
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.05)
        with lock:
            running -= 1
        return x

    results = nbexec.map(wait, range(400))
    assert results == list(range(400))
    assert most > MANY
    assert results.run.choice.backend == "threads"


def test_more_coroutines_run_at_once():
    many = 120

    async def wait(x):
        nonlocal waiting
        waiting += 1
        if waiting == many:
            everybody.set()
        async with asyncio.timeout(20):
            await everybody.wait()
        return x

    waiting, everybody = 0, asyncio.Event()
    results = nbexec.map(wait, range(many))
    assert results == list(range(many))
    assert results.run.choice.workers >= many


def test_plain_functions_on_asyncio_do_so_too():
    assert nbexec.map(meet(120), range(120), backend="asyncio") == list(range(120))


def test_a_given_number_stands():
    running, most, lock = 0, 0, threading.Lock()
    own, everybody = threading.local(), threading.Barrier(5)

    def wait(x):
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        if not hasattr(own, "begun"):  # each worker's first waits for those of the others
            own.begun = everybody.wait(20)
        time.sleep(0.001)
        with lock:
            running -= 1

    run = nbexec.map(wait, range(200), backend="threads", workers=5).run
    assert (most, run.choice.workers) == (5, 5)


def test_a_number_that_is_set_while_it_runs_stands_too():
    release = threading.Event()
    run = nbexec.start(lambda _: release.wait(20), range(300), backend="threads")
    run.workers = 3
    release.set()
    run.result()
    assert run.choice.workers == 3


def test_the_next_run_begins_there():
    def wait(x):
        time.sleep(0.01)

    first = nbexec.map(wait, range(300), backend="threads").run
    assert first.choice.workers > threads.Threads().default_workers()
    second = nbexec.start(wait, range(300), backend="threads")
    begun = second.choice.workers
    second.result()
    assert begun > threads.Threads().default_workers()


def test_it_goes_on_with_the_threads_that_there_are(monkeypatch):
    class Few(threads.ThreadWorker):
        made = 0

        def __init__(self, number):
            if Few.made == 10:
                raise RuntimeError("can't start new thread")
            Few.made += 1
            super().__init__(number)

    monkeypatch.setattr(threads, "ThreadWorker", Few)
    backend = threads.Threads()
    results = nbexec.map(lambda x: time.sleep(0.02) or x, range(100), backend=backend)
    assert results == list(range(100))
    assert results.run.choice.workers == 10
    assert "no more threads" in results.run.choice.reason
    backend.close()


def test_where_no_thread_can_be_started_a_call_says_so_and_the_run_ends(monkeypatch):
    def none(number):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threads, "ThreadWorker", none)
    backend = threads.Threads()
    executor = nbexec.Executor(backend, workers=2)
    with pytest.raises(RuntimeError, match="can't start new thread"):
        executor.submit(abs, -1).result(20)
    assert executor.run.wait(20)
    backend.close()


def test_what_opens_files_does_not_run_out_of_them(tmp_path):
    def wait(x):
        with open(tmp_path / str(x), "w"):
            time.sleep(0.02)
        return x

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    nbexec.map(time.sleep, [0.001] * 40, backend="threads")
    resource.setrlimit(resource.RLIMIT_NOFILE, (open_files.count() + 40, hard))
    try:
        assert open_files.most() == open_files.count() + 40
        assert nbexec.map(wait, range(400), backend="threads") == list(range(400))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


OUT_OF_FILES = """
import resource, threading
import nbexec
from nbexec.system import open_files

ROOM, MANY = 30, 60

def narrow():  # once so many run at once
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (open_files.count() + ROOM, hard))

met, full = threading.Barrier(MANY, narrow), threading.Event()

def wait(x):
    if x < MANY:
        met.wait(20)
        return x
    try:
        with open(__file__):
            full.wait(20)  # until one was too many
    except OSError:
        full.set()
        raise
    return x

if __name__ == "__main__":
    found = nbexec.map(wait, range(400), backend=BACKEND, chunk=1, progress="off")
    assert found == list(range(400))
    taken = []
    while open_files.count() < open_files.most():
        try:
            taken.append(open(__file__))
        except OSError:  # nothing can be counted any more
            assert open_files.count() == open_files.most()
            break
    taken.clear()
    print(*found.stats.notes)
"""


@pytest.mark.parametrize("given", ["threads", "asyncio"])
def test_items_that_ran_out_of_files_are_tried_with_fewer_at_once(tmp_path, given):
    script = tmp_path / "files.py"
    script.write_text(f"BACKEND = {given!r}\n{OUT_OF_FILES}")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    assert "out of files or threads" in done.stdout


def test_items_side_by_side_that_ran_out_of_files_halve_the_number_once():
    at_once = AtOnce(Choice("threads", 64, ""), Task(lambda x: x, "f"), 0, clock=lambda: 10.0)
    at_once.due()
    asked = SlowDown(0, 0.0, "open files")
    errors = {0: Error("error", OSError(), "", "", asked)}
    for begun in (9.0, 9.5):
        outcome = Outcome([None], errors, time.time() - 10.0 + begun, [0.1], 0.0, "w")
        at_once.learn(outcome, 10.0)
        assert at_once.choice.workers == 32
    assert at_once.look(64, 100)  # it is told, though it did not change just now
    assert at_once.choice.reason == "more ran out of open files"


def test_a_run_in_an_item_has_no_more_than_its_share():
    def inner(_):
        return nbexec.map(time.sleep, [0.005] * 60, backend="threads").run.choice.workers

    own = round(threads.Threads().default_workers() ** 0.5)
    assert set(nbexec.map(inner, range(3), backend="threads")) == {own}


def test_with_a_setup_there_are_as_many_as_at_first():
    run = nbexec.map(lambda x, _: time.sleep(0.005), range(100), setup=list, backend="threads").run
    assert run.choice.workers == threads.Threads().default_workers()


def test_items_of_a_generator_are_waited_for_likewise():
    wait = meet(MANY)
    assert list(nbexec.imap(wait, (x for x in range(MANY)), backend="threads")) == list(range(MANY))


def test_an_executor_has_more_workers_while_calls_wait():
    wait = meet(MANY)
    with nbexec.Executor("threads") as executor:
        assert [one.result() for one in [executor.submit(wait, x) for x in range(MANY)]] == list(
            range(MANY)
        )


def test_many_calls_from_one_kernel_still_cancel_and_pause():
    run = nbexec.start(lambda x: time.sleep(0.01) or x, range(30_000), backend="threads")
    until(lambda: run.stats.done > 100)
    run.pause()
    until(lambda: run.stats.running == 0)
    run.resume()
    until(lambda: run.stats.done > 300)
    run.cancel()
    run.cancel()
    run.wait(20)
    assert run.done
    assert 300 < run.stats.done < 30_000
