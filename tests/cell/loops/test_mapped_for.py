"""A for loop over what a function gives runs as one over the function's items.

Covers `nbexec.cell.loops.mapped_for`.
"""

from __future__ import annotations

import pytest

from ..both_ways import both, frames, kind, leaving_after, plainly, reason, run

F = """
import itertools
def f(x):
    return sum(i * x for i in range(50))
out = []
d = {{}}
i = r = -1
"""
FORMS = {
    "map": "for r in map(f, {xs}): out.append(r)",
    "lambda": "for r in map(lambda x: f(x) + 1, {xs}): out.append(r)",
    "parts": "for a, *b in map(lambda x: [f(x), x, x], {xs}):\n    out.append((b, a))",
    "enumerate": "for i, r in enumerate(map(f, {xs})): out.append((i, r))",
    "enumerate from 1": "for i, r in enumerate(map(f, {xs}), 1):\n    d[i] = r",
    "one name": "for p in enumerate(map(f, {xs})): out.append(p)",
    "zip": "xs = {xs}\nfor x, r in zip(xs, map(f, xs)):\n    d[x] = r",
    "zip, the map first": "xs = {xs}\nfor r, x in zip(map(f, xs), xs): out.append((x, r))",
    "three": "xs = {xs}\nfor x, r, y in zip(xs, map(f, xs), 'abc'): out.append((x, r, y))",
    "a longer one": "xs = {xs}\nfor x, r in zip('ab', map(f, xs)): out.append((x, r))",
    "generator": "for r in (f(x) for x in {xs}): out.append(r)",
    "generator of pairs": "for a, b in ((f(x), x) for x in {xs}): out.append(b - a)",
    "sum": "t = 0\nfor r in map(f, {xs}): t += r",
    "print": "for i, r in enumerate(map(f, {xs})): print(i, r)",
    "else": "for r in map(f, {xs}): out.append(r)\nelse: ended = True",
    "continue": "for r in map(f, {xs}):\n    if r % 2: continue\n    out.append(r)",
    "break": "for r in map(f, {xs}):\n    out.append(r)\n    if r > 4000: break\nelse: ended = True",
    "break out of a zip": "xs = {xs}\nfor x, r in zip(xs, map(f, xs)):\n    if x == 4: break",
    "break out of a generator": "for r in (f(x) for x in {xs}):\n    if r > 4000: break",
    "without end": "for r in map(f, itertools.count()):\n    out.append(r)\n    if r > 9000: break",
    "nothing": "for r in map(f, {xs}): pass",
    "names": "for r in map(f, {xs}):\n    y = r + 1\n    if y > 4000: z = y",
}  # fmt: skip
ITEMS = {"fine": "[3, 1, 4, 1, 5]", "empty": "[]", "one": "[2]", "many": "range(1, 40)"}


@pytest.mark.one_in(3)
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("items", ITEMS.values(), ids=ITEMS)
@pytest.mark.parametrize("where", ["threads", "processes"])
def test_on_workers(form, items, where):
    left = both((F + form).format(xs=items), where)
    assert any(step.kind == "parallel" for step in left.report.steps), reason(left)
    assert not [name for name in left.names if name.startswith("_nbexec")]


@pytest.mark.plain_first
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("items", [1, 3, 99])
def test_begun_as_the_plain_one(form, items):
    with leaving_after(items):
        both((F + form).format(xs="range(1, 12)"), "threads")


RAISING = {
    "the function": "for r in map(lambda x: f(x) // (x - 8), {xs}): out.append(r)",
    "in a zip": "for i, r in zip({xs}, map(lambda x: f(x) // (x - 8), {xs})): out.append(r)",
    "in an enumerate": "for i, r in enumerate(map(lambda x: f(1) // (x - 8), {xs})): d[i] = r",
    "a generator": "for r in (f(x) // (x - 8) for x in {xs}): out.append(r)",
    "after the end of a zip": "for i, r in zip('ab', map(lambda x: 1 // (x - 8), {xs})): d[i] = r",
    "the body": "for i, r in enumerate(map(f, {xs})):\n    out.append(r)\n    y = 1 // (i - 5)",
    "no parts": "for a, b in map(f, {xs}): out.append(a)",
    "too few": "for a, b in enumerate(map(lambda x: f(x), {xs}), 'a'): out.append(a)",
    "no items": "for r in map(f, 5): out.append(r)",
    "an end": "for r in map(lambda x: f(x) if x < 8 else next(iter([])), {xs}): out.append(r)",
    "an end in a generator": "for r in (f(x) if x < 8 else next(iter([])) for x in {xs}): out.append(r)",
}  # fmt: skip


def raises_as_the_plain_cell(source, where):
    ours, plain = both(source, where), run(plainly, source)
    assert frames(ours.error) == frames(plain.error) if plain.error else ours.error is None


@pytest.mark.parametrize("form", RAISING.values(), ids=RAISING)
@pytest.mark.parametrize("where", ["threads", "processes"])
def test_an_exception_comes_in_its_turn(form, where):
    raises_as_the_plain_cell((F + form).format(xs="range(1, 12)"), where)


@pytest.mark.plain_first
@pytest.mark.parametrize("form", RAISING.values(), ids=RAISING)
@pytest.mark.parametrize("items", [1, 4, 99])
def test_so_it_does_where_the_loop_began_as_the_plain_one(form, items):
    with leaving_after(items):
        raises_as_the_plain_cell((F + form).format(xs="range(1, 12)"), "threads")


SERIAL = {
    "a function that prints": "def g(x):\n    print(x)\n    return x\nfor r in map(g, [1, 2]): print('body')",
    "one that reads what the body changes": "def g(x): return f(x) + len(out)\nfor r in map(g, [1, 2]): out.append(r)",
    "one that reads what the body binds": "k = 1\ndef g(x): return f(x) + k\nfor r in map(g, [1, 2]): k = r",
    "a value that is carried": "t = 1\nfor r in map(f, [1, 2, 3]): t = t * 0.5 + r",
    "a generator in a zip": "def gen():\n    for i in 'ab':\n        print(i)\n        yield i\nfor x, r in zip(gen(), map(f, [1, 2])): print(r)",
    "an iterator of others": "it = iter([1, 2, 3])\nfor r in map(f, it):\n    if r > 1000: break\nrest = list(it)",
}  # fmt: skip


@pytest.mark.parametrize("source", SERIAL.values(), ids=SERIAL)
@pytest.mark.parametrize("where", ["threads", "processes"])
def test_what_stays_in_order(source, where):
    left = both(F.format() + source, where)
    assert all(step.kind == "serial" for step in left.report.steps)


@pytest.mark.plain_first
@pytest.mark.parametrize("source", SERIAL.values(), ids=SERIAL)
def test_it_does_so_where_it_began_as_the_plain_one(source):
    with leaving_after(1):
        left = both(F.format() + source, "threads")
    assert all(step.kind == "serial" for step in left.report.steps)


@pytest.mark.plain_first
@pytest.mark.parametrize("name", ["map", "zip", "enumerate", "generator", "break"])
def test_in_a_function(name):
    body = "\n".join(f"    {line}" for line in FORMS[name].format(xs="range(1, 12)").splitlines())
    with leaving_after(2):
        both(f"{F.format()}def g():\n{body}\n    return r\ny = g()", "threads")


def test_a_library_function_gives_the_items():
    left = both("out = []\nfor x in map(str, [1, 2]): out.append(x * 2)")
    assert kind(left) == "parallel"
