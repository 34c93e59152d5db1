"""Set displays of constants: a loop over ``{8, 0, 16}`` goes through a constant, a frozenset.

Alone, or as an argument, the display is a set, which may have another order.
"""

from __future__ import annotations

import ast
import dis
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


def as_in_loop(node: ast.expr) -> ast.expr:
    """Give an expression that has, as an argument, the order that `node` has in a loop.

    Compiling it makes the frozenset anew, as compiling the loop does: so its items are put into
    it in the order of the display, not in that of `constant`.
    """
    if constant(node) is None:
        return node
    assert isinstance(node, ast.Set)
    parts = [ast.Expression(one) for one in node.elts]
    items = [eval(compile(one, "<cell>", "eval", dont_inherit=True)) for one in parts]
    return ast.copy_location(ast.Constant(frozenset(items)), node)  # type: ignore[arg-type]
