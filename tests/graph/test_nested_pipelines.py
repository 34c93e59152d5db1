"""Pipelines within pipelines: their steps run side by side with the others.

Covers `graph/nested`.
"""

from __future__ import annotations

import threading

import pytest

import nbexec
from nbexec import Pipeline, route, step


def load(path, times=1):
    return f"{path} text" * times


def tokens(load):
    return load.split()


def count(tokens):
    return len(tokens)


def shout(words):
    return "!" * words


def inner(**options):
    return Pipeline(load, tokens, count, name="words", **options)


def test_inner_steps_are_steps_of_the_outer_one(backend):
    outer = Pipeline(step(inner(), output="words"), shout, backend=backend)
    assert (outer.inputs, outer.optional, outer.outputs) == (("path",), ("times",), ("shout",))
    assert [one.name for one in outer.steps] == [
        "words.load",
        "words.tokens",
        "words.count",
        "shout",
    ]
    assert outer.map(over="path", path=["a", "b c"], progress="off") == {"shout": ["!!", "!!!"]}
    assert outer.run(path="a", times=2) == {"shout": "!!!"}


def test_the_function_is_called_by_its_own_names():
    @step(output=("head", "tail"))
    def parted(text):
        return {"tail": text[1:], "head": text[0]}

    @route(to=("up", "down"))
    def which(head):
        return "up" if head.isupper() else "down"

    @step(output="said")
    def up(tail):
        return tail.upper()

    @step(output="said")
    def down(tail):
        return tail.lower()

    one = Pipeline(parted, which, up, down, name="one")
    outer = Pipeline(step(one, output="said"), twice, backend="threads")
    assert outer.map(over="text", text=["Abc", "aBC"], progress="off")["twice"] == ["BCBC", "bcbc"]


def twice(said):
    return 2 * said


def test_two_of_one_name_and_three_deep():
    def one(x):
        return x + 1

    def two(x):
        return x * 2

    def both(a, b):
        return a, b

    first, second = Pipeline(one), Pipeline(two)
    middle = Pipeline(step(first, output="a"), step(second, output="b"), both, name="middle")
    outer = Pipeline(middle, backend="threads")
    assert outer.run(x=3) == {"both": (4, 6)}
    assert [one.name for one in outer.steps][-1] == "middle.both"


def test_inner_options_hold_for_inner_steps():
    def where(x):
        return threading.current_thread().name

    pipe = Pipeline(Pipeline(where, backend="serial", name="in"), backend="threads")
    assert pipe.steps[0].options == {"backend": "serial"}
    assert isinstance(pipe.run(x=1)["where"], str)


def test_with_options_it_is_one_step():
    tries = []

    def shaky(x):
        tries.append(x)
        if len(tries) < 3:
            raise OSError(x)
        return x

    unit = step(Pipeline(shaky, backend="threads", name="unit"), output="unit", retries=3)
    outer = Pipeline(unit, backend="threads", retry_wait=0)
    assert [one.name for one in outer.steps] == ["unit"]
    assert outer.run(x=1) == {"unit": 1}


def test_a_failure_names_the_inner_step():
    def inverse(x):
        return 1 / x

    outer = Pipeline(Pipeline(inverse, name="math"), backend="threads")
    with pytest.raises(ZeroDivisionError) as caught:
        outer.run(x=0)
    assert "nbexec: step math.inverse of item 0" in caught.value.__notes__


def test_a_checkpoint_knows_which_part_of_a_dict_has_which_name(tmp_path):
    def parts(x):
        return {"head": x[0], "tail": x[1:]}

    def shown(first):
        return f"it is {first}"

    given = {"over": "x", "x": ["abc"], "checkpoint": tmp_path / "db", "progress": "off"}
    for output, expected in ((("head", "tail"), "it is a"), (("tail", "head"), "it is bc")):
        inside = Pipeline(step(parts, output=output), name="inside")
        outer = Pipeline(step(inside, output=("first", "rest")), shown, backend="threads")
        assert outer.map(until="shown", **given) == {"shown": [expected]}


def test_a_checkpoint_knows_inner_steps(tmp_path):
    outer = Pipeline(step(inner(), output="words"), shout, backend="threads")
    given = {"over": "path", "checkpoint": tmp_path / "db", "progress": "off"}
    outer.map(path=["a"], **given)
    report = outer.map(path=["a"], until=("words", "shout"), **given).report
    assert report["words.count"].words == "1 reused"
    assert {one.name for one in nbexec.runs(tmp_path / "db")} >= {"pipeline.words.load"}
