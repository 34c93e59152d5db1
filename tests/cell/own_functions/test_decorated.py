"""`nbexec.parallel(fn)` and `@nbexec.parallel`.

Covers `nbexec.cell.own_functions.decorated`.
"""

from __future__ import annotations

import inspect
import sys

import pytest

import nbexec

from ..both_ways import leaving_after

pytestmark = pytest.mark.plain_first


def work(x):
    return x * x + 1


def squares(xs, k=1):
    """Give squares."""
    out = []
    for x in xs:
        out.append(work(x) * k)
    return out


class Solver:
    def __init__(self, k):
        self.k = k

    def run(self, xs):
        return [work(x) + self.k for x in xs]


@pytest.mark.parametrize("where", ["threads", "processes"])
@pytest.mark.parametrize("items", [0, 1, 5])
def test_it_gives_what_the_function_gives(where, items):
    with leaving_after(items):
        assert nbexec.parallel(squares, backend=where, workers=2)(range(40), k=2) == squares(
            range(40), 2
        )


def test_its_items_are_a_run():
    with leaving_after(2):
        nbexec.parallel(squares, backend="threads", workers=2, progress="off")(range(40))
    assert nbexec.last_run().stats.done == 37


def test_methods():
    solver = Solver(3)
    with leaving_after(2):
        assert nbexec.parallel(solver.run, backend="threads", workers=2)(range(9)) == solver.run(
            range(9)
        )


def test_as_a_decorator_it_keeps_what_the_function_is():
    def plain(xs, k: int = 2):
        """One."""
        return [work(x) for x in xs]

    one = nbexec.parallel(plain)

    @nbexec.parallel(workers=2, backend="threads")
    def two(xs):
        return [work(x) for x in xs]

    assert one.__doc__ == "One."
    assert inspect.signature(one) == inspect.signature(plain)
    assert one(range(9)) == two(range(9)) == [work(x) for x in range(9)]


def test_a_strict_one_says_why_before_anything_runs():
    done = []

    def carries(xs):
        last = 0
        for x in xs:
            done.append(x)
            last = work(last)
        return last

    with pytest.raises(nbexec.SerialError, match=r"of `.*carries` would run serially: .*last"):
        nbexec.parallel(carries, strict=True, progress="off")(range(9))
    assert done == []
    assert nbexec.parallel(squares, strict=True)(range(9)) == squares(range(9))


@pytest.mark.parametrize("odd", [3, len, Solver, (x for x in [1])])
def test_what_is_no_function_is_refused(odd):
    with pytest.raises(nbexec.OptionError, match="parallel needs the source of a cell, or a funct"):
        nbexec.parallel(odd)


def test_generators_and_coroutines_are_refused():
    def gives():
        yield 1

    async def waits():
        return 1

    for one in (gives, waits):
        with pytest.raises(nbexec.OptionError, match="no generator"):
            nbexec.parallel(one)


def test_a_cell_needs_names_and_a_function_none():
    with pytest.raises(nbexec.OptionError, match="globals"):
        nbexec.parallel("x = 1")
    with pytest.raises(nbexec.OptionError, match="string"):
        nbexec.parallel(squares, {})


def test_wrong_options_are_told_before_a_call():
    with pytest.raises(nbexec.OptionError):
        nbexec.parallel(squares, workers=-1)


def test_what_it_raises_is_the_functions_own():
    def fails(xs):
        return [work(x) // (5 - x) for x in xs]

    with leaving_after(2), pytest.raises(ZeroDivisionError):
        nbexec.parallel(fails, backend="threads", workers=2)(range(9))


def test_it_may_call_as_deep_as_it_may_alone():
    def deepest(n=0):
        try:
            return deepest(n + 1)
        except RecursionError:
            return n

    def f(xs):
        found = []
        for _ in xs:
            found.append(deepest())
        return found

    limit = sys.getrecursionlimit()
    assert min(nbexec.parallel(f)(range(3))) >= min(f(range(3)))
    assert sys.getrecursionlimit() == limit
