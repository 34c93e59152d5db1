"""The order of sets of numbers: a cell leaves that of the plain cell, wherever its loops run.

Covers `nbexec.cell.iteration.set_order` and `nbexec.cell.iteration.set_table`.
"""

from __future__ import annotations

import pickle
import textwrap

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nbexec.cell.iteration.set_order import disordered
from nbexec.cell.iteration.set_table import ordered, rebuilds

from ..both_ways import both, kind, runs_in_parallel

numbers = st.integers(0, 200)
steps = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["add", "discard"]), numbers),
        st.tuples(st.just("pop"), st.none()),
        st.tuples(
            st.sampled_from(["update", "difference_update", "intersection_update"]),
            st.one_of(st.lists(numbers, max_size=30), st.frozensets(numbers, max_size=30)),
        ),
    ),
    max_size=30,
)


def changed(into: set[int], how: list) -> set[int]:
    for method, argument in how:
        if method == "pop":
            if into:
                into.pop()
        else:
            getattr(into, method)(argument)
    return into


@settings(deadline=None, max_examples=300)
@given(steps, steps)
def test_a_set_that_rebuilds_stays_like_its_copy_whatever_comes(first, then):
    one = changed(set(), first)
    if not rebuilds(one):
        return
    copy = pickle.loads(pickle.dumps(one))
    assert list(copy) == list(one)
    assert list(changed(copy, then)) == list(changed(one, then))


@settings(deadline=None, max_examples=300)
@given(steps, steps, st.booleans())
def test_an_update_from_ordered_items_leaves_the_order_of_an_update_from_the_set(first, then, new):
    into, one = set() if new else changed(set(), first), changed(set(), then)
    twin = pickle.loads(pickle.dumps(into))
    into = pickle.loads(pickle.dumps(into))
    items = ordered(one)
    if items is None:
        return
    into.update(one)
    twin.update(items)
    assert list(twin) == list(into)


class Held:
    def __init__(self, held):
        self.held = held


def wrapped(inner):
    return st.one_of(
        st.lists(inner, max_size=3),
        st.tuples(inner, inner),
        st.dictionaries(st.integers(0, 9), inner, max_size=3),
        st.builds(Held, inner),
        st.builds(lambda one: [[0] * 300, one], inner),  # no longer small
    )


made = st.builds(lambda how: changed(set(), how), steps)
things = st.recursive(st.one_of(made, numbers, st.text(max_size=2)), wrapped, max_leaves=6)


def sets_in(thing):
    if isinstance(thing, set):
        yield thing
    elif isinstance(thing, Held):
        yield from sets_in(thing.held)
    elif isinstance(thing, list | tuple | dict):
        for one in thing.values() if isinstance(thing, dict) else thing:
            yield from sets_in(one)


@settings(deadline=None, max_examples=200)
@given(things)
def test_every_set_counts_wherever_it_is(thing):
    assert disordered(thing) is not all(map(rebuilds, sets_in(thing)))


def test_what_holds_a_set_is_found_wherever_it_is():
    one = set(range(100))
    for number in range(95):
        one.discard(number)

    class Tags(set):
        pass

    of_class = Tags(range(100))
    of_class -= set(range(95))
    for thing in (one, [one], {"a": (1, one)}, lambda: one, of_class, [of_class]):
        assert disordered(thing), thing
    assert not disordered([{1, 2}, {"x"}, b"\x8f\x94", 0x948F, frozenset(), set()])


# ---------------------------------------------------------------- what a cell leaves

MADE = """
def made(n):
    s = set(range(100))
    for i in range(95):
        s.discard(i)
    s.update([200, 136, 72, n])
    return s
"""
CELLS = {
    "given by a function": "out = [made(n) for n in range(4)]",
    "deep inside": "out = [{'a': [(n, made(n))]} for n in range(4)]",
    "in an attribute": """
class Box: pass
def box(n):
    b = Box()
    b.held = made(n)
    return b
out = [box(n) for n in range(4)]
out = [list(b.held) for b in out]
""",
    "of a class of the user's": """
class Tags(set): pass
def tags(n):
    s = Tags(range(100))
    for i in range(95): s.discard(i)
    s.update([200, 136, 72, n])
    return s
out = [tags(n) for n in range(4)]
out = [list(one) for one in out]
""",
    "in an array of objects": """
import numpy as np
def array(n):
    a = np.empty(1, object)
    a[0] = made(n)
    return a
out = [array(n) for n in range(4)]
out = [list(a[0]) for a in out]
""",
    "in a data frame": """
import pandas as pd
out = [pd.DataFrame({"a": [made(n)]}) for n in range(3)]
out = [list(frame.a[0]) for frame in out]
""",
    "left by the last round": "for n in range(4):\n    s = made(n)\nout = [s]",
    "of statements beside one another": "p = made(1)\nq = made(2)\nout = [p, q]",
    "in an exception": """
def fail(n):
    raise ValueError(made(n))
try:
    [fail(n) for n in range(4)]
except ValueError as error:
    out = [list(error.args[0])]
""",
    "among the items": "sets = [made(1), made(2), made(3)]\nout = [list(s) for s in sets]",
    "among what a body reads": "held = {'s': [made(1)]}\nout = [[n + i for i in held['s'][0]] for n in range(4)]",
    "among what a function reads": """
held = made(1)
def over(n): return [n + i for i in held]
out = [over(n) for n in range(4)]
""",
    "popped": "out = [made(n) for n in range(4)]\nout = [[s.pop(), s.pop()] for s in out]",
    "added to later": """
def fewer(n):
    s = set(range(10))
    s.discard(3)
    return s
out = [fewer(n) for n in range(4)]
for s in out:
    s.update([*range(100, 110)])
""",
    "pop begins further on": """
def popped(n):
    s = {1, 2, 3, 40, 80}
    s.pop()
    s.pop()
    s.add(n)
    return s
out = [popped(n) for n in range(4)]
for s in out:
    s.add(s.pop())
""",
    "largest, with ties": "out = [max(made(n), key=lambda i: i % 2) for n in range(4)]",
    "a comprehension in a comprehension": "out = [list({a * b % 97 for a in xs for b in xs})]",
    "keys": "out = [dict.fromkeys(range(50)).keys() - made(n) for n in range(4)]",
    "updated from sets": "s = set(xs)\nfor a in xs:\n    s.update({a * b % 97 for b in xs}, [a])\nout = [s]",
    "updated from dicts": "s = set(xs)\nfor a in xs:\n    s.update({a * b % 97: 1 for b in xs})\nout = [s]",
    "merged": "s = set()\nfor a in xs:\n    s |= {a * b % 97 for b in xs}\nout = [s]",
    "merged, and another time": "s = set()\nfor a in xs:\n    s ^= {a * b % 97 for b in xs}\nout = [s]",
    "merged, of which some were removed": "s = set()\nfor a in range(4):\n    s |= made(a)\nout = [s]",
    "kept, as far as in both": "s = {*range(99)}\nfor a in xs:\n    s &= {a * b % 99 for b in xs} | {*range(50)}\nout = [s]",
    "in a Counter": "import collections\nc = collections.Counter()\nfor a in xs:\n    c.update(made(a))\nout = [c]",
}
XS = "xs = [13 * n % 61 for n in range(25)]\n"
SEEN = "\norder = [list(one) if isinstance(one, (set, frozenset)) else one for one in out]\norder = str(order)"


@pytest.mark.one_in(2)
@pytest.mark.parametrize("backend", ["threads", "processes"])
@pytest.mark.parametrize("what", CELLS)
def test_sets_have_the_order_of_the_plain_cell(what, backend):
    both(MADE + XS + CELLS[what] + SEEN, backend, workers=2)


def test_sets_that_keep_their_order_run_in_processes():
    for cell in (
        "out = [{n, n + 1} for n in range(9)]",
        "s = {1, 2}\nout = [n in s for n in range(9)]",
    ):
        runs_in_parallel(cell, "processes")
    runs_in_parallel(XS + "s = set()\nfor a in xs:\n    s |= {a * b % 97 for b in xs}", "threads")


# ---------------------------------------------------------------- displays that are constants

DISPLAYS = ["72, 8, 96, 34, 102, 108", "8, 16, 0, 24, 3, 11", "-1, -2, 2 * 3, 1.5, (1, 2), 5, 19"]
LOOPS = {
    "a loop": "out = []\nfor n in {%}:\n    out.append(n)",
    "a comprehension": "out = [n for n in {%}]",
    "a dict comprehension": "out = list({n: 1 for n in {%}})",
    "a consumer": "out = tuple(n for n in {%})",
    "a joined text": "out = ','.join(str(n) for n in {%})",
    "an argument": "out = list(map(str, {%}))",
    "inside a comprehension": "out = [[n for n in {%}] for _ in range(3)]",
    "in a function": "def f(x): return [n for n in {%}]\nout = [f(x) for x in range(3)]",
    "a name": "s = {%}\nout = [n for n in s]",
    "with a name in it": "k = 7\nout = [n for n in {k, %}]",
}


@pytest.mark.parametrize("backend", ["threads", "processes"])
@pytest.mark.parametrize("what", LOOPS)
def test_a_display_has_the_order_that_it_has_where_it_stands(what, backend):
    for display in DISPLAYS:
        both(LOOPS[what].replace("%", display), backend, workers=2)


def test_a_loop_over_a_display_runs_in_parallel():
    left = both(textwrap.dedent("out = [str(n) for n in {72, 8, 96, 34}]"), "threads")
    assert kind(left) == "parallel"


def test_a_set_of_two_numbers_of_one_slot_is_none_that_is_made_again_alike():
    one = {36}
    one.add(108)
    assert list(set(list(one))) == list(one)  # noqa: C414
    assert not rebuilds(one)
