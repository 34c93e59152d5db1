"""A display of constants that a loop goes through has the order of the plain loop's constant."""

from __future__ import annotations

import ast
import random

import pytest

from nbexec.cell.loops.displays import as_in_loop, constant

OTHERS = ["-1, -2, 2 * 3, 1.5, (1, 2), 5, 20 - 1", "'a' 'b', 'c', b'd', None, 3", "True, 1.5, 2j"]


def displays() -> list[str]:
    draw = random.Random(1)
    sizes = [draw.randrange(1, 20) for _ in range(200)]
    return OTHERS + [", ".join(map(str, draw.sample(range(300), size))) for size in sizes]


def node(display: str) -> ast.expr:
    return ast.parse(f"{{{display}}}", mode="eval").body


def test_it_has_the_order_of_a_loop():
    for display in displays():
        plain = eval(f"[n for n in {{{display}}}]")
        assert list(constant(node(display)) or ()) == plain


def test_as_an_argument_too():
    for display in displays():
        call = ast.Call(ast.Name("list", ast.Load()), [as_in_loop(node(display))], [])
        tree = ast.fix_missing_locations(ast.Expression(call))
        assert eval(compile(tree, "<test>", "eval")) == eval(f"[n for n in {{{display}}}]")


@pytest.mark.parametrize("text", ["{1, x}", "{f(1)}", "[1, 2]", "{*xs}", "{(1, x)}", "{1: 2}"])
def test_other_expressions_are_left_as_they_are(text):
    other = ast.parse(text, mode="eval").body
    assert constant(other) is None
    assert as_in_loop(other) is other
