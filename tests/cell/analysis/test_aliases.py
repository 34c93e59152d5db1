"""Accumulators that another name or object also refers to: the loop runs serially."""

from __future__ import annotations

import pytest

from ..both_ways import runs_serially

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
