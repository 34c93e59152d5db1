"""Calls of one statement run at the same time, and leave what they leave one after the other.

Covers `nbexec.cell.execution.parts` and `nbexec.cell.loops.calls_in_row`.
"""

from __future__ import annotations

import ast

import pytest

from nbexec.cell.execution import parts
from nbexec.cell.execution.durations import Durations
from nbexec.cell.loops.calls_in_row import calls_in_row

from ..both_ways import WORK, both, frames


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch):
    monkeypatch.setattr(parts, "known", Durations())


AT_ONCE = {
    "a row": "work(1), work(2)",
    "a list": "[work(1), work(2), work(3)]",
    "an unpacked row": "x, y = work(1), work(2)",
    "a sum": "r = work(1) + work(2)",
    "a call": "print(work(1), 'and', work(2))",
    "a dict": "d = {'a': work(1), 'b': work(2)}",
    "keywords": "d = dict(a=work(1), b=work(2))",
    "calls in calls": "r = work(work(1)) + work(work(2))",
    "inner calls first": "r = max(work(1), work(2), key=abs)",
    "a comparison": "if work(1) < work(2):\n    r = 'less'\nelse:\n    r = 'more'",
    "added": "total = 5\ntotal += work(1) * work(2)",
    "a method of the user's": (
        "class Box:\n    def __init__(self, n): self.n = n\n"
        "    def work(self): return work(self.n)\n"
        "a, b = Box(1), Box(2)\nr = a.work(), b.work()"
    ),
}


@pytest.mark.parametrize("source", AT_ONCE.values(), ids=AT_ONCE)
@pytest.mark.parametrize("where", ["threads", "processes"])
def test_calls_at_the_same_time(source, where):
    left = both(WORK + source, where)
    assert left.report.steps[-1].kind == "together"
    assert "its calls at the same time" in str(left.report)
    assert not any(name.startswith("_nbexec") for name in left.names)


ONE_AFTER_THE_OTHER = {
    "something is done in between": "r = work(1) + 1 + work(2)",
    "a text": "r = f'{work(1)} {work(2)}'",
    "one that may not be needed": "r = work(0) and work(2)",
    "one that changes something": (
        "seen = []\ndef note(x):\n    seen.append(x)\n    return len(seen)\nr = note(1), note(2)"
    ),
    "one that prints": "def say(x):\n    print(x)\n    return x\nr = say(1), say(2)",
    "one that binds": "def bind(x):\n    global n\n    n = x\n    return x\nn = 0\nr = bind(1), n, bind(2)",
    "a name in between": "r = (x := work(1)), work(2)",
    "a starred one": "r = [*range(work(1) % 3), work(2)]",
    "a set": "r = {work(1), work(2)} if False else 0",
}


@pytest.mark.parametrize("source", ONE_AFTER_THE_OTHER.values(), ids=ONE_AFTER_THE_OTHER)
def test_calls_in_order(source):
    left = both(WORK + source, "threads")
    assert left.report.steps[-1].kind == "serial"


RAISING = {
    "the first": "def bad(x):\n    return 1 / x\nx = y = 7\nx, y = bad(0), bad(1)",
    "the second": "def bad(x):\n    return 1 / x\nx = y = 7\nx, y = bad(1), bad(0)",
    "both": "def bad(x):\n    return {}[x]\nr = bad(1), bad(2)",
    "what is done with them": "r = work(1), work(2)\nx, y, z = work(1), work(2)",
    "a name that isn't there": "r = work(1), missing, work(2)",
    "a function that isn't there": "r = work(1), missing(1), work(2)",
    "an operator": "def text(x):\n    return str(x)\nr = work(1) + text(2)",
    "many lines": "def bad(x):\n    return 1 / x\nr = [\n    bad(1),\n    bad(\n        0,\n    ),\n]",
}


@pytest.mark.parametrize("source", RAISING.values(), ids=RAISING)
@pytest.mark.parametrize("where", ["threads", "processes"])
def test_exceptions_are_those_of_the_plain_cell(source, where):
    left = both(WORK + source, where)
    assert left.error is not None
    with pytest.raises(type(left.error)) as plain:
        exec(compile(WORK + source, "<cell>", "exec"), {})
    assert frames(left.error) == frames(plain.value)


@pytest.mark.parametrize("where", ["threads", "processes"])
def test_what_comes_back_is_the_kernels_own(where):
    both(
        "def same(x):\n    for n in range(9): x == n\n    return x\n"
        "a, b = [1], [2]\nr = same(a), same(b), same(a)\nfound = r[0] is a, r[1] is b, r[2] is a",
        where,
    )


def test_short_ones_are_not_looked_at_again(monkeypatch):
    looked = []
    monkeypatch.setattr(parts, "calls_in_row", lambda *given: looked.append(given) or [])
    monkeypatch.setattr(parts.known, "of", lambda functions: 0.001)
    both(WORK + "r = work(1), work(2)", "threads")
    assert not looked


def test_a_call_between_which_something_happens_ends_the_row():
    def row(text):
        names = {"f": 1, "a": 1, "d": {}}
        found = calls_in_row(ast.parse(text).body[0], names, lambda call: call.func.id == "f")
        return [ast.unparse(one) for one in found]

    assert row("f(a), g(f(1)), f(2)") == ["f(a)"]
    assert row("f(a), d.get, f(2)") == ["f(a)", "f(2)"]
    assert row("f(a), d.x, f(2)") == ["f(a)"]
    assert row("f(f(1), f(2)), f(3)") == ["f(1)", "f(2)"]
    assert row("f(f(1)), f(3)") == ["f(f(1))", "f(3)"]
    assert row("d[f(1)] = f(2)") == ["f(2)"]
    assert row("async_ = [f(1), await f(2)]") == []
    assert row("for x in f(1), f(2): pass") == []
