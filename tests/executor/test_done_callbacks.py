"""Callbacks of an executor's futures: they may wait, and hold nothing up.

Covers `executor/done_callbacks` and `run/own_threads`.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import gc
import logging
import os
import queue
import subprocess
import sys
import threading
import weakref

import pytest

import nbexec
from nbexec.executor.done_callbacks import DoneCallbacks
from nbexec.run import own_threads

from ..waiting import until


@pytest.fixture
def threads():
    with nbexec.Executor("threads", workers=1) as executor:
        yield executor


def test_a_callback_may_wait_for_another_call(backend):
    found = queue.Queue()
    with nbexec.Executor(backend, workers=1) as executor:

        def go_on(future):
            found.put(executor.submit(pow, future.result(), 2).result())
            found.put([*executor.map(abs, [-1, -2])])
            found.put(executor.invoke_any([(abs, (-3,))]))

        executor.submit(pow, 2, 3).add_done_callback(go_on)
        assert [found.get(timeout=60) for _ in range(3)] == [64, [1, 2], 3]


def test_a_callback_holds_up_no_call(threads):
    go = threading.Event()
    future = threads.submit(abs, -1)
    future.add_done_callback(lambda _: go.wait(60))
    assert [one.result(60) for one in [threads.submit(abs, -x) for x in range(20)]] == [*range(20)]
    assert threads.submit(abs, -2).then(str).result(60) == "2"
    go.set()


def test_callbacks_of_two_executors_may_wait_for_each_others_calls():
    found = queue.Queue()
    with nbexec.Executor("threads", workers=1) as one, nbexec.Executor("threads", 1) as other:
        down = other.submit(abs, one.submit(divmod, 1, 0))  # ends in the thread of the first
        down.add_done_callback(lambda _: found.put(one.submit(abs, -1).result()))
        assert found.get(timeout=60) == 1


def test_they_are_called_in_order_and_before_shutdown_returns(backend):
    told = []
    with nbexec.Executor(backend, workers=1) as executor:
        for n in range(6):
            future = executor.submit(abs, -n)
            for name in "ab":
                future.add_done_callback(lambda it, n=n, name=name: told.append((n, name)))
    assert told == [(n, name) for n in range(6) for name in "ab"]


def test_join_waits_for_them(threads):
    go, began = threading.Event(), threading.Event()
    threads.submit(abs, -1).add_done_callback(lambda _: (began.set(), go.wait(60)))
    assert began.wait(60)
    threads.shutdown(wait=False)
    assert threads.run.wait(60)
    assert not threads.join(0.01)
    go.set()
    assert threads.join(60)


def test_a_callback_can_not_wait_for_the_end_of_the_executor():
    said = []
    executor = nbexec.Executor("threads", workers=1)

    def end(_):
        for call in (executor.shutdown, executor.join):
            with pytest.raises(RuntimeError, match="a callback of one can't wait") as caught:
                call()
            said.append(caught.value)

    executor.submit(abs, -1).add_done_callback(end)
    until(lambda: len(said) == 2, 60)
    executor.shutdown()


def test_what_one_raises_is_logged_and_nothing_else(threads, caplog):
    told = threading.Event()

    def leave(_):
        raise SystemExit(3)

    with caplog.at_level(logging.ERROR, "concurrent.futures"):
        future = threads.submit(abs, -1)
        future.add_done_callback(leave)
        future.add_done_callback(lambda _: told.set())
        assert told.wait(60)
    (record,) = caplog.records
    assert "exception calling callback for <CallFuture" in record.message
    assert record.exc_info[0] is SystemExit
    assert threads.submit(abs, -2).result(60) == 2


def test_who_cancels_a_call_or_asks_late_calls_them(threads):
    go, where = threading.Event(), []
    busy = threads.submit(go.wait)
    pending = threads.submit(abs, -1)
    pending.add_done_callback(lambda _: where.append(threading.current_thread()))
    assert pending.cancel()
    go.set()
    assert busy.result(60)
    busy.add_done_callback(lambda _: where.append(threading.current_thread()))
    assert where == [threading.current_thread()] * 2


def test_asyncio_awaits_many(threads):
    async def main():
        return await asyncio.gather(*(asyncio.wrap_future(one) for one in futures))

    futures = [threads.submit(abs, -x) for x in range(50)]
    assert asyncio.run(main()) == [*range(50)]


def of_callbacks():
    return [one for one in threading.enumerate() if one.name == "nbexec-callbacks"]


def test_a_thread_is_there_only_where_there_are_callbacks_and_ends_with_the_executor():
    until(lambda: not of_callbacks())
    executor = nbexec.Executor("threads", workers=1)
    assert executor.submit(abs, -1).then(str).result(60) == "1"
    assert not of_callbacks()
    told = threading.Event()
    executor.submit(abs, -1).add_done_callback(lambda _: told.set())
    assert told.wait(60)
    assert len(of_callbacks()) == 1
    del executor  # nobody has shut it down
    until(lambda: (gc.collect(), not of_callbacks())[1], 60)


def test_an_event_function_that_waits_for_a_call_is_told(caplog):
    """It is called in the thread of the run, where it would wait for ever."""
    said = []

    def wait(event):
        if type(event).__name__ == "Submitted" and not said:
            future = executor.submit(abs, -2)
            for call in (future.result, future.exception, lambda: executor.wait([future])):
                with pytest.raises(RuntimeError, match="can't end while") as caught:
                    call()
                said.append(caught.value)

    with nbexec.Executor("threads", workers=1, on_event=wait) as executor:
        assert executor.submit(abs, -1).result(60) == 1
    assert len(said) == 3


class Value:
    """May be referred to weakly."""


def test_the_last_result_is_not_kept(threads):
    told = threading.Event()
    future = threads.submit(Value)
    future.add_done_callback(lambda _: told.set())
    ref = weakref.ref(future.result(60))
    assert told.wait(60)
    del future
    until(lambda: (gc.collect(), ref() is None)[1], 60)


def test_at_pythons_end_they_have_been_called():
    code = """
import time, nbexec
executor = nbexec.Executor("threads", workers=1)
executor.submit(abs, -1).add_done_callback(lambda it: (time.sleep(0.3), print("told", it.result())))
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (ran.stdout, ran.stderr, ran.returncode) == ("told 1\n", "", 0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_forked_child_waits_for_none():
    code = """
import os, threading, nbexec
go, told = threading.Event(), threading.Event()
executor = nbexec.Executor("threads", workers=1)
executor.submit(abs, -1).add_done_callback(lambda _: (told.set(), go.wait()))
told.wait()
child = os.fork()
if not child:
    executor.shutdown()
    os._exit(7)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
go.set()
"""
    command = [sys.executable, "-W", "ignore", "-c", code]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (ran.stdout, ran.stderr, ran.returncode) == ("7\n", "", 0)


def test_after_its_end_the_caller_calls():
    callbacks, where = DoneCallbacks(), []
    run = nbexec.start(abs, [-1])

    def of_a_run():
        own_threads.enter(run)
        callbacks.call(lambda _: where.append(threading.current_thread().name), None)
        callbacks.close()
        callbacks.join(60)
        callbacks.call(lambda _: where.append(threading.current_thread().name), None)

    thread = threading.Thread(target=of_a_run, name="of-a-run")
    thread.start()
    thread.join(60)
    assert where == ["nbexec-callbacks", "of-a-run"]
    assert own_threads.run() is None


def test_futures_of_others_are_as_they_were(threads):
    source = concurrent.futures.Future()
    down = threads.submit(abs, source)
    source.set_result(-5)
    assert down.result(60) == 5
