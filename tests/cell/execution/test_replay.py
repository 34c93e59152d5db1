"""Caches of `functools` that a loop calls: they are left as the plain loop leaves them.

Covers `nbexec.cell.execution.replay` and `nbexec.cell.loops.exchanged_code`.
"""

from __future__ import annotations

import functools
from typing import Any

import pytest

from nbexec.cell.execution.replay import Replay, cached_function

from ..both_ways import both, kind, leaving_after, reason

CACHED = """
import functools
@functools.lru_cache(maxsize=None)
def made(x): return [x, x * x]
@functools.lru_cache(maxsize=3)
def few(x): return [x]
@functools.lru_cache(typed=True)
def typed(x): return [x]
@functools.cache
def fails(x): return 12 // (3 - x)
@functools.cache
def fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)
@functools.cache
def named(x, y=3, *, z=2): return [x + y * z]
"""
INFO = "\ninfo = [one.cache_info() for one in (made, few, typed, fails, fib, named)]"
INFO += "\nafter = [made(1), few(1), typed(1), typed(1.0), named(1)]"
INFO += "\nagain = [one.cache_info() for one in (made, few, typed, fails, fib, named)]"

LOOPS = {
    "distinct": "out = []\nfor x in range(20): out.append(made(x))",
    "repeated": "out = []\nfor x in [3, 1, 3, 2, 1, 3] * 4: out.append(made(x))",
    "some are there": "made(2), made(5)\nout = []\nfor x in range(9): out.append(made(x))",
    "all are there": "old = [made(x) for x in range(60)]\nout = []\nfor x in range(60): out.append(made(x))",
    "few are kept": "out = []\nfor x in [1, 2, 3, 4, 1, 2, 5, 1, 4, 4]: out.append(few(x))",
    "typed": "out = []\nfor x in [1, 1.0, True, 1, 2.0, 2]: out.append(typed(x))",
    "equal": "out = []\nfor x in [1, 1.0, True, 1, 2.0, 2]: out.append(made(x))",
    "one fails": "out = []\nfor x in range(9): out.append(fails(x))",
    "a failure is caught": "out = []\nfor x in [1, 3, 3, 4, 1]:\n    try: out.append(fails(x))\n    except ZeroDivisionError: out.append('none')",
    "recursion": "out = []\nfor n in range(20): out.append(fib(n))",
    "can't be hashed": "out = []\nfor x in [1, 2, [3]]: out.append(made(x))",
    "break": "out = []\nfor x in range(20):\n    r = made(x)\n    out.append(r)\n    if x == 7: break",
    "carries": "s = 0\nfor x in [1, 2, 1, 3, 2] * 3:\n    r = made(x)\n    s = s * 2 + r[1]",
    "changes what is kept": "for x in [1, 2, 1, 1]:\n    r = made(x)\n    r.append(x)",
    "defaults": "out = []\nfor x in range(9): out.append(named(x))",
    "other arguments": "out = []\nfor x in range(9): out.append(named(x, y=x))",
    "two caches": "out = []\nfor x in [1, 2, 1, 3]: out.append((made(x), few(x)))",
    "and a call": "out = []\nfor x in [1, 2, 1, 3]:\n    r = made(x)\n    out.append((r, abs(x), named.__wrapped__(x)))",
    "not always": "out = []\nfor x in range(12):\n    if x % 3: out.append(made(x))",
    "a method": "class C:\n    @functools.lru_cache\n    def f(self, x): return x\nc = C()\nout = []\nfor x in range(5): out.append(c.f(x))\nkept = C.f.cache_info()",
    "looks at the cache": "out = []\nfor x in [1, 2, 1]:\n    r = made(x)\n    out.append((r, made.cache_info()))",
    "clears the cache": "out = []\nfor x in [1, 2, 1, 1]:\n    r = made(x)\n    out.append(r)\n    made.cache_clear()",
    "bound anew": "out = []\nfor x in [1, 2, 1, 1]:\n    out.append(made(x))\n    made = few",
    "a cell of its own": "def outer():\n    k = 2\n    @functools.cache\n    def inner(x): return [x * k]\n    return inner\nf = outer()\nout = []\nfor x in [1, 2, 1]: out.append(f(x))\nkept = f.cache_info()",
}  # fmt: skip


@pytest.mark.parametrize("backend", ["threads", "processes"])
@pytest.mark.parametrize("source", LOOPS.values(), ids=LOOPS)
def test_a_cache_is_left_as_it_is_plain(source: str, backend: str) -> None:
    both(source + INFO if "bound anew" not in source else source, backend, earlier=CACHED)


@pytest.mark.plain_first
@pytest.mark.parametrize("source", LOOPS.values(), ids=LOOPS)
def test_so_it_is_after_some_items(source: str) -> None:
    with leaving_after(2):
        both(source + INFO, "threads", earlier=CACHED)


AHEAD = ["distinct", "repeated", "few are kept", "typed", "some are there", "carries", "break"]
AHEAD += ["defaults", "two caches", "a failure is caught"]


@pytest.mark.parametrize("which", AHEAD)
def test_these_are_computed_ahead(which: str) -> None:
    left = both(LOOPS[which], "processes", earlier=CACHED)
    assert kind(left) == "parallel", reason(left)
    assert "computed ahead" in reason(left)


def test_the_function_is_what_it_was() -> None:
    left = both("code = made.__wrapped__.__code__.co_name\n" + LOOPS["distinct"], earlier=CACHED)
    made = left.names["made"]
    assert made.__wrapped__.__code__.co_name == "made"
    assert made.__wrapped__(3) == [3, 9]


def test_a_value_is_given_once_and_to_its_own_call_alone() -> None:
    calls: list[Any] = []

    @functools.cache
    def f(x: Any) -> Any:
        calls.append(x)
        return x

    plain: Any = f
    assert cached_function(plain) is None  # it closes over `calls`
    replay = Replay()
    assert not replay.finish()

    @functools.cache
    def g(x: Any, y: int = 1) -> Any:
        return [x, y]

    item = (1, 2)
    replay.prepare(g.__wrapped__, item, "known")  # type: ignore[arg-type]
    assert g((1, 3)) == [(1, 3), 1]
    assert g(item) == "known"
    assert g.__wrapped__(item) == [item, 1]
    assert replay.finish()
    assert g.__wrapped__(item) == [item, 1]


@functools.cache
def _doubled(x: int) -> int:
    return x * 2


@functools.cache
def _negative(x: int) -> int:
    return -x


def test_of_two_at_once_each_gives_its_own_value() -> None:
    doubled: Any = _doubled.__wrapped__
    negative: Any = _negative.__wrapped__
    one, other = Replay(), Replay()
    one.prepare(doubled, 7, 14)
    other.prepare(negative, 8, -8)
    assert (_doubled(6), _negative(8), _doubled(7)) == (12, -8, 14)
    assert other.finish()
    assert one.finish()


def test_a_function_that_is_replayed_is_left_to_the_first() -> None:
    own = _doubled.__wrapped__.__code__  # type: ignore[attr-defined]
    doubled: Any = _doubled.__wrapped__
    one, other = Replay(), Replay()
    one.prepare(doubled, 17, 34)
    other.prepare(doubled, 18, "not used")
    assert (_doubled(18), _doubled(17)) == (36, 34)
    assert one.finish()  # in another order than they began
    assert not other.finish()
    assert doubled.__code__ is own
