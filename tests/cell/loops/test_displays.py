"""A display of constants that a loop goes through has the order of the plain loop's constant."""

from __future__ import annotations

import ast
import random

import pytest

from nbexec.cell.loops.displays import as_in_loop, constant, sets_of

OTHERS = ["-1, -2, 2 * 3, 1.5, (1, 2), 5, 20 - 1", "'a' 'b', 'c', b'd', None, 3", "True, 1.5, 2j"]


def displays() -> list[str]:
    draw = random.Random(1)
    sizes = [draw.randrange(1, 20) for _ in range(200)]
    return OTHERS + [", ".join(map(str, draw.sample(range(300), size))) for size in sizes]


def node(display: str) -> ast.expr:
    return ast.parse(f"{{{display}}}", mode="eval").body


def test_it_has_the_order_of_a_loop():
    for display in displays():
        eval(f"{{{display}}}")  # texts that are known already are put into one more set
        plain = eval(f"[n for n in {{{display}}}]")
        assert list(constant(node(display)) or ()) == plain


def test_as_an_argument_too():
    for display in displays():
        assert as_argument(as_in_loop(node(display))) == eval(f"[n for n in {{{display}}}]")


def as_argument(given: ast.expr) -> list[object]:
    call = ast.Call(ast.Name("list", ast.Load()), [given], [])
    tree = ast.fix_missing_locations(ast.Expression(call))
    return eval(compile(tree, "<test>", "eval"))


def test_a_set_that_is_made_again_would_have_another_order():
    texts = (f"t{at}" for at in range(10_000))  # of these some meet 3 in a set of eight places
    found = [one for one in texts if [*frozenset([*frozenset([one, 3])])] != [*frozenset([one, 3])]]
    for display in [f"{one!r}, 3" for one in found[:20]]:
        plain = [eval(f"[n for n in {{{display}}}]") for _ in range(2)][-1]
        assert as_argument(as_in_loop(node(display))) == plain


def test_of_a_function_it_has_the_order_of_its_code():
    for order in ([3, 11, 19], [19, 11, 3], [11, 3, 19]):  # they meet in a set of eight places
        made = compile("[n for n in {3, 11, 19}]", "<test>", "eval")
        made = made.replace(
            co_consts=(*made.co_consts, made.replace(co_consts=(frozenset(order),)))
        )
        known = [*sets_of(made)][1:]
        assert as_argument(as_in_loop(node("3, 11, 19"), known)) == [*known[0]]
        assert as_argument(as_in_loop(node("3, 11, True"), known)) != [*known[0]]


@pytest.mark.parametrize("text", ["{1, x}", "{f(1)}", "[1, 2]", "{*xs}", "{(1, x)}", "{1: 2}"])
def test_other_expressions_are_left_as_they_are(text):
    other = ast.parse(text, mode="eval").body
    assert constant(other) is None
    assert as_in_loop(other) is other
