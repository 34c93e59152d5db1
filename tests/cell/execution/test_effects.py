"""Effects that fail halfway: all effects of an iteration are applied, or none.

The log of an iteration tries them in the worker, where they raise what the statement raises.

Covers `nbexec.cell.iteration.effect_log`.
"""

from __future__ import annotations

import pytest

from ..both_ways import both

RAISING = {
    "after some of its effects": """
out, d = [], {}
for x in ["1", "2", "x", "3"]:
    out.append(x)
    print("at", x)
    d[x] = int(x)
""",
    "an unhashable key": "s = set()\nfor x in [1, [2], 3]:\n    s.add(x)\n    y = 1",
    "an unhashable key of a dict": "d = {}\nfor x in [1, [2], 3]:\n    d[x] = 1",
    "an unhashable key that is caught": """
s, bad = set(), []
for x in [1, [2], 3]:
    try:
        s.add(x)
    except TypeError:
        bad.append(x)
""",
    "a number that can't be added": "n = 0\nfor x in [1, 'a', 3]:\n    y = x\n    n += x",
    "a number that can't be added, caught": """
n, bad = 0, 0
for x in [1, "a", 3]:
    try:
        n += x
    except TypeError:
        bad += 1
""",
    "a list that can't be added, swallowed by a bare except": """
n = 0
for x in [1, [2], 3]:
    try:
        n += x
    except BaseException:
        m = x
""",
    "a key that is not there": """
d, n = {"a": 1}, 0
for k in ["a", "b", "a"]:
    n += 1
    d[k] += 1
    n += 10
""",
    "a key that is not there, and a value that can't be had": """
from collections import defaultdict
d, g, s, p = {"a": 1}, defaultdict(list), {}, {"a": []}
for k in ["a", "b"]:
    for one in (d, g, s, p):
        pass
    try:
        g[k].append(1 / (len(k) - 1))
    except ZeroDivisionError:
        s.setdefault(k, []).append(k)
    try:
        p[k].append(1 / 0)
    except ArithmeticError:
        pass
    d[k] += 1 / 0
""",
    "a list is there where a number is expected": """
d, log = {"a": 1, "b": [1]}, []
for k in ["a", "b", "a"]:
    log.append(k)
    d[k] += 1
""",
    "an index that is not there": """
xs, n = [0, 0], 0
for i in [0, 1, 2, 0]:
    n += 1
    xs[i] = i
""",
    "a key that is looked up and no value": """
from collections import defaultdict
g, s = defaultdict(list), {}
for x in [1, 0]:
    s.setdefault(x, []).append(1 / x)
    g[x].append(2)
""",
    "halfway through an extend": """
def some(n):
    for i in range(n):
        yield 1 / (2 - i)

out = []
for n in [1, 2, 4, 1]:
    out.extend(some(n))
""",
}


@pytest.mark.parametrize("source", RAISING.values(), ids=RAISING)
@pytest.mark.parametrize("where", ["threads", "processes"])
def test_exceptions_leave_what_they_leave_serially(source, where):
    both(source, where)
