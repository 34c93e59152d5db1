"""`nbexec.CancelToken`: it is cancelled once, and tells everybody once.

Covers `options/sent_token`.
"""

from __future__ import annotations

import copy
import gc
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import threading
import weakref

import pytest
from hypothesis import given
from hypothesis import strategies as st

import nbexec
from nbexec.options.cancel_token import living
from nbexec.options.sent_token import arrived, reduction
from nbexec.system import flag_files

from ..waiting import until

forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")


def test_it_is_cancelled_once_and_the_first_reason_counts():
    token = nbexec.CancelToken()
    assert not token.cancelled
    assert token.reason == ""
    assert repr(token) == "<CancelToken>"
    token.raise_if_cancelled()
    token.cancel("the page was closed")
    token.cancel("late")
    assert token.cancelled
    assert token.reason == "the page was closed"
    assert repr(token) == "<CancelToken cancelled: the page was closed>"
    with pytest.raises(nbexec.Cancelled, match="the page was closed"):
        token.raise_if_cancelled()


def test_cancelled_is_not_caught_by_what_tries_again():
    assert not issubclass(nbexec.Cancelled, Exception)


def test_callbacks_are_called_once_in_their_order_and_can_be_removed():
    token, told = nbexec.CancelToken(), []

    def removed(token):
        told.append("removed")

    token.add_callback(lambda token: told.append("first"))
    token.add_callback(removed)
    token.add_callback(removed)
    token.add_callback(lambda token: told.append(token.cancelled))
    assert token.remove_callback(removed) == 2
    assert token.remove_callback(removed) == 0
    token.cancel()
    token.cancel()
    assert told == ["first", True]
    token.add_callback(lambda token: told.append("at once"))
    assert told == ["first", True, "at once"]


def test_a_callback_that_raises_keeps_nothing_from_the_others(caplog):
    token, told = nbexec.CancelToken(), []
    token.add_callback(lambda token: 1 / 0)
    token.add_callback(told.append)
    token.cancel()
    assert told == [token]
    assert "ZeroDivisionError" in caplog.text


def test_of_many_threads_that_cancel_and_add_each_callback_is_called_once():
    token, told = nbexec.CancelToken(), []
    start = threading.Barrier(8)

    def work(number):
        start.wait()
        for place in range(50):
            token.add_callback(lambda _, at=(number, place): told.append(at))
            if place == 25:
                token.cancel(str(number))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(told) == [(number, place) for number in range(8) for place in range(50)]
    assert token.reason in map(str, range(8))


@given(st.lists(st.lists(st.integers(0, 7), max_size=3), min_size=1, max_size=8), st.integers(0, 7))
def test_a_linked_token_is_cancelled_with_any_that_it_comes_from(links, cancelled):
    tokens = []
    for number, before in enumerate(links):
        tokens.append(nbexec.CancelToken(*(tokens[at] for at in before if at < number)))
    at = cancelled % len(tokens)
    tokens[at].cancel("why")
    expected = {at}
    for number, before in enumerate(links):
        if any(one in expected and one < number for one in before):
            expected.add(number)
    assert {number for number, token in enumerate(tokens) if token.cancelled} == expected
    assert all(tokens[number].reason == "why" for number in expected)


def test_a_linked_token_does_not_outlive_its_use_nor_lose_what_it_came_from():
    first = nbexec.CancelToken()
    linked = nbexec.CancelToken(first)
    gone = weakref.ref(linked)
    assert len(first._followers) == 1
    del linked
    gc.collect()
    assert gone() is None
    assert not first._followers
    alone = nbexec.CancelToken(nbexec.CancelToken())
    alone._linked[0].cancel("still there")
    assert alone.reason == "still there"


def test_it_waits_for_another_thread():
    token = nbexec.CancelToken()
    assert not token.wait(0.01)
    waiting = threading.Thread(target=token.wait)
    waiting.start()
    until(lambda: token._callbacks)
    token.cancel()
    waiting.join(20)
    assert not waiting.is_alive()
    assert token.wait()


def test_a_time_can_be_set_anew_and_taken_back():
    token = nbexec.CancelToken()
    token.cancel_after(0.01)
    token.cancel_after(3600)
    assert not token.wait(0.05)
    token.cancel_after(0.01)
    token.cancel_after(None)
    assert not token.wait(0.05)
    told = threading.Event()
    token.add_callback(lambda _: told.set())
    token.cancel_after(0.01)
    assert told.wait(20)  # nobody looked at it
    assert token.reason == "after 0.01 s"


def test_a_reason_can_be_given_for_a_time():
    token = nbexec.CancelToken()
    token.cancel_after(0, "no time")
    assert token.wait(20)
    assert token.reason == "no time"


@pytest.mark.parametrize("seconds", [-1, "soon", True])
def test_a_time_is_in_seconds(seconds):
    with pytest.raises(nbexec.OptionError, match="seconds must be seconds, 0 or more"):
        nbexec.CancelToken().cancel_after(seconds)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="there are no timers")
def test_a_signal_handler_may_cancel_it_while_the_main_thread_is_in_its_methods():
    token = nbexec.CancelToken()
    before = signal.signal(signal.SIGALRM, lambda *_: token.cancel("the signal"))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        assert token.wait(20)  # it is in there when the signal comes
        assert token.reason == "the signal"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_it_takes_nothing_but_tokens():
    with pytest.raises(nbexec.OptionError, match="takes tokens that cancel it, not 'token'"):
        nbexec.CancelToken("token")
    with pytest.raises(nbexec.OptionError, match="cancel must be a CancelToken, the name of one"):
        nbexec.map(abs, [1], cancel="not a name")
    with pytest.raises(nbexec.OptionError, match="not 5"):
        nbexec.map(abs, [1], cancel=5)


def test_an_option_may_name_it():
    main = sys.modules["__main__"]
    main.stop_all = nbexec.CancelToken()
    try:
        main.stop_all.cancel("by name")
        with pytest.raises(nbexec.RunCancelled, match="by name"):
            nbexec.map(abs, [1], cancel="stop_all")
    finally:
        del main.stop_all


def test_a_copy_is_the_token_itself():
    token = nbexec.CancelToken()
    assert copy.copy(token) is token
    assert copy.deepcopy([token])[0] is token
    assert pickle.loads(pickle.dumps(token)) is token


def test_elsewhere_than_in_a_worker_of_a_run_it_can_not_be_unpickled():
    packed = pickle.dumps(nbexec.CancelToken())
    script = f"import pickle; pickle.loads({packed!r})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert "PickleError: a CancelToken goes only to workers of nbexec's own runs" in done.stderr


def sent(token, flag):
    """Give what a token is in a worker; here it stands in this process."""
    make, arguments = reduction(token, str(flag))
    living.pop(token.uid, None)
    return make(*arguments)


def test_one_that_was_sent_follows_its_flag(tmp_path):
    flag = tmp_path / "flag"
    there = sent(nbexec.CancelToken(), flag)
    assert isinstance(there, nbexec.CancelToken)
    assert not there.cancelled
    linked, told = nbexec.CancelToken(there), []
    there.add_callback(told.append)
    assert not there.wait(0.01)
    flag_files.raise_flag(str(flag), "from the kernel")
    assert there.wait(20)
    assert there.reason == "from the kernel"
    until(lambda: told and linked.cancelled)
    assert linked.reason == "from the kernel"
    for refused in (there.cancel, lambda: there.cancel_after(1)):
        with pytest.raises(RuntimeError, match="cancel it where it was made"):
            refused()


def test_one_that_was_cancelled_before_it_was_sent_is_so_there(tmp_path):
    token = nbexec.CancelToken()
    token.cancel("before")
    assert sent(token, tmp_path / "none").reason == "before"


def test_one_that_was_sent_may_be_sent_on_and_is_one_object(tmp_path):
    there = sent(nbexec.CancelToken(), tmp_path / "flag")
    make, arguments = there.__reduce__()
    assert make is arrived
    assert arguments == (there.uid, str(tmp_path / "flag"), None)
    assert arrived(there.uid, "another run's", None) is there
    assert there.flag == "another run's"


@forks
def test_a_forked_child_has_one_of_its_own():
    token, told = nbexec.CancelToken(), []
    linked = nbexec.CancelToken(token)
    token.add_callback(told.append)
    read, write = os.pipe()
    child = os.fork()
    if not child:
        token.cancel("in the child")
        os.write(write, bytes([linked.cancelled, not told]))
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read, 2) == b"\x01\x01"
    assert not token.cancelled
    assert not told
    os.close(read)
    os.close(write)


@forks
def test_a_forked_child_is_cancelled_at_the_time_that_was_set():
    token = nbexec.CancelToken()
    token.cancel_after(0.2)
    process = multiprocessing.get_context("fork").Process(target=_exit_cancelled, args=(token,))
    process.start()
    process.join(30)
    assert process.exitcode == 7


def _exit_cancelled(token):
    os._exit(7 if token.wait(20) else 1)
