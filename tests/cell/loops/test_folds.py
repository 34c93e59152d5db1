"""Folds: of `functools.reduce(lambda a, x: a + f(x), xs)`, `f(x)` is computed ahead."""

from __future__ import annotations

import pytest

from ..both_ways import both, leaving_after

EARLIER = """
import functools
from functools import reduce
def slow(x): return sum(i * (x or 1) for i in range(20))
def text(x): return str(slow(x))
def fails(x): return 12 // (3 - x)
def listed(x): return [slow(x)]
log = []
def noted(x):
    log.append(x)
    return x
def both_of(a, x): return max(a, slow(x))
class Odd:
    seen = []
    def __init__(self, n): self.n = n
    def __add__(self, other):
        self.seen.append(self.n)
        return Odd(self.n + getattr(other, "n", other))
    __radd__ = __add__
def odd(x): return Odd(slow(x))
def counts(x): return Odd(slow(x + len(Odd.seen)))
xs = [3, 1, 4, 1, 5, 9, 2, 6]
start = 7
"""

AHEAD = {
    "a sum": "out = functools.reduce(lambda a, x: a + slow(x), xs, 0)",
    "without a start": "out = functools.reduce(lambda a, x: a + slow(x), xs)",
    "imported": "out = reduce(lambda a, x: a * 2 + slow(x) * 3, xs, 1)",
    "a name as the start": "out = reduce(lambda a, x: a - slow(x), xs, start)",
    "a function": "out = reduce(both_of, xs, 0)",
    "a maximum": "out = reduce(lambda a, x: max(a, slow(x)), xs, 0)",
    "a condition": "out = reduce(lambda a, x: a + slow(x) if x > 2 else a, xs, 0)",
    "texts": "out = reduce(lambda a, x: a + text(x), xs, '')",
    "a part of an expression": "out = reduce(lambda a, x: a + slow(x), xs, 0) / len(xs)",
    "equal items": "out = reduce(lambda a, x: a + text(x), [1, 1.0, True, 2], '')",
    "a name of the cell": "a = x = 'mine'\nout = reduce(lambda a, x: a + slow(x), xs, 0)",
    "a range": "out = reduce(lambda a, x: a + slow(x), range(9), 0)",
}

OTHERS = {
    "tuples": "out = reduce(lambda a, x: a + (slow(x),), xs, ())",
    "twice": "out = reduce(lambda a, x: a + slow(x) * slow(x), xs, 0)",
    "nothing": "out = reduce(lambda a, x: a + slow(x), [], 0)",
    "nothing at all": "out = reduce(lambda a, x: a + slow(x), [])",
    "one": "out = reduce(lambda a, x: a + slow(x), [3])",
    "it raises": "out = reduce(lambda a, x: a + fails(x), [1, 2, 3, 4], 0)",
    "the operator raises": "out = reduce(lambda a, x: a + text(x), xs, 0)",
    "lists": "out = reduce(lambda a, x: a + listed(x), xs, [])",
    "hidden state": "out = reduce(lambda a, x: a + noted(x), xs, 0)",
    "an operator with hidden state": "out = reduce(lambda a, x: a + odd(x), xs, 0).n\nseen = Odd.seen",
    "hidden state that is read": "out = reduce(lambda a, x: a + counts(x), xs, 0).n\nseen = Odd.seen",
    "of what was before": "out = reduce(lambda a, x: slow(a + x) % 100, xs, 0)",
    "both": "out = reduce(lambda a, x: a + slow(x) + slow(a) % 3, xs, 0)",
    "a method": "out = reduce(lambda a, x: a.append(slow(x)) or a, xs, [])",
    "keeps": "out = reduce(lambda a, x: [*a, slow(x)], xs, [])",
    "no iterable": "out = reduce(lambda a, x: a + slow(x), 5, 0)",
    "an iterator": "it = iter(xs)\nout = reduce(lambda a, x: a + slow(x), it, 0), list(it)",
    "a generator": "out = reduce(lambda a, x: a + slow(x), (x for x in xs), 0)",
    "another reduce": "def reduce(f, xs, a): return [f(a, x) for x in xs]\nout = reduce(lambda a, x: a + slow(x), xs, 0)",
    "in a function": "def main(): return reduce(lambda a, x: a + slow(x), xs, 0)\nout = main()",
    "max is another": "def max(a, b): return a\nout = reduce(lambda a, x: max(a, slow(x)), xs, 0)",
    "a shadowed function": "out = reduce(lambda slow, x: slow + x, xs, 0)",
}  # fmt: skip


@pytest.mark.parametrize("where", ["threads", "processes"])
@pytest.mark.parametrize("cell", AHEAD)
def test_what_depends_on_the_item_is_computed_ahead(cell: str, where: str) -> None:
    left = both(AHEAD[cell], where, earlier=EARLIER)
    assert left.report is not None
    assert any("computed ahead" in step.reason for step in left.report.steps), str(left.report)


@pytest.mark.parametrize("where", ["threads", "processes"])
@pytest.mark.parametrize("cell", OTHERS)
def test_other_folds(cell: str, where: str) -> None:
    both(OTHERS[cell], where, earlier=EARLIER)


@pytest.mark.plain_first
@pytest.mark.parametrize("cell", [*AHEAD, *OTHERS])
def test_folds_that_began_in_the_kernel(cell: str) -> None:
    with leaving_after(2):
        both({**AHEAD, **OTHERS}[cell], "threads", earlier=EARLIER)
