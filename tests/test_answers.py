"""ensemble: the first good answers, the rest cancelled."""

from __future__ import annotations

import asyncio
import threading
import time
import traceback

import pytest

import nbexec

from .waiting import until


def double(x):
    return 2 * x


def fail(x):
    raise ValueError(x)


def test_the_first_good_answers_are_given_on_every_backend(backend):
    assert nbexec.ensemble(3, [fail, double], backend=backend) == [6]
    assert sorted(nbexec.ensemble(3, [double, fail, str], need=2, backend=backend), key=str) == [
        "3",
        6,
    ]


def test_too_few_answers_are_a_group_of_what_was_raised(backend):
    def other(x):
        raise KeyError(x)

    with pytest.raises(ExceptionGroup, match="1 of 2 answers came, and 2 functions") as caught:
        nbexec.ensemble(3, [fail, double, other], need=2, backend=backend)
    assert sorted(type(one).__name__ for one in caught.value.exceptions) == [
        "KeyError",
        "ValueError",
    ]
    assert caught.value.partial_results == [6]


def test_a_slow_one_is_not_waited_for():
    release = threading.Event()
    try:
        assert nbexec.ensemble(1, [lambda _: release.wait(60), double]) == [2]
    finally:
        release.set()
    assert nbexec.last_run().stats.phase == "done"  # nobody has cancelled it


def test_a_coroutine_that_is_not_needed_is_cancelled():
    ended = []

    async def slow(x):
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(x)

    async def quick(x):
        return -x

    begun = time.monotonic()
    assert nbexec.ensemble(5, [slow, quick]) == [-5]
    until(lambda: ended == [5])
    assert time.monotonic() - begun < 50


def test_plain_functions_and_coroutine_functions_mix():
    async def negative(x):
        return -x

    assert sorted(nbexec.ensemble(2, [double, negative], need=2)) == [-2, 4]


def test_so_they_do_on_every_backend(backend):
    async def negative(x):
        await asyncio.sleep(0)
        return -x

    assert sorted(nbexec.ensemble(2, [double, negative], need=2, backend=backend)) == [-2, 4]
    with pytest.raises(ExceptionGroup, match="1 of 2 answers"):
        nbexec.ensemble(2, [fail, negative], need=2, backend=backend)


def test_a_failure_that_is_returned_is_an_answer():
    there = nbexec.map(fail, [1], on_error="collect", backend="threads")[0]
    assert nbexec.ensemble(1, [lambda _: there], backend="threads") == [there]


@pytest.mark.parametrize("need", [0, 3, True, 1.0, "1"])
def test_a_wrong_need_is_told(need):
    with pytest.raises(nbexec.OptionError, match="need must be a number from 1 to 2"):
        nbexec.ensemble(1, [double, fail], need=need)


def test_what_is_no_function_is_told():
    with pytest.raises(nbexec.OptionError, match="number 1 is 5"):
        nbexec.ensemble(1, [double, 5])


@pytest.mark.parametrize("given", ["threads", "processes"])
def test_a_traceback_begins_in_the_function(given):
    def bad(*_):
        raise ValueError("no route")

    async def bad_too(_):
        raise ValueError("no route")

    with pytest.raises(ExceptionGroup) as together:
        nbexec.ensemble(1, [bad], backend=given)
    with pytest.raises(ExceptionGroup) as awaited:
        nbexec.ensemble(1, [bad_too])
    with pytest.raises(ValueError, match="no route") as alone:
        nbexec.invoke(bad, backend=given, on_error="raise")
    assert first_frame(together.value.exceptions[0]) == "bad"
    assert first_frame(awaited.value.exceptions[0]) == "bad_too"
    assert "_call" not in [one.name for one in traceback.extract_tb(alone.value.__traceback__)]


def first_frame(error):
    return traceback.extract_tb(error.__traceback__)[0].name
