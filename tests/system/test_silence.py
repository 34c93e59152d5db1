"""What one thread does silently leaves the warnings of other threads alone."""

from __future__ import annotations

import os
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest

from nbexec.system.silence import silently
from nbexec.worker.warned import filters_here


def issue(text: str = "seen") -> None:
    warnings.warn(text, UserWarning, stacklevel=1)


@pytest.fixture
def other():
    """Another thread."""
    with ThreadPoolExecutor(1) as pool:
        yield lambda fn, *args: pool.submit(fn, *args).result()


@pytest.fixture(autouse=True)
def nothing_stays():
    before, names = warnings.filters, {name: vars(warnings)[name] for name in vars(warnings)}
    yield
    assert warnings.filters is before
    assert vars(warnings) == names


def test_another_thread_warns_as_before(other):
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        with silently():
            issue("silent")
            other(issue)
            issue("silent")
    assert [str(one.message) for one in shown] == ["seen"]


def test_what_is_an_error_stays_one_in_another_thread(other):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with silently():
            with pytest.raises(UserWarning, match="seen"):
                other(issue)
            issue("silent")
        with pytest.raises(UserWarning, match="seen"):
            issue()


def test_blocks_of_two_threads_may_end_in_any_order():
    inside, leave = threading.Event(), threading.Event()

    def meanwhile():
        with silently():
            inside.set()
            leave.wait(30)
            issue("silent")

    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        kept, thread = warnings.filters, threading.Thread(target=meanwhile)
        with silently():
            thread.start()
            inside.wait(30)
        issue()
        leave.set()
        thread.join()
        issue()
        assert warnings.filters is kept
    assert [str(one.message) for one in shown] == ["seen", "seen"]


def test_what_another_thread_changes_meanwhile_stays(other):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with silently():
            other(warnings.simplefilter, "error")
        with pytest.raises(UserWarning, match="seen"):
            issue()


def test_blocks_inside_one_another_and_resets():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with silently():
            with warnings.catch_warnings():
                warnings.resetwarnings()
                warnings.simplefilter("error")
                with silently():
                    issue("silent")
            issue("silent")
        with pytest.raises(UserWarning, match="seen"):
            issue()


def test_workers_get_the_filters_that_the_user_set():
    before = filters_here()
    with silently():
        assert filters_here() == before == warnings.filters[1:]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_child_is_not_silent():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with silently():
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message=".*fork.*")
                child = os.fork()
            if not child:
                try:
                    issue()
                except UserWarning:
                    os._exit(7)
                os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
