"""Accumulators that another name or object also refers to: the loop runs serially."""

from __future__ import annotations

import pytest

from nbexec.cell.analysis import aliases
from nbexec.cell.loops import accumulator_aliases

from ..both_ways import both, kind, reason, runs_in_parallel, runs_serially

REFUSED = {
    "lists in a dict that have another name": (
        "a = [1]\nd = {'a': a}\nfor x in [1, 2]:\n    d['a'].append(len(a))",
        "line 4: serial: `d` can also be reached through `a`",
    ),
    "an accumulator with another name": (
        "a = b = []\nfor x in [1, 2]:\n    a.append(x)\n    y = len(b)",
        "line 3: serial: `a` can also be reached through `b`",
    ),
    "two accumulators that are one": (
        "a = b = []\nfor x in [1, 2]:\n    a.append(x)\n    b.append(x)",
        "line 3: serial: `a` and `b` are the same object",
    ),
    "an accumulator inside an item": (
        "out = []\nitems = [out, [1]]\nfor item in items:\n    out.append(len(item))",
        "line 4: serial: `out` can also be reached through `items`",
    ),
    "an accumulator inside a default argument": (
        "out = []\ndef f(x, seen=out):\n    return len(seen)\n"
        "for x in [1, 2]:\n    out.append(f(x))",
        "line 5: serial: `out` can also be reached through `f`",
    ),
    "an iterable that is changed by its body": (
        "xs = [1, 2]\nfor x in xs:\n    if len(str(x)) < 2:\n        xs.append(x * 10)",
        "line 4: serial: `xs` can also be reached through `xs`",
    ),
}


@pytest.mark.parametrize(("source", "said"), REFUSED.values(), ids=REFUSED)
def test_refused(source, said):
    runs_serially(source, said)


NAMES = {
    "inside an array of objects": (
        "import numpy\nout = []\nbox = numpy.array([out, None], dtype=object)\n"
        "for x in [1, 2]:\n    out.append(len(box[0]))",
        "line 5: serial: `out` can also be reached through `box`",
    ),
    "in a field of an array": (
        "import numpy\nout = []\nbox = numpy.empty(2, [('a', object), ('b', int)])\n"
        "box['a'][0] = out\nfor x in [1, 2]:\n    out.append(len(box['a'][0]))",
        "line 6: serial: `out` can also be reached through `box`",
    ),
    "in a frame": (
        "import pandas\nout = []\nbox = pandas.DataFrame({'a': [out, None]})\n"
        "for x in [1, 2]:\n    out.append(len(box['a'][0]))",
        "line 5: serial: `out` can also be reached through `box`",
    ),
    "in the names themselves": (
        "out = []\nbox = [globals()]\nfor x in [1, 2]:\n    out.append(len(box[0]['out']))",
        "line 4: serial: uses something that reaches every name",
    ),
    "a view of the same memory": (
        "import numpy\na = numpy.zeros(3)\nb = a[1:]\nfor k in range(3):\n    a[k] = b.sum() + 1",
        "line 5: serial: `a` can also be reached through `b`",
    ),
    "a view that is stored in": (
        "import numpy\na = numpy.zeros(3)\nb = a[1:]\nfor k in range(2):\n    b[k] = a.sum() + 1",
        "line 5: serial: `b` can also be reached through `a`",
    ),
    "two views of what has no name": (
        "import numpy\na, b = (lambda z: (z[1:], z[:2]))(numpy.zeros(3))\n"
        "for k in range(2):\n    b[k] = a.sum() + 1",
        "line 4: serial: `b` can also be reached through `a`",
    ),
    "one entry under two keys": (
        "row = [1]\nd = {'a': row, 'b': [2]}\ne = {'c': [row]}\ndel row\nfor k in d:\n"
        "    d[k].append(len(e['c'][0]))",
        "line 6: serial: `d` can also be reached through `e`",
    ),
}


@pytest.mark.parametrize(("source", "said"), NAMES.values(), ids=NAMES)
def test_reached_another_way(source, said):
    runs_serially(source, said)


ALONE = {
    "a list": "out = []\nfor x in [1, 2]:\n    out.append(len(box))",
    "an array": "import numpy\na = numpy.zeros(2)\nfor k in range(2):\n    a[k] = len(box)",
    "lists in a dict": "d = {1: [1], 2: [2]}\nfor k in [1, 2]:\n    d[k].append(len(box))",
    "a Counter": "import collections\nc = collections.Counter('ab')\n"
    "for k in 'abc':\n    c[k] += len(box)",
}


@pytest.mark.parametrize("source", ALONE.values(), ids=ALONE)
def test_what_only_a_name_refers_to_is_not_looked_for(source, monkeypatch):
    def unwanted(*given):
        raise AssertionError("it looks for aliases")

    monkeypatch.setattr(accumulator_aliases, "_apart", unwanted)
    runs_in_parallel(f"box = [[1], [2]]\n{source}", "threads")


LARGE = {
    "nested": "big = {n: {'a': [n]} for n in range(500)}",
    "linked": "big = None\nfor n in range(20): big = [big, n]",
    "a class of one's own": (
        "class Node:\n    def __init__(self, n): self.n = [n]\nbig = [Node(n) for n in range(500)]"
    ),
    "an array of objects": "import numpy\nbig = numpy.array([[n] for n in range(500)] + [0], object)",
    "an iterator far inside": "big = [[n] for n in range(500)] + [[iter(range(9))]]",
}


@pytest.mark.parametrize("source", LARGE.values(), ids=LARGE)
def test_what_holds_too_much_is_not_looked_through(source, monkeypatch):
    loop = "out = []\nfor x in [1, 2]:\n    out.append(str(big)[:20])"
    monkeypatch.setattr(aliases, "LIMIT", 600)
    left = both(loop, earlier=source)
    assert kind(left) == "serial"
    assert "uses something that holds too much to be looked through" in reason(left)


def test_an_accumulator_with_too_many_entries(monkeypatch):
    monkeypatch.setattr(aliases, "LIMIT", 300)
    loop = "for k in range(3):\n    d[k].append(k)"
    left = both(loop, earlier="d = {n: [n] for n in range(1000)}")
    assert kind(left) == "serial"
    assert "`d` has too many entries to look through" in reason(left)


def test_steps_inside_a_step_share_what_may_be_looked_at():
    many = [[] for _ in range(300)]
    with aliases.allowance(1000):
        assert len(list(aliases.reachable(many))) == 300
        with pytest.raises(aliases.TooLarge), aliases.allowance(1000):
            list(aliases.reachable([many]))
    with aliases.allowance(1000):
        assert len(list(aliases.reachable([many]))) == 301


def test_texts_of_a_frame_are_not_looked_through():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": pandas.array(["a", "b"] * 5000, dtype="string[python]")})
    with aliases.allowance(5000):
        assert any(one is frame for one in aliases.reachable([frame]))
