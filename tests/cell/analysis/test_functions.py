"""Calls of the user's own functions and classes: those with side effects make a loop serial."""

from __future__ import annotations

import pytest

from ..both_ways import runs_in_parallel, runs_serially

ACCEPTED = {
    "functions of the notebook": """
def double(x, by=2):
    result = []
    for _ in range(by):
        result.append(x)
    return sum(result)

out = []
for x in range(5):
    out.append(double(x))
""",
    "recursive functions and generators": """
def walk(tree):
    for part in tree:
        if isinstance(part, list):
            yield from walk(part)
        else:
            yield part

def depth(tree):
    return 1 + max((depth(part) for part in tree if isinstance(part, list)), default=0)

out = []
for tree in [[1, [2]], [3, [4, [5]]]]:
    out.append((list(walk(tree)), depth(tree)))
""",
    "classes of the notebook": """
from dataclasses import dataclass

@dataclass
class Point:
    x: int
    y: int = 0

    def norm(self):
        return abs(self.x) + abs(self.y)

class Tally:
    def __init__(self, start):
        self.seen = [start]

    def add(self, value):
        self.seen.append(value)
        return self

points = [Point(1, 2), Point(3)]
out, made = [], []
for p in points:
    out.append(p.norm())
    made.append(Tally(p.x).add(p.y).seen)
""",
    "closures and partials": """
from functools import partial

def adder(n):
    def add(x):
        return x + n
    return add

plus, power = adder(3), partial(pow, 2)
out = []
for x in range(4):
    out.append((plus(x), power(x)))
""",
    "shadowed builtins": """
def len(x):
    return 7

out = []
for x in range(3):
    out.append(len(x))
""",
}


@pytest.mark.parametrize("source", ACCEPTED.values(), ids=ACCEPTED)
@pytest.mark.parametrize("where", ["threads", "processes"])
def test_accepted(source, where):
    runs_in_parallel(source, where)


REFUSED = {
    "a global that a function writes": (
        "n = 0\ndef f(x):\n    global n\n    n += 1\n    return x\n"
        "out = []\nfor x in [1, 2]:\n    out.append(f(x))",
        "line 8: serial: calls `f`, which changes the global `n`",
    ),
    "a closure that a function writes": (
        "def make():\n    n = 0\n    def f():\n        nonlocal n\n        n += 1\n        return n\n"
        "    return f\nf = make()\nout = []\nfor x in [1, 2]:\n    out.append(f())",
        "line 11: serial: calls `f`, which changes `n` of the function around it",
    ),
    "a mutable default that a function changes": (
        "def f(x, seen=[]):\n    seen.append(x)\n    return len(seen)\n"
        "out = []\nfor x in [1, 2]:\n    out.append(f(x))",
        "line 6: serial: calls `f`, which calls `seen.append()`, which may change it",
    ),
    "a global object that a function changes": (
        "seen = {}\ndef f(x):\n    seen[x] = len(seen)\n    return x\n"
        "def g(x):\n    return f(x)\nout = []\nfor x in [1, 2]:\n    out.append(g(x))",
        "line 3: serial: changes `seen` in place, and does more with it than to look up a key: "
        "`len(seen)`",
    ),
    "an argument that a function changes": (
        "def f(row):\n    row['a'] = 1\nrows = [{}, {}]\nfor row in rows:\n    f(row)",
        "line 5: serial: calls `f`, which changes `row` in place",
    ),
    "an attribute of a function": (
        "def f(x):\n    f.calls += 1\n    return x\nf.calls = 0\n"
        "out = []\nfor x in [1, 2]:\n    out.append(f(x))",
        "line 7: serial: calls `f`, which ",
    ),
    "a method that changes its object": (
        "class A:\n    n = 0\n    def up(self):\n        self.n += 1\n"
        "a = A()\nfor x in [1, 2]:\n    a.up()",
        "line 7: serial: calls `up`, which changes `self` in place",
    ),
    "a list that a class shares": (
        "class A:\n    seen = []\n    def add(self, x):\n        self.seen.append(x)\n"
        "for x in [1, 2]:\n    A().add(x)",
        "line 6: serial: calls `add`, which calls `self.seen.append()`, which may change it",
    ),
    "a property that changes its object": (
        "class A:\n    n = 0\n    @property\n    def m(self):\n        self.n += 1\n"
        "        return self.n\na = A()\nout = []\nfor x in [1, 2]:\n    out.append(a.m)",
        "line 10: serial: calls `m`, which changes `self` in place",
    ),
    "a cached function that calls itself": (
        "from functools import lru_cache\n@lru_cache\ndef f(x):\n    return [x] if x else f(x + 1)\n"
        "out = [f(x) for x in [1, 1]]",
        "line 5: serial: calls `f`, which keeps what it has computed",
    ),
    "a callback that changes something": (
        "seen = []\ndef key(x):\n    seen.append(x)\n    return x\n"
        "out = []\nfor x in [[2, 1], [3]]:\n    out.append(sorted(x, key=key))",
        "line 7: serial: calls `key`, which calls `seen.append()`, which may change it",
    ),
    "a print in a function": (
        "def f(x):\n    print(x)\n    return x\nout = []\nfor x in [1, 2]:\n    out.append(f(x))",
        "line 6: serial: calls `f`, which calls `print`, which prints",
    ),
    "something unknown that is called": (
        "fs = [[len], [str]]\nout = []\nfor f in fs:\n    out.append(f[0]('a'))",
        "line 4: serial: calls `f[0]`, which can't be looked into",
    ),
}


@pytest.mark.parametrize(("source", "said"), REFUSED.values(), ids=REFUSED)
def test_refused(source, said):
    runs_serially(source, said)
