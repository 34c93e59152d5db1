"""Loops inside other statements of a cell: of `if`, `while`, `with`, `try`, and of loops that can't.

Covers `nbexec.cell.own_functions.instrument` and `nbexec.cell.own_functions.entering`.
"""

from __future__ import annotations

import pytest

import nbexec

from ..both_ways import both, kind, leaving_after, reason

pytestmark = pytest.mark.plain_first

WORK = "def work(x):\n    return x * x + 1\nxs = list(range(40))\n"
STATEMENTS = {
    "if": "if xs:\n    ys = []\n    for x in xs: ys.append(work(x))",
    "else": "if not xs: pass\nelse:\n    ys = [work(x) for x in xs]",
    "while": "level = [1, 2, 3]\nwhile len(level) < 100:\n    level = [y for x in level for y in (work(x) % 99, x + 1)]",
    "with": "import contextlib\nwith contextlib.suppress(ZeroDivisionError):\n    ys = []\n    for x in xs: ys.append(work(x) // (x - 20))",
    "try": "try:\n    t = 0\n    for x in xs: t += work(x) // (x - 20)\nexcept ZeroDivisionError: caught = x, t\nfinally: end = 1",
    "loop that carries": "state = [1, 2, 3] * 5\nfor step in range(4):\n    state = [work(x + state[0]) % 97 for x in state]\nelse: ended = step",
    "loops in one that carries": "state = list(range(20))\nfor step in range(9):\n    new = []\n    for x in state: new.append(work(x + state[0]) % 97)\n    state = new\n    if step == 6: break\nelse: ended = step",
    "names that functions see": "t = 0\ndef show(): return t\nif xs:\n    ys = []\n    for x in xs:\n        t += work(x)\n        ys.append(show())",
    "two in a statement": "y = [work(x) for x in xs] + [work(-x) for x in xs]",
    "after a call": "y = work(3) + sum(work(x) for x in xs)",
    "printed": "if xs:\n    for x in xs: print(work(x))",
    "fails": "if xs:\n    ys = []\n    for x in xs: ys.append(work(x) // (x - 20))",
    "breaks": "if xs:\n    for x in xs:\n        if work(x) > 99: break\n    else: never = 1",
    "carries in an if": "last = 0\nif xs:\n    for x in xs: last = work(last + x) % 97",
    "defines": "if xs:\n    def g(): return [work(x) for x in xs]\n    y = g()",
    "value": "[work(x) for x in xs] + [work(1)]",
    "deletes": "if xs:\n    for x in xs: y = work(x)\n    del y, x",
}


def cell(name):
    return WORK + STATEMENTS[name]


@pytest.mark.one_in(2)
@pytest.mark.parametrize("name", STATEMENTS)
@pytest.mark.parametrize("where", ["threads", "processes"])
@pytest.mark.parametrize("items", [1, 4])
def test_it_leaves_what_the_plain_cell_leaves(name, where, items):
    with leaving_after(items):
        both(STATEMENTS[name], where, workers=2, earlier=WORK)


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_cheap_one_runs_as_it_is(name):
    left = both(cell(name), "auto")
    assert left.report is None or all(step.stats is None for step in left.report.steps)


RUN = [
    *("if", "else", "while", "with", "loop that carries", "loops in one that carries"),
    *("two in a statement", "after a call", "printed", "breaks", "value", "deletes"),
]


@pytest.mark.parametrize("name", RUN)
def test_items_of_it_run_on_workers(name):
    with leaving_after(2):
        left = both(cell(name), "threads", workers=2)
    assert kind(left) == "parallel", reason(left)


def test_the_value_of_the_last_expression_is_given():
    with leaving_after(2):
        report = nbexec.parallel(cell("value"), {}, backend="threads", workers=2, progress="off")
    assert report.value == [x * x + 1 for x in [*range(40), 1]]


def test_no_name_of_ours_is_left():
    names = {}
    with leaving_after(2):
        for name in ("if", "loops in one that carries", "two in a statement"):
            nbexec.parallel(cell(name), names, backend="threads", workers=2, progress="off")
    assert not [one for one in names if one.startswith("_nbexec")]
