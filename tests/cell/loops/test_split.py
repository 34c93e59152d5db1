"""`find_split`: which part of a loop's body depends on the item alone, by the names that it uses."""

from __future__ import annotations

import ast
from typing import Any

import pytest

from nbexec.cell.loops.find import find_loop
from nbexec.cell.loops.split import Split, find_split, in_order

NAMES = "def f(x): return x\ndef g(s, r): return s\ns = 0\nys = []\nseen = set()\n"


def split(text: str, kept: tuple[str, ...] = ()) -> Split | None:
    names: dict[str, Any] = {}
    exec(NAMES, names)
    loop = find_loop(ast.parse(text).body[0], names)
    parts = [one for one in ast.walk(loop.node) if isinstance(one, ast.stmt | ast.Call)]
    return find_split(loop, names, [one for one in parts if ast.unparse(one) in kept])


MOVED = {
    "for x in xs: s = g(s, f(x))": ["f(x)"],
    "for x in xs:\n    r = f(x)\n    s = g(s, r)": ["r = f(x)"],
    "for x in xs:\n    y = x + 1\n    s = g(s, f(y))": ["y = x + 1", "f(y)"],
    "for x in xs:\n    y = x + 1\n    s = g(s, f(x))": ["f(x)"],
    "for x in xs:\n    if x not in seen:\n        seen.add(x)\n        s = f(x)": ["f(x)"],
    "for x in xs:\n    s = g(s, 1)\n    ys.append((s, f(f(x))))": ["f(f(x))"],
    "for x in xs:\n    for y in f(x): s = g(s, f(y))": ["f(x)"],
    "for x in xs: s = s + sum(f(y) for y in f(x))": ["f(x)"],
    "for x, y in xs: s = g(s, f(x) + f(y))": ["f(x)", "f(y)"],
    "for x in xs:\n    r = []\n    r.append(f(x))\n    s = g(s, r)": ["r = []", "r.append(f(x))"],
}


@pytest.mark.parametrize("text", MOVED)
def test_what_depends_on_the_item_alone_is_moved(text: str) -> None:
    found = split(text)
    assert found is not None
    assert [ast.unparse(one) for one in found.moved] == MOVED[text]


NOT_MOVED = {
    "of what goes on": "for x in xs: s = g(s, x)",
    "cheap": "for x in xs: s = g(s, len(x))",
    "not of the item": "for x in xs: s = g(s, f(0))",
    "of what the rest binds": "for x in xs:\n    s = g(s, x)\n    t = s\n    s = f(t)",
    "the target is bound anew": "for x in xs:\n    x = f(x)\n    s = g(s, x)",
    "in a loop inside": "for x in xs:\n    while s < 3: s = g(s, f(x))",
    "later": "for x in xs: s = g(s, lambda: f(x))",
    "bound again": "for x in xs:\n    r = len(x)\n    s = g(s, r)\n    r = s",
}


@pytest.mark.parametrize("text", NOT_MOVED.values(), ids=NOT_MOVED)
def test_nothing_else_is(text: str) -> None:
    assert split(text) is None


def test_what_was_refused_is_left_in_its_place() -> None:
    text = "for x in xs:\n    r = f(x)\n    s = g(s, r + f(x + 1))"
    found = split(text, kept=("r = f(x)",))
    assert found is not None
    assert [ast.unparse(one) for one in found.moved] == ["f(x)", "f(x + 1)"]
    assert split(text, kept=("r = f(x)", "f(x)", "f(x + 1)")) is None


def test_the_loop_takes_values_where_there_are_some() -> None:
    found = split("for x in xs:\n    r = f(x)\n    s = g(s, r, f(x + 1))\nelse: s = 1")
    assert found is not None
    text = ast.unparse(ast.fix_missing_locations(in_order(found)))
    ahead = "_nbexec_loop_ahead"
    assert text.splitlines() == [
        "for x in xs:",
        f"    if {ahead}.has(0):",
        f"        r, = {ahead}.names(0)",
        "    else:",
        "        r = f(x)",
        f"        {ahead}.ended(0, None)",
        f"    s = g(s, r, {ahead}.value(1) if {ahead}.has(1) else {ahead}.ended(1, f(x + 1)))",
    ]
