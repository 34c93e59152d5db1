"""``f(a), f(b)``: the calls of one statement that are evaluated one right after the other."""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterable
from typing import Any

from .evaluated_first import awaits, evaluated, there

PART = "_nbexec_part_"


def calls_in_row(
    stmt: ast.stmt, namespace: dict[str, Any], costly: Callable[[ast.Call], bool]
) -> list[ast.Call]:
    """Give the costly calls that a statement makes before it does anything else, in their order.

    Between them stand names and constants alone: what is done with the results comes later.

    Examples
    --------
    >>> names = {"f": len, "a": 1, "b": 2}
    >>> [[ast.unparse(one) for one in calls_in_row(ast.parse(text).body[0], names, bool)]
    ...     for text in ("x, y = f(a), f(b)", "f(a) + f(b) + f(a)", "f(a) + 1 + f(b)")]
    [['f(a)', 'f(b)'], ['f(a)', 'f(b)'], ['f(a)']]
    """
    expression = evaluated(stmt, namespace)
    if expression is None or awaits(stmt):
        return []
    found: list[ast.Call] = []
    _Row(namespace, costly, found).take(expression)
    return found


class _Row:
    """Collects the calls of an expression, up to where something else is done."""

    def __init__(
        self, namespace: dict[str, Any], costly: Callable[[ast.Call], bool], found: list[ast.Call]
    ) -> None:
        self._namespace = namespace
        self._costly = costly
        self._found = found

    def take(self, node: ast.expr) -> bool:
        """Take in the calls of an expression; give whether nothing but them is evaluated."""
        if there(node, self._namespace):
            return True
        match node:
            case ast.Tuple(parts) | ast.List(parts):
                return self._all(parts)
            case ast.Dict(keys, values):
                return all(isinstance(one, ast.Constant) for one in keys) and self._all(values)
            case ast.BinOp(left, _, right) | ast.Compare(left, _, [right]):
                self._all([left, right])
            case ast.Call():
                return self._call(node)
            case ast.Attribute(value) | ast.UnaryOp(_, value) | ast.BoolOp(_, [value, *_]):
                self.take(value)
            case ast.Subscript(value, key):
                self._all([value, key])
            case ast.IfExp(test):
                self.take(test)
        return False

    def _all(self, parts: Iterable[ast.expr]) -> bool:
        return all(map(self.take, parts))

    def _call(self, node: ast.Call) -> bool:
        given = [*node.args, *(one.value for one in node.keywords)]
        before = len(self._found)
        if not (there(node.func, self._namespace) or self.take(node.func)):
            return False
        self._all(given)
        inside = len(self._found) - before
        if inside > 1 or not self._costly(node):
            return False  # it is called once those are there
        self._found[before:] = [node]
        return True


def apart(stmt: ast.stmt, calls: list[ast.Call]) -> list[ast.stmt]:
    """Give a statement for each call, and the statement itself with their values.

    Examples
    --------
    >>> stmt = ast.parse("x, y = f(a), f(b)").body[0]
    >>> print(*map(ast.unparse, apart(stmt, stmt.value.elts)), sep="; ")
    _nbexec_part_0 = f(a); _nbexec_part_1 = f(b); x, y = (_nbexec_part_0, _nbexec_part_1)
    """
    memo: dict[int, Any] = {}
    made: list[ast.stmt] = []
    for number, call in enumerate(calls):
        name = ast.copy_location(ast.Name(f"{PART}{number}", ast.Load()), call)
        memo[id(call)] = name
        target = ast.copy_location(ast.Name(name.id, ast.Store()), call)
        made.append(ast.copy_location(ast.Assign([target], call), call))
    return [*made, copy.deepcopy(stmt, memo)]
