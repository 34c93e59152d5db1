"""Random pipelines give what plain calls give; what runs again, and in which order; memory.

Covers `graph/pipeline_flow` and `graph/step_recall`.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nbexec

CALLS: list[int] = []


class Noted:
    """Notes calls; the same to a journal, whatever was called."""

    def __call__(self, number):
        CALLS.append(number)

    def __nbexec_key__(self):
        return "noted"


@st.composite
def graphs(draw):
    """Give what each function takes: inputs, and what functions before it give."""
    size = draw(st.integers(1, 8))
    names = ["x", "y"]
    takes = []
    for number in range(size):
        takes.append(draw(st.lists(st.sampled_from(names), unique=True, max_size=3)))
        names.append(f"f{number}")
    return takes


def functions_of(takes, changed=()):
    made = []
    for number, names in enumerate(takes):
        value = f"({number}, {', '.join(names)})" if names else f"({number},)"
        more = " + ('changed',)" if number in changed else ""
        source = (
            f"def f{number}({', '.join(names)}):\n    noted({number})\n    return {value}{more}"
        )
        scope = {"noted": Noted()}
        exec(source, scope)
        made.append(scope[f"f{number}"])
    return made


def plain(functions, takes, given):
    """Call one function after the other."""
    values = dict(given)
    for function, names in zip(functions, takes, strict=True):
        values[function.__name__] = function(*(values[name] for name in names))
    return values


def before(takes, number):
    """Give the functions whose values lead to that of one, itself among them."""
    found = {number}
    for name in takes[number]:
        if name.startswith("f"):
            found |= before(takes, int(name[1:]))
    return found


@settings(deadline=None, max_examples=30)
@given(takes=graphs(), data=st.data())
def test_one_run_is_what_plain_calls_give_each_once_and_in_order(takes, data):
    functions = functions_of(takes)
    expected = plain(functions, takes, {"x": 1, "y": 2})
    pipe = nbexec.Pipeline(*data.draw(st.permutations(functions)), backend="serial")
    wanted = data.draw(st.lists(st.sampled_from(sorted(pipe.wiring.makers)), min_size=1))
    CALLS.clear()
    given = {name: expected[name] for name in pipe.inputs}
    assert pipe.run(given, until=wanted) == {name: expected[name] for name in wanted}
    needed = set().union(*(before(takes, int(name[1:])) for name in wanted))
    assert sorted(CALLS) == sorted(needed)
    for number in needed:  # what it takes was there, and so were the effects of these calls
        behind = CALLS[: CALLS.index(number)]
        assert before(takes, number) - {number} <= {*behind}


@settings(deadline=None, max_examples=15)
@given(takes=graphs(), data=st.data())
def test_a_change_runs_what_is_downstream_of_it_and_nothing_else(takes, data):
    changed = data.draw(st.sets(st.integers(0, len(takes) - 1), max_size=2))
    rows = {"x": [1, 2], "y": [3, 4]}
    old, new = functions_of(takes), functions_of(takes, changed)
    every = [function.__name__ for function in old]
    with tempfile.TemporaryDirectory() as folder:
        given = {"checkpoint": Path(folder, "db"), "progress": "off", "until": every}
        pipe = nbexec.Pipeline(*old, backend="serial")
        columns = {name: rows[name] for name in pipe.inputs} or None
        for functions, runs in [(old, None), (new, changed), (new, set())]:
            pipe = nbexec.Pipeline(*functions, backend="serial")
            expected = [
                plain(functions, takes, {"x": x, "y": y})
                for x, y in zip(*rows.values(), strict=True)
            ]
            CALLS.clear()
            if columns is None:
                found = pipe.run(checkpoint=given["checkpoint"], until=every)
                assert found == {name: expected[0][name] for name in every}
            else:
                found = pipe.map(columns, over=[*columns], **given)
                assert found == {name: [one[name] for one in expected] for name in every}
            count = 1 if columns is None else 2
            if runs is not None:
                again = [at for at in range(len(takes)) if before(takes, at) & runs]
                assert sorted(CALLS) == sorted(again * count)


@pytest.mark.extended
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_hundred_thousand_items_go_through_five_steps_in_flat_memory():
    def made(x):
        return bytes(2_000)

    def first(made):
        return made[1:]

    def second(first):
        return first[1:]

    def third(second):
        return second[1:]

    def size(third, x):
        return len(third) + x

    pipe = nbexec.Pipeline(made, first, second, third, size, backend="threads", workers=2)
    me, used = psutil.Process(), []
    for number, one in enumerate(pipe.imap(over="x", x=range(100_000), progress="off")):
        assert one == {"size": 1_997 + number}
        if number % 10_000 == 9_999:
            used.append(me.memory_info().rss)
    assert number == 99_999
    assert max(used[1:]) - used[0] < 40e6  # what all items have is 800 MB
