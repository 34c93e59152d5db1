"""What an executor's initializer sets is there for its calls, wherever they run."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest

import nbexec

SOURCE = """
import functools

box, rate = {}, None


def begin(given):
    global rate, made
    rate = box["rate"] = given
    made = [given]


def use(x):
    return rate, box, helper(x)


def helper(x):
    return made[0] * x


class Using:
    def __call__(self, x):
        return use(x)


def decorated(function):
    @functools.wraps(function)
    def inner(x):
        return function(x)
    return inner


wrapped, instance = decorated(use), Using()


def nothing():
    box.get("rate")


def count(x):
    made.append(x)
    return len(made) > 1
"""


@pytest.fixture
def names() -> dict[str, Any]:
    space: dict[str, Any] = {"__name__": "__main__"}
    exec(SOURCE, space)
    return space


@pytest.mark.parametrize("name", ["use", "wrapped", "instance"])
def test_calls_find_what_the_initializer_set(
    backend: str, names: dict[str, Any], name: str
) -> None:
    function: Callable[[int], object] = names[name]
    with nbexec.Executor(backend, 2, initializer=names["begin"], initargs=(3,)) as executor:
        found = [executor.submit(function, x).result() for x in range(4)]
        found += executor.map(function, range(4), chunksize=2)
        found.append(executor.submit(functools.partial(function, 5)).result())
    names["begin"](3)
    assert found == [*map(function, range(4)), *map(function, range(4)), function(5)]


def test_what_calls_leave_there_stays(names: dict[str, Any]) -> None:
    with nbexec.Executor("processes", 1, initializer=names["begin"], initargs=(3,)) as executor:
        assert all(executor.map(names["count"], range(3)))


def test_the_kernel_s_later_values_count_where_nothing_was_set(names: dict[str, Any]) -> None:
    names["begin"](1)
    with nbexec.Executor("processes", 1, initializer=names["nothing"]) as executor:
        assert executor.submit(names["use"], 2).result() == names["use"](2)
        names["begin"](4)
        assert executor.submit(names["use"], 2).result() == names["use"](2)
