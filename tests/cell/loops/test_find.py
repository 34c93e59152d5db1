"""Which statements are loops over items: `for`, comprehensions, `sum(... for ...)`, `map`."""

from __future__ import annotations

import pytest

from ..both_ways import runs_in_parallel, runs_serially

ACCEPTED = {
    "tuple targets, star targets, enumerate and zip": """
out = []
for i, (a, *b) in enumerate(zip("ab", "cd", "ef")):
    out.append((i, a, b))
""",
    "list comprehension": "out = [x * y for x in range(4) if x for y in range(x)]",
    "set comprehension": "a = b = {x % 3 for x in range(9)}",
    "dict comprehension": "d = {x % 3: x for x in range(9)}",
    "a comprehension as the value": "[x + 1 for x in range(3)]",
    "sum over a generator": "total = sum(x * 0.1 for x in range(10))",
    "sum with a start": "total = sum((x for x in range(10)), 0.5)",
    "join": "text = ', '.join(str(x) for x in range(10))",
    "any": "found = any(1 / (3 - x) > 0.4 for x in range(10))",
    "max with a key": "best = max((x for x in [3, -7, 5]), key=lambda x: x * x)",
    "sorted": "ranks = sorted((x % 4 for x in range(9)), reverse=True)",
    "dict over pairs": "d = dict((x, x * x) for x in range(5))",
    "a list comprehension inside sum": "n = sum([x for x in range(5)])",
    "map and filter": """
def double(x):
    return x * 2

xs = [3, 1, 2]
a = list(map(double, xs))
b = sum(filter(lambda x: x > 1, xs))
c = sorted(map(str, xs), key=len)
d = {"most": max(map(double, xs)), "all": set(map(abs, xs))}
e = tuple(filter(double, range(3)))
f = ",".join(map(str, xs))
""",
}


@pytest.mark.parametrize("source", ACCEPTED.values(), ids=ACCEPTED)
@pytest.mark.parametrize("where", ["threads", "processes"])
def test_accepted(source, where):
    runs_in_parallel(source, where)


REFUSED = {
    "an item that is stored elsewhere": (
        "d = {}\nfor d['x'] in [1, 2]:\n    pass",
        "line 2: serial: each item is stored in `d['x']`",
    ),
    "two generators of one comprehension are fine, a walrus among them is not": (
        "out = [y := x + i for x in [1, 2] for i in range(x)]",
        "line 1: serial: binds `y` in a loop inside the comprehension",
    ),
    "a consumer that is not known": (
        "def first(xs):\n    return next(xs)\nn = first(x for x in [1, 2])",
        "line 3: serial: `first` may do anything with the items that it is given",
    ),
    "any over what comes lazily": (
        "def ones():\n    while True:\n        yield 1\nn = any(x for x in ones())",
        "line 4: serial: `any` over a generator may stop before it has taken every item",
    ),
    "no loop": ("x = 1", "line 1: serial: it is no for loop, comprehension, or call like sum("),
    "while": ("x = 3\nwhile x:\n    x -= 1", "line 2: serial: it is no for loop"),
}


@pytest.mark.parametrize(("source", "said"), REFUSED.values(), ids=REFUSED)
def test_refused(source, said):
    runs_serially(source, said)
