"""Expressions that consume a function's values: each form leaves what the plain cell leaves.

Covers `nbexec.cell.loops.consumers`, `nbexec.cell.loops.prompt` and
`nbexec.cell.execution.early_end`.
"""

from __future__ import annotations

import ast
import itertools

import pytest

from nbexec.cell.execution.early_end import at_value
from nbexec.cell.loops.consumers import consumed
from nbexec.cell.loops.prompt import gives_promptly

from ..both_ways import both, frames, kind, leaving_after, plainly, reason, run

F = """
import functools, itertools, operator
def f(x):
    return sum(i * x for i in range(50))
def pair(x):
    return [f(x), x]
def add(a, b):
    return f(a) + b
def odd(x):
    return f(x) % 2 == 1 and x // (x - 8) is not None
"""
FORMS = {
    "a list display": "y = [*map(f, {xs})]",
    "a tuple display": "y = (*map(f, {xs}),)",
    "a set display": "y = {{*map(f, {xs})}}",
    "among others": "y = [0, *map(f, {xs}), 1]",
    "arguments": "print(*map(f, {xs}), sep='-')",
    "several iterables": "y = sum(map(add, {xs}, itertools.count(3)))",
    "several lists": "y = list(map(lambda a, b, c: add(a, b) - c, {xs}, {xs}, range(4)))",
    "starmap": "y = list(itertools.starmap(add, [(x, x + 1) for x in {xs}]))",
    "starmap of a zip": "y = max(itertools.starmap(add, zip({xs}, {xs})), default=0)",
    "dict of a zip": "xs = {xs}\ny = dict(zip(xs, map(f, xs)))",
    "list of a zip": "xs = {xs}\ny = list(zip(xs, map(f, xs), [1, 2]))",
    "dict of a zip with a range": "n = 9\ny = dict(zip(range(1, n), map(f, {xs})))",
    "zip with numbers": "xs = {xs}\ny = list(zip(range(len(xs)), itertools.count(3), map(f, xs)))",
    "the stream first in a zip": "y = list(zip(map(f, {xs}), [1, 2]))",
    "enumerate": "y = list(enumerate(f(x) for x in {xs}))",
    "enumerate from 1": "y = dict(enumerate(map(f, {xs}), 1))",
    "next": "y = next((x for x in {xs} if f(x) > 3000), None)",
    "next of a map": "y = next(map(f, {xs}), 'none')",
    "next of a zip": "y = next(zip('ab', map(f, {xs})), None)",
    "in": "y = 2450 in (f(x) for x in {xs})\nz = 7 in map(f, {xs})",
    "not in": "y = 2450 not in map(f, {xs})",
    "reduce": "y = functools.reduce(operator.add, (f(x) for x in {xs}), 5)",
    "reduce by a function": "y = functools.reduce(lambda a, b: a * 3 - b, map(f, {xs}), 1)",
    "accumulate": "y = list(itertools.accumulate(map(f, {xs})))",
    "accumulate by a function": "y = list(itertools.accumulate(map(f, {xs}), lambda a, b: a - b))",
    "chain": "y = list(itertools.chain.from_iterable(pair(x) for x in {xs}))",
    "chain of an inner map": "y = sum(itertools.chain([1], map(f, {xs})))",
    "a map of a library function": "y = ','.join(map(str, map(f, {xs})))",
    "any": "y = any(f(x) > 3000 for x in {xs})",
    "all of a map": "y = all(map(f, {xs}))",
    "filter": "y = list(filter(odd, {xs}))",
}
ITEMS = {"fine": "[3, 1, 4, 1, 5]", "empty": "[]", "one": "[2]", "many": "range(1, 40)"}


@pytest.mark.one_in(3)
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("items", ITEMS.values(), ids=ITEMS)
@pytest.mark.parametrize("where", ["threads", "processes"])
def test_on_workers(form, items, where):
    left = both(form.format(xs=items), where, earlier=F)
    assert kind(left) == "parallel", reason(left)


SLOW = """
import time
def slow(x):
    time.sleep(0 if x == 3 else 1.5)
    return x
"""
ENDING = {
    "next": "y = next((x for x in [3, 1, 4, 1, 5] if slow(x)), None)",
    "next of a map": "y = next(map(slow, [3, 1, 4, 1, 5]))",
    "any": "y = any(slow(x) for x in [3, 1, 4, 1, 5])",
    "in": "y = 3 in (slow(x) for x in [3, 1, 4, 1, 5])",
    "any, which goes on": "y = any([x] * (slow(x) - x) for x in [3, 1, 4])",
    "break": "for x in [3, 1, 4, 1, 5]:\n    if slow(x) == 3:\n        y = x\n        break",
}


@pytest.mark.parametrize("form", ENDING.values(), ids=ENDING)
@pytest.mark.parametrize("where", ["threads", "processes"])
def test_items_that_run_on_after_its_end_are_stopped_without_a_word(form, where):
    left = both(form, where, earlier=SLOW, workers=2)
    assert kind(left) == "parallel", reason(left)


@pytest.mark.plain_first
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("items", [1, 3])
def test_begun_as_the_plain_one(form, items):
    with leaving_after(items):
        both(form.format(xs="range(1, 12)"), "threads", earlier=F)


# What raises at the item 8, with the frames of the plain cell.
RAISING = {
    "a map": "y = [*map(lambda x: f(x) // (x - 8), {xs})]",
    "several iterables": "y = sum(map(lambda a, b: b // (a - 8), {xs}, {xs}))",
    "starmap": "y = list(itertools.starmap(lambda a: f(1) // (a - 8), [(x,) for x in {xs}]))",
    "a generator": "y = list(enumerate(f(x) // (x - 8) for x in {xs}))",
    "reduce": "y = functools.reduce(operator.add, (f(x) // (x - 8) for x in {xs}))",
    "next, before": "y = next(x for x in {xs} if x > 5 and f(x) // (x - 8))",
    "next, at": "y = next(x for x in {xs} if f(x) // (x - 8) > 5000)",
    "zip, after its end": "y = list(zip([1, 2], (f(x) // (x - 8) for x in {xs})))",
    "what consumes it": "y = functools.reduce(lambda a, b: 1 // (a - 3675), map(f, {xs}), 0)",
    "no pairs": "y = dict(map(f, {xs}))",
    "one that stops": "y = list(map(lambda x: f(x) if x < 8 else next(iter([])), {xs}))",
    "one that stops a generator": "y = list(f(x) if x < 8 else next(iter([])) for x in {xs})",
}


def raises_as_the_plain_cell(source, where):
    ours, plain = both(source, where), run(plainly, source)
    assert frames(ours.error) == frames(plain.error) if plain.error else ours.error is None


@pytest.mark.parametrize("form", RAISING.values(), ids=RAISING)
@pytest.mark.parametrize("where", ["threads", "processes"])
def test_an_exception_comes_in_its_turn(form, where):
    raises_as_the_plain_cell(F + form.format(xs="range(1, 12)"), where)


@pytest.mark.plain_first
@pytest.mark.parametrize("form", RAISING.values(), ids=RAISING)
@pytest.mark.parametrize("items", [1, 4, 99])
def test_so_it_does_where_the_loop_began_as_the_plain_one(form, items):
    with leaving_after(items):
        raises_as_the_plain_cell(F + form.format(xs="range(1, 12)"), "threads")


EFFECTS = {
    "prints": ("def g(x):\n    print(x)\n    return x\ny = [*map(g, [1, 2])]", "prints"),
    "appends": (
        "seen = []\ndef g(x):\n    seen.append(x)\n    return x\ny = next(map(g, [1, 2]))",
        "seen",
    ),
    "the function between the items": (
        "seen = []\ndef g(a, b):\n    seen.append(b)\n    return a + b\n"
        "y = functools.reduce(g, map(f, [1, 2, 3]))",
        "seen",
    ),
    "a generator between the items": (
        "def gen():\n    for i in 'abc':\n        print(i)\n        yield i\n"
        "it = gen()\ny = list(zip(it, map(f, [1, 2])))",
        "no for loop",
    ),
    "what is evaluated between": (
        "y = sum((f(x) for x in [1, 2]), f(3))",
        "`f(3)` is evaluated between the items",
    ),
    "one that stops a generator": (
        "def ones():\n    yield 3\n    yield 4\ny = next(x for x in ones() if f(x) > 1)",
        "may stop before it has taken every item",
    ),
}


@pytest.mark.parametrize(("source", "said"), EFFECTS.values(), ids=EFFECTS)
def test_what_has_effects_stays_in_order(source, said):
    left = both(F + source)
    assert kind(left) == "serial"
    assert said in reason(left)


ENDLESS = {
    "next": "y = next(x for x in itertools.count() if f(x) > 90000)",
    "any": "y = any(f(x) > 90000 for x in itertools.count())",
    "all": "y = all(f(x) < 90000 for x in itertools.count())",
    "in": "y = 122500 in map(f, itertools.count())",
    "zip": "y = any(f(a) > 90000 for a, b in zip(itertools.count(), itertools.cycle('ab')))",
    "break": "for x in itertools.count():\n    y = f(x)\n    if y > 90000: break",
    "islice": "y = [f(x) for x in itertools.islice(itertools.count(), 9)]",
}


@pytest.mark.parametrize("source", ENDLESS.values(), ids=ENDLESS)
@pytest.mark.parametrize("where", ["threads", "processes"])
def test_a_source_without_end_is_left_where_the_consumer_stops(source, where):
    left = both(F + source, where)
    assert kind(left) == "parallel", reason(left)


def test_workers_stop_where_the_consumer_is_expected_to():
    left = both(F + "y = any(f(x) == 2450 for x in range(50_000))", "threads")
    assert left.report.stats.done < 25_000


def test_a_consumer_that_goes_on_after_all_gets_the_rest():
    """An object is taken for true, and this one isn't."""
    source = (
        "class Odd:\n"
        "    def __init__(self, x): self.x = x\n"
        "    def __bool__(self): return self.x == 7\n"
        "made = [Odd(x) for x in range(9)]\n"
        "y = any(Odd(f(x) and x) for x in range(300))\n"
        "z = any(Odd(f(x) and 8) for x in range(300))"
    )
    left = both(F + source, "threads")
    assert (left.names["y"], left.names["z"]) == (True, False)
    assert left.report.steps[-1].kind == "parallel"
    assert left.report.steps[-1].stats.done < 300


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("sum(x for x in xs)", ("`sum` over a generator", "")),
        ("next(map(f, xs), 3)", ("`next` over a map", "first")),
        ("any(map(bool, map(f, xs)))", ("`any` over a map", "some")),
        ("list(zip(map(f, xs), xs))", ("`list` over a map", "some")),
        ("3 in map(f, xs)", ("`in` over a map", "equal")),
        ("max(xs, key=f)", ("`max` with a key", "")),
        ("max(xs, key=len)", None),
        ("max(xs, key=lambda x: (len(x), x[0]))", None),
        ("sorted(xs, key=lambda x: f(x))", ("`sorted` with a key", "")),
        ("max(1, 2, key=f)", None),
        ("f(*xs)", None),
        ("list(zip(it, map(f, xs)))", None),
        ("list(xs)", None),
    ],
)
def test_what_is_consumed(text, found):
    def f(x):
        return x

    names = {"f": f, "xs": [1], "it": iter([])}
    one = consumed(ast.parse(text, mode="eval").body, names)
    assert (one and (one.what, one.ends)) == found


@pytest.mark.parametrize(
    ("text", "promptly"),
    [
        ("itertools.count(1, step=n)", True),
        ("itertools.product(xs, repeat=3)", True),
        ("zip(xs, itertools.cycle([1, -1]))", True),
        ("xs", True),
        ("it", False),
        ("zip(xs, it)", False),
        ("map(len, xs)", False),
        ("itertools.takewhile(len, xs)", False),
        ("xs[0]", False),
    ],
)
def test_sources_that_give_items_promptly(text, promptly):
    names = {"itertools": itertools, "xs": [[1]], "it": iter([]), "n": 2}
    assert gives_promptly(ast.parse(text, mode="eval").body, names) is promptly


class Loud:
    def __eq__(self, other):
        raise AssertionError("code of the user's was asked")

    __hash__ = None
    __bool__ = __eq__


@pytest.mark.parametrize(
    ("value", "ends", "wanted", "stops"),
    [
        (0, "true", None, False),
        ("a", "true", None, True),
        (Loud(), "true", None, True),
        (0, "false", None, True),
        (Loud(), "false", None, False),
        (None, "first", None, True),
        (3, "equal", 3.0, True),
        (3, "equal", Loud(), False),
        (Loud(), "equal", 3, False),
    ],
)
def test_values_that_a_consumer_stops_at(value, ends, wanted, stops):
    assert at_value(value, ends, wanted) is stops
