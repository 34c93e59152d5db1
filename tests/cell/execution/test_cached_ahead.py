"""Comprehensions that call a cache of `functools`: it is left as the plain one leaves it.

Covers `nbexec.cell.execution.cached_ahead` and `nbexec.cell.loops.cached_calls`.
"""

from __future__ import annotations

import functools
import os
import random

import pytest

import nbexec
from nbexec.cell.analysis.source import remember
from nbexec.cell.loops.cached_calls import misses

from ..both_ways import both, kind, leaving_after, reason
from .test_replay import CACHED, INFO

COMPREHENSIONS = {
    "a list": "out = [made(x) for x in [3, 1, 3, 2, 1, 3] * 4]",
    "distinct": "out = [made(x) for x in range(20)]",
    "a set": "out = {len(made(x)) for x in [1, 2, 1]}",
    "a dict": "out = {x: made(x) for x in [3, 1, 3]}",
    "keys of a dict": "out = {made(x)[1]: x for x in [3, 1, 3]}",
    "a sum": "out = sum(made(x)[1] for x in [3, 1, 3, 4])",
    "a map": "out = list(map(made, [3, 1, 3, 4]))",
    "a sum of a map": "out = sum(map(len, map(made, [3, 1, 3])))",
    "a key": "out = max([3, 1, 3, 4], key=made)",
    "sorted": "out = sorted([3, 1, 3, 4], key=lambda x: made(x)[1])",
    "sort": "out = [3, 1, 3, 4]\nout.sort(key=made)",
    "some of them": "out = any(made(x)[1] > 3 for x in [1, 2, 3, 4, 1])",
    "the first": "out = next(x for x in [1, 2, 3, 4, 1] if made(x)[1] > 3)",
    "a condition": "out = [x for x in [3, 1, 3, 4] if made(x)[1] > 3]",
    "a condition before": "out = [made(x) for x in [3, 1, 3, 4] if x > 1]",
    "few are kept": "out = [few(x) for x in [1, 2, 3, 4, 1, 2, 5, 1, 4, 4]]",
    "typed": "out = [typed(x) for x in [1, 1.0, True, 1, 2.0, 2]]",
    "one fails": "out = [fails(x) for x in range(9)]",
    "one fails in a map": "out = list(map(fails, range(9)))",
    "recursion": "out = [fib(n) for n in range(20)]",
    "can't be hashed": "out = [made(x) for x in [1, 2, [3]]]",
    "some are there": "made(2), made(5)\nout = [made(x) for x in range(9)]",
    "two caches": "out = [(made(x), few(x)) for x in [1, 2, 1, 3]]",
    "twice": "out = [(made(x), made(x)) for x in [1, 2, 1, 3]]",
    "and more": "out = [made(x)[0] + x * len(str(x)) for x in [1, 2, 1, 3]]",
    "other arguments": "out = [named(x, y=x) for x in [1, 2, 1]]",
    "nested": "out = [[made(x) for x in (1, 2)] for y in (1, 2)]",
    "two loops": "out = [made(x) for y in (1, 2) for x in (1, y)]",
    "looks at the cache": "out = [(made(x), made.cache_info()) for x in [1, 2, 1]]",
    "clears the cache": "out = [(made(x), made.cache_clear()) for x in [1, 2, 1]]",
    "calls the function itself": "out = [(made.__wrapped__(x), made(x)) for x in [1, 2, 1]]",
    "binds a name": "out = [(r := made(x)) for x in [1, 2, 1]]",
    "a part of an expression": "out = sum([made(x)[1] for x in [1, 2, 1]]) / 3",
    "an iterator": "out = [made(x) for x in iter([1, 2, 1])]",
    "the list grows": "xs = [1, 2, 1]\nout = [(made(x), xs.append(4) if len(xs) < 6 else 0) for x in xs]",
    "pairs": "out = [made(x) for x, y in [(1, 2), (2, 3), (1, 2)]]",
}


@pytest.mark.parametrize("where", ["threads", "processes"])
@pytest.mark.parametrize("name", COMPREHENSIONS)
def test_a_cache_is_left_as_the_plain_comprehension_leaves_it(name: str, where: str) -> None:
    both(COMPREHENSIONS[name] + INFO, where, earlier=CACHED)


@pytest.mark.plain_first
@pytest.mark.parametrize("where", ["threads", "processes"])
@pytest.mark.parametrize("name", COMPREHENSIONS)
def test_a_cache_that_the_plain_comprehension_began_to_fill(name: str, where: str) -> None:
    with leaving_after(2):
        both(COMPREHENSIONS[name] + INFO, where, earlier=CACHED)


@pytest.mark.parametrize("most", [0, 1, 3, 7, None])
def test_what_a_bounded_cache_misses_is_known_before(most):
    draw, computed = random.Random(5), []

    @functools.lru_cache(maxsize=most)
    def kept(x):
        computed.append(at)

    items = [draw.randrange(9) for _ in range(200)]
    for at, x in enumerate(items):  # noqa: B007
        kept(x)
    assert misses(items, most) == computed


@pytest.mark.parametrize("cell", ["out = [few(x) for x in xs]", "for x in xs: out.append(few(x))"])
def test_what_it_has_lost_comes_from_workers_again(cell):
    earlier = "@lru_cache(maxsize=2)\ndef few(x): return x, getpid()"
    names = {"lru_cache": functools.lru_cache, "getpid": os.getpid, "xs": [1, 2, 3] * 4, "out": []}
    remember(earlier, "<e>")
    exec(compile(earlier, "<e>", "exec"), names)
    nbexec.parallel(cell, names, backend="processes", workers=2, progress="off")
    assert [x for x, _ in names["out"]] == names["xs"]
    assert os.getpid() not in {where for _, where in names["out"]}
    assert names["few"].cache_info() == (0, 12, 2, 2)


@pytest.mark.parametrize("name", ["a list", "a dict", "a sum", "a map", "few are kept"])
def test_its_values_come_from_workers(name: str) -> None:
    left = both(CACHED + COMPREHENSIONS[name], "threads")
    assert kind(left) == "parallel", reason(left)
