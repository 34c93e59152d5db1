"""A slow ``key=``: its values come from workers, the items are the kernel's own.

Covers `nbexec.cell.execution.replayed_key`.
"""

from __future__ import annotations

import collections

import pytest

from nbexec.cell.execution.replayed_key import ReplayedKey, for_both

from ..both_ways import both, frames, kind, leaving_after, plainly, reason, run

F = """
import heapq, itertools
def f(x):
    return sum(i * x for i in range(50)) % 7
class Thing:
    def __init__(self, n): self.n = n
    def __repr__(self): return f"Thing({self.n})"
class Row(list):
    pass
"""
FORMS = {
    "max": "y = max({xs}, key=f, default=None)",
    "min": "y = min({xs}, key=lambda x: f(x) // 2, default=-1)",
    "sorted": "y = sorted({xs}, key=f)",
    "sorted backwards": "down = True\ny = sorted({xs}, key=f, reverse=down)",
    "nlargest": "y = heapq.nlargest(2, {xs}, key=f)",
    "one of nlargest": "y = heapq.nlargest(1, {xs}, key=f)",
    "none of nlargest": "y = heapq.nlargest(0, {xs}, key=f)",
    "more than there are": "n = 99\ny = heapq.nsmallest(n, {xs}, key=f)",
    "nsmallest of an iterator": "y = heapq.nsmallest(3, iter({xs}), key=f)",
    "of an iterator": "y = max(iter({xs}), key=f, default=None)",
    "of a dict": "y = sorted(dict.fromkeys({xs}, 1), key=f)",
    "of its items": "y = max({{x: str(x) for x in {xs}}}.items(), key=lambda p: f(p[0]), default=0)",
    "sort": "xs = [*{xs}]\nxs.sort(key=f)",
    "sort backwards": "xs = [*{xs}]\nxs.sort(reverse=True, key=lambda x: (f(x), x))",
    "a part of an expression": "y = [1, *sorted({xs}, key=f)][-1]",
}
ITEMS = {"fine": "[3, 1, 4, 1, 5, 9, 2, 6]", "empty": "[]", "one": "[2]", "many": "range(40)"}


@pytest.mark.one_in(3)
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("items", ITEMS.values(), ids=ITEMS)
@pytest.mark.parametrize("where", ["threads", "processes"])
def test_on_workers(form, items, where):
    left = both(form.format(xs=items), where, earlier=F)
    assert kind(left) == "parallel", reason(left)


@pytest.mark.plain_first
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("items", [1, 3])
def test_begun_as_the_plain_one(form, items):
    with leaving_after(items):
        both(form.format(xs="range(1, 12)"), "threads", earlier=F)


IDENTITY = {
    "max": "y = max(xs, key=lambda x: f(x.n))\nat = [x is y for x in xs]",
    "sorted": "y = sorted(xs, key=lambda x: f(x.n))\nat = [xs.index(x) for x in y]",
    "nlargest": "y = heapq.nlargest(3, xs, key=lambda x: f(x.n))\nat = [xs.index(x) for x in y]",
    "sort": "before = [*xs]\nsame = xs\nxs.sort(key=lambda x: f(x.n))\nat = [before.index(x) for x in xs]",
}


@pytest.mark.parametrize("form", IDENTITY.values(), ids=IDENTITY)
@pytest.mark.parametrize("where", ["threads", "processes"])
def test_the_items_are_the_kernels_own(form, where):
    left = both(f"{F}xs = [Thing(n) for n in (5, 12, 3, 19, 8)]\n{form}", where)
    assert any(step.kind == "parallel" and "key" in step.what for step in left.report.steps)


def test_each_key_is_computed_once_in_order():
    seen = []
    replayed = ReplayedKey(lambda x: seen.append(x) or -x, [0] * 3, lambda: iter([-9, 1]))
    assert max([1, 2, 3, 4, 5], key=replayed.key) == 5
    assert seen == [1, 2, 3]


def test_the_key_itself_does_what_workers_could_not():
    replayed = ReplayedKey(abs, [0], lambda: iter([5]))
    assert [replayed.key(x) for x in (-1, -2, -3)] == [1, 5, 3]


RAISING = {
    "the key": "y = max({xs}, key=lambda x: f(1) // (x - 8))",
    "the key of sorted": "y = sorted({xs}, key=lambda x: f(1) // (x - 8))",
    "the key of sort": "xs = [*{xs}]\nxs.sort(key=lambda x: f(1) // (x - 8))",
    "what can't be compared": "y = max({xs}, key=lambda x: f(x) if x != 8 else 'a')",
    "nor sorted": "xs = [*{xs}][::-1]\nxs.sort(key=lambda x: f(x) if x != 8 else None)",
    "nor be in a heap": "y = heapq.nlargest(3, {xs}, key=lambda x: f(x) if x != 8 else [])",
    "before a key that raises": (
        "y = min({xs}, key=lambda x: 'a' if x == 5 else f(1) // (x - 8))"
    ),
    "the end of another iterator": (
        "y = max({xs}, key=lambda x: f(x) if x < 8 else next(iter([])))"
    ),
    "the same of sort": (
        "xs = [*{xs}]\nxs.sort(key=lambda x: f(x) if x < 8 else next(iter([])))"
    ),
    "the items": (
        "def gen():\n    yield from range(5)\n    1 / 0\ny = max(gen(), key=f)"
    ),
    "a key that changes the list that is sorted": (
        "xs = [3, 1, 2]\ndef g(x):\n    xs.append(1)\n    return x\nxs.sort(key=g)"
    ),
    "no items": "y = max(5, key=f)",
    "nothing to choose from": "y = max([], key=f)",
    "no number": "y = heapq.nlargest('2', {xs}, key=f)",
}  # fmt: skip


def raises_as_the_plain_cell(source, where):
    ours, plain = both(source, where), run(plainly, source)
    assert plain.error is not None
    assert frames(ours.error) == frames(plain.error)


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


SERIAL = {
    "a key that prints": (
        "def g(x):\n    print(x)\n    return x\ny = max([1, 2], key=g)",
        "prints",
    ),
    "one that changes the items": (
        "xs = [1, 2, 3]\ndef g(x):\n    if len(xs) < 9: xs.append(x + 1)\n    return x\n"
        "y = max(xs, key=g)",
        "xs",
    ),
    "one that draws": (
        "import random\nrandom.seed(1)\ndef g(x):\n    return random.random()\n"
        "y = sorted([1, 2, 3], key=g)",
        "random",
    ),
    "one that looks at the list that is sorted": (
        "xs = [3, 1, 2]\ndef g(x):\n    return -x * (1 + len(xs))\nxs.sort(key=g)",
        "which is empty while it is sorted",
    ),
    "one that looks at it another way": (
        "xs = [3, 1, 2]\nd = {'a': (xs,)}\ndef g(x):\n    return -x * (1 + len(d['a'][0]))\n"
        "xs.sort(key=g)",
        "which is empty while it is sorted",
    ),
    "items of the user's": (
        "class Own:\n    def __len__(self): return 3\n"
        "    def __iter__(self): return iter([1, 2, 3])\n"
        "y = heapq.nlargest(2, Own(), key=f)",
        "may give others a second time",
    ),
    "a generator, which is closed in time": (
        "def gen():\n    try: yield from (4, 2, 7)\n    finally: print('closed')\n"
        "try: max(gen(), key=lambda x: f(x) // (x - 2))\nexcept ZeroDivisionError: print('caught')\n"
        "y = max(gen(), key=f)\nprint('after')\nz = max(gen(), key=f)",
        "may give others a second time",
    ),
    "an iterator that others read": (
        "it = iter([4, 2, 7])\ny = max(it, key=f)",
        "an iterator",
    ),
}


@pytest.mark.parametrize(("source", "said"), SERIAL.values(), ids=SERIAL)
@pytest.mark.parametrize("where", ["threads", "processes"])
def test_what_stays_in_order(source, said, where):
    left = both(F + source, where)
    assert kind(left) == "serial"
    assert said in reason(left)


@pytest.mark.plain_first
@pytest.mark.parametrize(("source", "said"), SERIAL.values(), ids=SERIAL)
def test_it_does_so_where_it_began_as_the_plain_one(source, said):
    with leaving_after(1):
        left = both(F + source, "threads")
    assert kind(left) == "serial"


def test_a_key_of_little_is_left_alone():
    left = both("xs = [[2, 1], [1]]\ny = max(xs, key=len)\nz = sorted(xs, key=lambda r: r[0])")
    assert [step.kind for step in left.report.steps] == ["serial"] * 3


def test_items_for_both():
    assert for_both([1, 2], "builtins.max") == ([1, 2], [1, 2])
    assert for_both(range(10**9), "builtins.max") == (range(10**9),) * 2
    assert for_both(iter("ab"), "builtins.sorted") == (["a", "b"],) * 2
    assert for_both(map(abs, [-1]), "builtins.max") is None
    assert for_both(collections.UserList([1]), "heapq.nlargest") is None
    taken, counted = for_both(enumerate("ab"), "builtins.max")
    assert [next(taken), next(counted), next(counted), next(taken)] == [
        *((0, "a"), (0, "a"), (1, "b"), (1, "b"))
    ]
