"""Set displays of constants: a loop over ``{8, 0, 16}`` goes through a constant, a frozenset.

Alone, or as an argument, the display is a set, which may have another order.
"""

from __future__ import annotations

import ast
import dis
import types
from collections.abc import Iterable, Iterator
from typing import Any


def constant(node: ast.expr) -> frozenset[Any] | None:
    """Give what the compiler makes of a loop's iterable, if that is a display of constants.

    Examples
    --------
    >>> constant(ast.parse("{8, 0, 16}", mode="eval").body) == {8, 0, 16}
    True
    >>> constant(ast.parse("{8, x}", mode="eval").body)
    """
    if not isinstance(node, ast.Set):
        return None
    name = ast.copy_location(ast.Name("_", ast.Store()), node)
    over = ast.copy_location(ast.For(name, node, [ast.Pass()], []), node)
    module = ast.fix_missing_locations(ast.Module([over], type_ignores=[]))
    loaded: Any = None
    for one in dis.get_instructions(compile(module, "<cell>", "exec", dont_inherit=True)):
        if one.opname == "GET_ITER":
            break
        loaded = one.argval if one.opname == "LOAD_CONST" else None
    return loaded if type(loaded) is frozenset else None


def as_in_loop(node: ast.expr, known: Iterable[frozenset[Any]] = ()) -> ast.expr:
    """Give an expression that has, as an argument, the order that `node` has in a loop.

    It is a tuple: a set in its place could have another order once more, since compiling puts
    its items into a new one.

    Parameters
    ----------
    node : ast.expr
        The loop's iterable.
    known : iterable of frozenset
        Constants of the code that the loop is of: they have the order of that very code.
    """
    found = constant(node)
    if found is None:
        return node
    same = [one for one in known if _items(one) == _items(found)]
    items: Any = tuple(same[0] if same else found)
    return ast.copy_location(ast.Constant(items), node)


def sets_of(code: types.CodeType) -> Iterator[frozenset[Any]]:
    """Give the sets among the constants of code, and of the code in it."""
    for one in code.co_consts:
        if type(one) is frozenset:
            yield one
        elif isinstance(one, types.CodeType):
            yield from sets_of(one)


def _items(found: frozenset[Any]) -> list[str]:
    """Tell sets apart whose items are equal, but not of one type."""
    return sorted(map(repr, found))
