"""Statements that run at the same time, and those that wait for one another.

Covers `nbexec.cell.loops.standalone`.
"""

from __future__ import annotations

import pytest

from ..both_ways import WORK, both

RAISING = {
    "a name that a handler takes away": """
def work(x):
    return 1 / x
error = 1
try:
    a = work(0)
except ZeroDivisionError as error:
    a = 1
b = work(2)
error
""",
}


@pytest.mark.parametrize("source", RAISING.values(), ids=RAISING)
@pytest.mark.parametrize("where", ["threads", "processes"])
def test_exceptions_leave_what_they_leave_serially(source, where):
    both(source, where)


AT_ONCE = {
    "calls that don't depend on one another": ("a = work(1)\nb = work(2)\nc = a + b", [5, 6]),
    "what comes between": ("a = work(1)\nn = 3\nprint('n', n)\nb = work(2)", [5, 8]),
    "stores, sums and appends": (
        "d, out, n = {}, [], 1\nd['a'] = work(1)\nout.append(work(2))\nn += work(3)\nd['b'] = work(4)",
        [6, 7, 8, 9],
    ),
    "a name that is read and bound": ("x = 2\nx = work(x)\ny = work(3)", [6, 7]),
    "blocks": (
        "a = 1\nif a:\n    b = work(1)\ntry:\n    c = work(2)\nexcept ValueError:\n    c = 0",
        [6, 8],
    ),
    "one that waits for another": ("a = work(1)\nb = work(a)\nc = work(2)\nd = work(b)", [5, 7]),
    "the value of the cell": ("a = work(1)\nwork(2)", [5, 6]),
    "an error": ("a = work(1)\nb = work('x')\nc = work(2)", None),
    "an error before": ("a = work(1)\nb = missing\nc = work(2)", None),
    "an unpacking that fails": ("a, b = work(1), 2\nc, d = work(1), 2\ne, f = work(2)", None),
    "the clock": (
        "t = time.perf_counter()\na = work(1)\nu = time.perf_counter()\nok = u > t\ndel t, u",
        [],
    ),
    "a bare call": ("log = []\na = work(1)\ntime.sleep(0)\nb = work(2)", []),
    "a list that the other reads": ("out = []\nout.append(work(1))\nn = work(len(out))", []),
    "a list that the other reaches": (
        "out = []\nbox = [out]\nout.append(work(1))\nn = work(len(box[0]))",
        [],
    ),
    "a function that reads what the other binds": (
        "k = 1\ndef f(x):\n    return work(x + k)\na = f(1)\nk = work(2)\nb = f(1)",
        [8, 9],
    ),
    "random numbers": (
        "import random\nrandom.seed(1)\na = random.random()\nb = random.random()",
        [],
    ),
}


@pytest.mark.parametrize(("source", "lines"), AT_ONCE.values(), ids=AT_ONCE)
@pytest.mark.parametrize("where", ["threads", "processes", "auto"])
def test_statements_at_once(source, lines, where):
    left = both(WORK + source, where)
    if lines is None:
        assert left.error is not None
    else:
        steps = left.report.steps
        assert [step.first for step in steps if step.kind == "together"] == lines, str(left.report)
