"""`instrument`: the code of a function, with loops that hand over their items.

Covers `nbexec.cell.own_functions.instrument`, `nbexec.cell.own_functions.handing_over` and
`nbexec.cell.own_functions.loop_site`.
"""

from __future__ import annotations

import inspect
import itertools
import random
from types import SimpleNamespace as Namespace

import pytest

from nbexec.cell.analysis.source import remember
from nbexec.cell.own_functions.function_loop import PlainLoop, _extend
from nbexec.cell.own_functions.instrument import instrument

NUMBER = itertools.count()


def function(source, name="f"):
    filename = f"<instrument {next(NUMBER)}>"
    remember(source, filename)
    names = {"work": abs}
    exec(compile(source, filename, "exec", dont_inherit=True), names)
    return names[name]


class Plain:
    def __init__(self, site):
        self.enter = PlainLoop


def lines_of(code):
    return {line for _, _, line in code.co_lines() if line}


LOOPS = [
    "def f(xs):\n    for x in xs:\n        y = work(x)\n    return y",
    "def f(xs):\n    return [work(x)\n            for x in xs]",
    "def f(xs, *more, k=2, **named):\n    return sum(work(x) for x in xs) + k",
]


@pytest.mark.parametrize("source", LOOPS)
def test_it_is_the_same_to_whoever_looks(source):
    f = function(source)
    signature, code = inspect.signature(f), f.__code__
    made = instrument(f, Plain)
    assert made is not None
    assert lines_of(made.code) == lines_of(code)
    same = ("co_name", "co_qualname", "co_filename", "co_firstlineno", "co_argcount")
    for one in (*same, "co_kwonlyargcount", "co_freevars", "co_flags"):
        assert getattr(made.code, one) == getattr(code, one), one
    plain = f([1, -2])
    f.__code__ = made.code
    assert f([1, -2]) == plain
    assert inspect.signature(f) == signature


@pytest.mark.parametrize(
    "source",
    [
        "def f(xs): return len(xs)",
        "def f(xs):\n    for x in xs: y = x + 1\n    return y",
        "def f(xs):\n    for x in xs: yield work(x)",
        "async def f(xs): return [work(x) for x in xs]",
        "def f(xs):\n    z = [work(x) for x in xs]\n    return locals()",
        "f = lambda xs: [work(x) for x in xs]",
        "def f(xs):\n    for x in xs:\n        while work(x): return x",
        "def f(xs):\n    for x in xs:\n        def g(): return work(x)",
        "def f(xs): return (work(x) for x in xs)",
        "def f(xs):\n    t = 0\n    def g(): return t\n    for x in xs: t += work(x)\n    return g()",
    ],
)
def test_what_stays_as_it_is(source):
    assert instrument(function(source), Plain) is None


def test_code_without_source_stays_as_it_is():
    names = {"work": abs}
    exec("def f(xs): return [work(x) for x in xs]", names)
    assert instrument(names["f"], Plain) is None


def test_inner_loops_are_loops_of_their_own_where_they_call_something():
    source = "def f(xs):\n    for x in xs:\n        for y in xs: z = work(x, y)\n        for y in xs: w = y * 2\n    return w"
    made = instrument(function(source), Plain)
    assert {one.line for one in made.sites} == {2, 3}
    assert len(made.sites) == 2


# ---------------------------------------------------------------- the order of sets


def test_a_display_has_the_order_that_it_has_in_the_loop():
    draw = random.Random(1)
    for _ in range(50):
        display = ", ".join(map(str, draw.sample(range(300), draw.randrange(5, 9))))
        body = f"    out = []\n    for x in {{{display}}}: out.append(work(x))\n"
        f = function(f"def f(xs):\n{body}    return out + [work(x) for x in {{{display}}}]")
        plain = f([])
        made = instrument(f, Plain)
        assert made is not None
        f.__code__ = made.code
        assert f([]) == plain


class Halves(PlainLoop):
    """A loop whose second half the plain loop has to do after all."""

    def __init__(self, source):
        self.source, self.again, self.value = [*source], True, None

    def __iter__(self):
        half = len(self.source) // 2
        return iter(self.source[:half] if self.value is None else self.source[half:])

    def add(self, part):
        if self.value is None:
            self.value = part
            return False
        _extend(self.value, part)
        return True


def test_a_set_has_the_order_of_its_elements_wherever_it_is_left():
    f = function("def f(xs): return list({work(x) * y % 1009 for x in xs for y in range(5)})")
    draw = random.Random(1)
    given = [draw.sample(range(1000), 9) for _ in range(50)]
    plain = [f(xs) for xs in given]
    made = instrument(f, lambda site: Namespace(enter=Halves))
    assert made is not None
    f.__code__ = made.code
    assert [f(xs) for xs in given] == plain
