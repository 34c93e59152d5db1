"""An interrupt of whoever waits for an executor: it arrives, and nothing hangs.

Covers `executor/lifecycle`.
"""

from __future__ import annotations

import signal
import threading
import time

import pytest

import nbexec

from ..waiting import until


def wait_for(begun, go):
    """Say that it began, and wait, unless the run is over."""
    begun.touch()
    while not (go.exists() or nbexec.cancelled()):
        time.sleep(0.005)
    return go.name


@pytest.fixture
def files(tmp_path):
    return tmp_path / "begun", tmp_path / "go"


@pytest.fixture
def interrupted(files):
    """Interrupts this thread once a call has begun and this is set; ends that call afterwards."""
    ready = threading.Event()

    def send():
        until(lambda: files[0].exists() and ready.is_set(), 100)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    thread = threading.Thread(target=send)
    thread.start()
    yield ready
    ready.set()
    thread.join()
    files[1].touch()


WAITS = {
    "result": lambda executor, *files: executor.submit(wait_for, *files).result(100),
    "wait": lambda executor, *files: executor.wait([executor.submit(wait_for, *files)], 100),
    "as_completed": lambda executor, *files: list(
        executor.as_completed([executor.submit(wait_for, *files)], 100)
    ),
    "map": lambda executor, *files: list(executor.map(wait_for, *([one] * 4 for one in files))),
    "invoke_all": lambda executor, *files: executor.invoke_all([(wait_for, files)] * 4, 100),
    "invoke_any": lambda executor, *files: executor.invoke_any([(wait_for, files)] * 4, 100),
    "blocked": lambda executor, *files: [executor.submit(wait_for, *files) for _ in range(9)],
}


@pytest.mark.parametrize("how", WAITS)
def test_who_waits_is_interrupted_and_the_executor_goes_on(how, files, interrupted):
    bound = {"max_queue": 1} if how == "blocked" else {}
    executor = nbexec.Executor("threads", workers=1, **bound)
    interrupted.set()
    with pytest.raises(KeyboardInterrupt):
        WAITS[how](executor, *files)
    assert executor.is_active
    files[1].touch()
    assert executor.submit(abs, -1).result(100) == 1
    executor.shutdown()


def test_so_it_is_on_every_backend(backend, files, interrupted):
    executor = nbexec.Executor(backend, workers=1)
    interrupted.set()
    with pytest.raises(KeyboardInterrupt):
        list(executor.map(wait_for, *([one] * 4 for one in files)))
    files[1].touch()
    assert executor.submit(abs, -1).result(100) == 1
    executor.shutdown()


def block(executor, futures, calls, before_waiting=lambda: None, wait=True):
    """Submit calls in a `with` block, and wait for the last one there, or at its end."""
    with executor:
        futures += [executor.submit(*call) for call in calls]
        before_waiting()
        if wait:
            futures[-1].result(100)


@pytest.mark.parametrize("wait", [True, False], ids=["in the block", "at its end"])
def test_a_block_that_is_interrupted_stops_its_calls(wait, backend, files, interrupted):
    executor, futures = nbexec.Executor(backend, workers=1), []
    with pytest.raises(KeyboardInterrupt):
        block(executor, futures, [(wait_for, *files)] * 4, interrupted.set, wait)
    assert not files[1].exists()  # nobody else has ended them
    assert executor.run.done
    assert [one.cancelled() for one in futures] == [False, True, True, True]
    assert isinstance(futures[0].exception(0), nbexec.RunCancelled) or futures[0].result(0) == "go"


def test_a_block_that_raises_waits_for_its_calls():
    executor, futures = nbexec.Executor("threads", workers=1), []
    calls = [*((abs, -x) for x in range(20)), (divmod, 1, 0)]
    with pytest.raises(ZeroDivisionError):
        block(executor, futures, calls)
    assert [one.result(0) for one in futures[:-1]] == [*range(20)]
