"""`parallel` leaves what `exec` leaves: whole cells, their value, their options and their names.

Covers `nbexec.cell.cell_run` and `nbexec.cell.execution.in_kernel`.
"""

from __future__ import annotations
import __future__

import gc
import weakref
from typing import Any

import pytest

import nbexec
from nbexec.errors import OptionError

from .both_ways import both, kind, runs_in_parallel

ACCEPTED = {
    "several at once, under if, continue, try, with and inner loops": """
import contextlib
small, large, bad, n = [], [], [], 0
for x in [1, 20, "x", 3]:
    try:
        y = x + 1
    except TypeError as error:
        bad.append(str(error))
        continue
    with contextlib.nullcontext(y) as z:
        for i in range(2):
            n += i * z
    if y > 10:
        large.append(y)
    else:
        small.append(y)
        while y > 0:
            y -= 1
""",
    "loops all over the cell": """
squares = []
for x in range(5):
    squares.append(x * x)
print(len(squares))
halves = [x / 2 for x in squares]
total = 0
for h in halves:
    total += h
text = ",".join(str(h) for h in halves)
[x for x in range(3)]
best = max(x for x in squares)
""",
}


@pytest.mark.parametrize("source", ACCEPTED.values(), ids=ACCEPTED)
@pytest.mark.parametrize("where", ["threads", "processes"])
def test_accepted(source, where):
    runs_in_parallel(source, where)


@pytest.mark.parametrize("where", ["serial", "auto", "asyncio"])
def test_backends(where):
    left = both(ACCEPTED["several at once, under if, continue, try, with and inner loops"], where)
    assert kind(left) == "parallel"


def test_every_loop_of_a_cell_runs_item_by_item():
    left = both(ACCEPTED["loops all over the cell"])
    kinds = {step.first: step.kind for step in left.report.steps}
    assert [line for line, kind in kinds.items() if kind == "parallel"] == [3, 6, 8, 10, 11, 12]
    assert left.report.stats is left.report.steps[-1].stats
    assert not left.report.has_value


@pytest.mark.parametrize(
    ("source", "value"),
    [("[x for x in [1, 2]]", [1, 2]), ("1 + 1", 2), ("None", None), ("'text'", "text")],
)
def test_the_value_of_a_last_expression(source, value):
    report = both(source).report
    assert report.has_value
    assert report.value == value
    assert not both(f"x = {source}").report.has_value


def test_an_empty_cell():
    assert both("").report.steps == ()
    assert str(both("# nothing").report) == "nothing to run"


def test_options_are_checked_before_anything_runs():
    names: dict[str, Any] = {}
    for options, said in [
        ({"backend": "thread"}, "did you mean 'threads'?"),
        ({"wrokers": 3}, "did you mean 'workers'?"),
        ({"workers": 0}, "workers must be an integer of at least 1"),
    ]:
        with pytest.raises(OptionError, match=said.replace("?", r"\?")):
            nbexec.parallel("x = 1", names, **options)
    assert names == {}


def test_collect_as_the_sessions_default_is_not_meant_for_cells():
    with nbexec.options(on_error="collect"):
        left = both("out = [1 / x for x in [1, 0]]")
    assert isinstance(left.error, ZeroDivisionError)


def test_a_syntax_error_is_the_one_of_exec():
    assert isinstance(both("x = = 1").error, SyntaxError)
    assert isinstance(both("for x in [1]:\n    return x").error, SyntaxError)


def test_docstrings_and_futures():
    both("'A cell.'\nx = 1\n'no docstring'\ny = [x for x in [1, 2]]")
    both("from __future__ import annotations\ndef f(x: missing): return x\n[f(x) for x in [1]]")


def test_nothing_of_ours_stays_in_the_namespace():
    names: dict[str, Any] = {}
    nbexec.parallel("out = []\nfor x in [1, 2]:\n    out.append(x)", names, progress="off")
    assert set(names) == {"__builtins__", "out", "x"}


def test_classes_of_cells_that_ran_before_are_let_go():
    source = """
class Box:
    def __init__(self, value):
        self.value = value

boxes = [Box(x) for x in range(4)]
total = sum(box.value for box in boxes)
"""
    refs = []
    for _ in range(3):
        names: dict[str, Any] = {}
        nbexec.parallel(source, names, backend="threads", workers=2)
        refs.append(weakref.ref(names["Box"]))
    names.clear()
    nbexec.map(abs, [1])  # the last run is another one's
    gc.collect()
    assert [ref() for ref in refs] == [None] * 3


def test_the_last_run_is_never_another_cells():
    nbexec.parallel("out = [x for x in [1, 2]]", {}, backend="threads")
    assert nbexec.last_run().stats.done == 2
    nbexec.parallel("x = 3", {})
    assert nbexec.last_run() is None
    run = nbexec.map(abs, [1]).run
    with pytest.raises(SyntaxError):
        nbexec.parallel("x =", {})
    assert nbexec.last_run() is run


# ---------------------------------------------------------------- from __future__ imports


ANNOTATED = "def f(x: Nowhere): return x\nout = [f(n) for n in range(3)]"


def test_future_imports_of_the_caller_are_not_in_force():
    with pytest.raises(NameError):  # this module has one
        nbexec.parallel(ANNOTATED, {}, progress="off")


def test_future_imports_from_before_a_cell_are_in_force():
    names: dict[str, Any] = {}
    flags = __future__.annotations.compiler_flag
    report = nbexec.parallel(ANNOTATED, names, flags=flags, backend="threads", progress="off")
    assert names["out"] == [0, 1, 2]
    assert report.steps[-1].kind == "parallel"  # the function's source was found
