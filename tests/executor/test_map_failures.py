"""`Executor(on_error=...)`: what its `map` does about calls that fail.

Covers `executor/map_failures`.
"""

from __future__ import annotations

import concurrent.futures
import itertools
import threading

import pytest

import nbexec
from nbexec.model import Failure


def halves(x, y=0):
    if x % 2:
        raise ValueError(x)
    return x // 2 + y


@pytest.mark.parametrize("knobs", [{}, {"buffersize": 2}, {"chunksize": 3}])
def test_the_others_are_given_and_then_all_is_raised(backend, knobs):
    with nbexec.Executor(backend, workers=2, on_error="group") as executor:
        results = executor.map(halves, range(7), **knobs)
        assert list(itertools.islice(results, 4)) == [0, 1, 2, 3]
        with pytest.raises(ExceptionGroup, match="3 of 7 items of halves") as caught:
            next(results)
        assert [one.args for one in caught.value.exceptions] == [(1,), (3,), (5,)]
        notes = [note for one in caught.value.exceptions for note in one.__notes__]
        assert notes == [f"nbexec: item {x} of 7: {x}" for x in (1, 3, 5)]
        assert list(executor.map(halves, [0, 2], **knobs)) == [0, 1]
        assert list(executor.map(halves, [], **knobs)) == []


@pytest.mark.parametrize("knobs", [{}, {"buffersize": 2}, {"chunksize": 3}])
def test_failures_stand_in_their_places(backend, knobs):
    with nbexec.Executor(backend, workers=2, on_error="collect") as executor:
        first, second, third = executor.map(halves, [0, 1, 2], [5, 6, 7], **knobs)
        assert (first, third) == (5, 8)
        assert isinstance(second, nbexec.Failure)
        assert (second.index, second.item, second.kind) == (1, (1, 6), "error")
        assert second.exception.args == (1,)
        assert "ValueError: 1" in second.traceback
        assert second.run == executor.run.id


def test_futures_are_as_always(backend):
    for on_error in ("raise", "collect", "group"):
        with nbexec.Executor(backend, workers=1, on_error=on_error) as executor:
            assert isinstance(executor.submit(halves, 1).exception(60), ValueError)


def test_a_session_does_not_change_a_standard_executor():
    with (
        nbexec.options(on_error="collect"),
        nbexec.Executor("threads", workers=1) as executor,
        pytest.raises(ValueError, match="1"),
    ):
        list(executor.map(halves, [1]))
    with pytest.raises(nbexec.OptionError, match="on_error"):
        nbexec.Executor("threads", on_error="grup")


def test_what_did_not_run_is_no_failure_of_a_group():
    go = threading.Event()
    for on_error in ("group", "collect"):
        go.clear()
        with nbexec.Executor("threads", workers=1, on_error=on_error) as executor:
            results = executor.map(lambda x: go.wait(60) and x, range(3))
            executor.shutdown(wait=False, cancel_futures=True)
            go.set()
            if on_error == "collect":
                kinds = [one.kind for one in results if isinstance(one, Failure)]
                assert set(kinds) <= {"cancelled"}
            else:
                with pytest.raises(concurrent.futures.CancelledError):
                    list(results)


def test_a_map_that_is_left_cancels_its_calls():
    go = threading.Event()
    with nbexec.Executor("threads", workers=1, on_error="group") as executor:
        results = executor.map(lambda x: x and go.wait(60), range(9))
        assert next(results) == 0
        results.close()
        go.set()
    assert executor.stats.done <= 2
