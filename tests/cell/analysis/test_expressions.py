"""Operators, lambdas and `:=` in a body."""

from __future__ import annotations

import pytest

from ..both_ways import runs_in_parallel, runs_serially

ACCEPTED = {
    "lambdas that are used at once": """
out = []
for words in [["bb", "a"], ["c", "dd"]]:
    words = sorted(words, key=lambda word: (len(word), word))
    out.append(list(map(lambda word: word * 2, words)))
""",
    "walrus": """
out = []
for x in range(6):
    if (y := x * 2) > 4:
        out.append(y)
""",
}


@pytest.mark.parametrize("source", ACCEPTED.values(), ids=ACCEPTED)
@pytest.mark.parametrize("where", ["threads", "processes"])
def test_accepted(source, where):
    runs_in_parallel(source, where)


REFUSED = {
    "an operator that changes its object": (
        "class A:\n    n = 0\n    def __add__(self, other):\n        self.n += other\n"
        "        return self.n\na = A()\nout = []\nfor x in [1, 2]:\n    out.append(a + x)",
        "line 9: serial: uses `A.__add__`, which changes `self` in place",
    ),
    "an operator of an object inside something": (
        "class A:\n    n = 0\n    def __add__(self, other):\n        self.n += other\n"
        "        return self.n\nd = {'a': A()}\nout = []\nfor x in [1, 2]:\n    out.append(d['a'] + x)",
        "line 9: serial: uses `A.__add__`, which changes `self` in place",
    ),
    "a lambda that is kept": (
        "fs = []\nfor x in [1, 2]:\n    fs.append(lambda: x)\nelse:\n    fs = [f() for f in fs]",
        "line 3: serial: keeps a function that was made in the loop",
    ),
    "a lambda that has a name": (
        "for x in [1, 2]:\n    f = lambda: x",
        "line 2: serial: keeps a function that was made in the loop",
    ),
}


@pytest.mark.parametrize(("source", "said"), REFUSED.values(), ids=REFUSED)
def test_refused(source, said):
    runs_serially(source, said)
