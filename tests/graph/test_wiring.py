"""What is wrong with a pipeline is said before anything runs.

Covers `graph/nodes` and `graph/annotations`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

import nbexec
from nbexec import GraphError, OptionError, Pipeline, step


def never(*_):
    raise AssertionError("a step was called")


def one(x):
    never()


def two(one, y):
    never()


def test_steps_that_wait_for_each_other_are_drawn():
    def a(c):
        never()

    def b(a):
        never()

    def c(b):
        never()

    with pytest.raises(GraphError, match=r"wait for each other: (\w) → \w → \w → \1\n") as caught:
        Pipeline(a, b, c)
    assert str(caught.value).endswith("\n    ↑       ↓\n    └───────┘")

    def self(self):
        never()

    with pytest.raises(GraphError, match=r"self → self\n\n    self\n    ↺"):
        Pipeline(self)


def test_two_steps_with_one_output():
    with pytest.raises(GraphError, match="two steps give 'one', one and other"):
        Pipeline(one, step(lambda_other, output="one", name="other"))


def lambda_other(z):
    never()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"x": 1}, "step two takes 'y', which is neither given"),
        ({"x": 1, "yy": 2}, "no step takes 'yy'; did you mean 'y'"),
        ({"x": 1, "y": 2, "one": 3}, "'one' is what step one gives"),
    ],
)
def test_inputs_that_do_not_fit(given, said):
    with pytest.raises(GraphError, match=said):
        Pipeline(one, two).run(given)


def test_an_output_that_nobody_gives():
    with pytest.raises(GraphError, match="no step gives 'tow'; did you mean 'two'"):
        Pipeline(one, two).run(x=1, y=2, until="tow")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"over": "z", "x": [1]}, "over= names 'z', which isn't given"),
        ({"over": "x", "x": 5}, "x must be an iterable of values.*not 5"),
        ({"over": "x", "x": "abc"}, "x must be an iterable of values.*not 'abc'"),
        ({"over": ("x", "y"), "x": [1], "y": [1, 2]}, "x has 1, y has 2"),
        ({"over": "x", "x": [1], "y": 1, "mode": "cross"}, "'zip' or 'product', not 'cross'"),
        ({"over": (), "x": 1, "y": 1}, "it is empty"),
    ],
)
def test_items_that_do_not_fit(given, said):
    with pytest.raises(GraphError, match=said):
        Pipeline(one, two).map(**given)


def test_annotations_that_contradict_each_other():
    def size(x) -> int:
        never()

    def shout(size: str):
        never()

    with pytest.raises(GraphError, match="step size gives int, but step shout takes size as str"):
        Pipeline(size, shout)


def test_annotations_of_one_of_several_outputs():
    @step(output=("size", "words"))
    def parsed(x) -> tuple[int, list[str]]:
        never()

    def shout(words: str):
        never()

    with pytest.raises(GraphError, match="gives words as list, but step shout takes words as str"):
        Pipeline(parsed, shout)

    def count(words: list):
        never()

    Pipeline(parsed, count)


@pytest.mark.parametrize(
    ("gives", "takes"),
    [
        (int, float),
        (bool, int),
        (list, Iterable),
        (list[int], list[str]),
        (int | None, int),
        (Any, str),
        ("Missing", str),
        (object, str),
        (dict, list | dict),
        (Iterable, list),
    ],
)
def test_annotations_that_may_fit(gives, takes):
    def made(x):
        never()

    def used(made):
        never()

    made.__annotations__["return"], used.__annotations__["made"] = gives, takes
    Pipeline(made, used)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Pipeline(), "needs a step"),
        (lambda: Pipeline(3), "made of functions, not 3"),
        (lambda: Pipeline(never), r"step never takes \*_"),
        (lambda: Pipeline(one, chunk=3), "a pipeline has no option 'chunk'"),
        (lambda: Pipeline(one, workers=0), "workers"),
        (lambda: step(one, workers="x"), "workers"),
        (lambda: step(one, seed=3), "a step has no option 'seed'"),
        (lambda: step(one, output=3), "output must be a name"),
        (lambda: step(len, output="x"), "can't be made a step"),
    ],
)
def test_functions_and_options_that_can_not_be_used(make, said):
    with pytest.raises(OptionError, match=said):
        make()


@pytest.mark.parametrize("gave", [(1,), 5, [1, 2, 3], {"a": 1}])
def test_several_outputs_must_be_there(gave):
    @step(output=("a", "b"), backend="threads")
    def split(x):
        return gave

    with pytest.raises(ValueError, match="split"):
        Pipeline(split).run(x=1)


def test_several_outputs_by_name():
    @step(output=("a", "b"))
    def split(x):
        return {"b": 2, "a": x}

    assert nbexec.Pipeline(split, backend="serial").run(x=1) == {"a": 1, "b": 2}


def test_a_lambda_is_called_as_what_it_gives():
    (one,) = Pipeline(step(lambda x: 2 * x, output="double"), backend="serial").steps
    assert (one.name, one.outputs) == ("double", ("double",))
