"""``functools.reduce(lambda a, x: a + f(x), xs)``: a fold, of which `f(x)` is computed ahead.

The fold is looked at as the for loop ``for x in xs: a = a + f(x)``; what runs is the statement
as it stands, and `f` is told the value that workers have computed for the item.
"""

from __future__ import annotations

import ast
import copy
import types
from collections.abc import Mapping
from typing import Any

from ..analysis.source import function_node, is_own_code
from .evaluated_first import resolve, there

RESULT, ITEM = "_nbexec_loop_result", "_nbexec_loop_folded"  # a step forgets them at its end
_PARTS = (
    *(ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.Tuple, ast.Name),
    *(ast.Constant, ast.operator, ast.unaryop, ast.boolop, ast.cmpop, ast.expr_context, ast.Call),
)
_QUICK = {"max", "min", "abs", "int", "float", "str", "round", "len"}


def fold_of(call: ast.Call, namespace: Mapping[str, Any]) -> ast.Lambda | None:
    """Give the function of a fold, where it is an expression with a call for the item alone.

    Examples
    --------
    >>> def slow(x): return x * x
    >>> call = ast.parse("reduce(lambda a, x: a + slow(x), xs, 0)", mode="eval").body
    >>> ast.unparse(fold_of(call, {"slow": slow, "xs": [1, 2]}))
    'lambda a, x: a + slow(x)'
    >>> call = ast.parse("reduce(lambda a, x: slow(a + x), xs, 0)", mode="eval").body
    >>> fold_of(call, {"slow": slow, "xs": [1, 2]}) is None
    True
    """
    function = _as_lambda(call.args[0], namespace) if len(call.args) in (2, 3) else None
    if function is None or call.keywords or isinstance(call.args[1], ast.Starred):
        return None
    if not all(_is_empty(one) or there(one, namespace) for one in call.args[2:]):
        return None
    names = [one.arg for one in function.args.args]
    plain = len(names) == 2 and len(set(names)) == 2 and not function.args.defaults
    odd = function.args.vararg or function.args.kwarg or function.args.kwonlyargs
    if not plain or odd or function.args.posonlyargs:
        return None
    slow = False
    for part in ast.walk(function.body):
        if not isinstance(part, _PARTS):
            return None
        if isinstance(part, ast.Call) and not _is_quick(part, namespace, names):
            if not _is_of_item(part, names, namespace):
                return None
            slow = True
    return function if slow else None


def _is_empty(node: ast.expr) -> bool:
    return isinstance(node, ast.Tuple) and not node.elts


def _as_lambda(node: ast.expr, namespace: Mapping[str, Any]) -> ast.Lambda | None:
    """Give a function that is written there, or of the user's that returns an expression."""
    if isinstance(node, ast.Lambda):
        return node
    known = resolve(node, namespace) if isinstance(node, ast.Name) else None
    if not isinstance(known, types.FunctionType) or not is_own_code(known.__code__):
        return None
    if known.__globals__ is not namespace or known.__defaults__ or known.__kwdefaults__:
        return None
    found = function_node(known.__code__) if not known.__code__.co_freevars else None
    match found:
        case ast.Lambda():
            return found
        case ast.FunctionDef(args=args, body=[ast.Return(ast.expr() as value)]):
            return ast.copy_location(ast.Lambda(args, value), found)
    return None


def _is_quick(call: ast.Call, namespace: Mapping[str, Any], names: list[str]) -> bool:
    func = call.func
    own = isinstance(func, ast.Name) and func.id in _QUICK and func.id not in (*namespace, *names)
    return own and not call.keywords


def _is_of_item(call: ast.Call, names: list[str], namespace: Mapping[str, Any]) -> bool:
    """Whether it is a function of the user's, called with the item and nothing else."""
    match call:
        case ast.Call(ast.Name(function), [ast.Name(given)], []) if given == names[1]:
            known = namespace.get(function) if function not in names else None
            return isinstance(known, types.FunctionType) and is_own_code(known.__code__)
    return False


def as_loop(function: ast.Lambda, source: ast.expr) -> ast.For:
    """Give a fold as a for loop, whose names are ours."""
    result, item = (one.arg for one in function.args.args)
    body = _Renamed({result: RESULT, item: ITEM}).visit(copy.deepcopy(function.body))
    stored = ast.copy_location(ast.Name(RESULT, ast.Store()), body)
    target = ast.copy_location(ast.Name(ITEM, ast.Store()), body)
    made = ast.copy_location(ast.Assign([stored], body), body)
    return ast.copy_location(ast.For(target, source, [made], []), body)


class _Renamed(ast.NodeTransformer):
    def __init__(self, names: dict[str, str]) -> None:
        self._names = names

    def visit_Name(self, node: ast.Name) -> ast.Name:
        node.id = self._names.get(node.id, node.id)
        return node
