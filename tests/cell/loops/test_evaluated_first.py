"""Loops inside an expression: they run first, as nothing before them has an effect."""

from __future__ import annotations

import pytest

from ..both_ways import both, runs_in_parallel

ACCEPTED = {
    "loops inside expressions": """
import math, types
xs, out, a = [3, 1, 2], [], types.SimpleNamespace()
mean = sum(x * x for x in xs) / len(xs)
root = math.sqrt(sum(x for x in xs)) + 1
out.extend([x + 1 for x in xs])
first, *others = sorted((str(x) for x in xs), reverse=True)
d = {"a": [x for x in xs], "b": 2}
d["c"], a.b = max(x for x in xs), 5
out += [-x for x in xs]
if any(x > 2 for x in xs):
    found = True
said = f"{sum(x for x in xs):.2f} of {len(xs)}"
pair = ([x for x in xs], {x for x in xs})
assert all(x < 10 for x in xs), "large"
n: int = sum(x for x in xs)
ok = not any(x > 5 for x in xs) and mean
tail = [x for x in xs][1:]
print(sum(x for x in xs), len(out))
count = len([x for x in xs if x > 1])
""",
}


@pytest.mark.parametrize("source", ACCEPTED.values(), ids=ACCEPTED)
@pytest.mark.parametrize("where", ["threads", "processes"])
def test_accepted(source, where):
    runs_in_parallel(source, where)


RAISING = {
    "map in an expression": "out = 1 + sum(map(lambda x: 1 / x, [2, 0])) / missing",
    "what comes before the loop raises": "out = missing + sum(1 / x for x in [0])",
    "what comes after the loop raises": "out = []\nout.append(sum(x for x in [1, 2]) / 0)",
}


@pytest.mark.parametrize("source", RAISING.values(), ids=RAISING)
@pytest.mark.parametrize("where", ["threads", "processes"])
def test_exceptions_leave_what_they_leave_serially(source, where):
    both(source, where)
