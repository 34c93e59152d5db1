"""The order of evaluation: the loop that a statement evaluates before anything else.

Only expressions without effects may come before it, so that the loop can run first: names,
constants, attributes of modules, methods of objects.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ..analysis.object_facts import fields_of

_METHODS = (types.FunctionType, types.MethodDescriptorType, types.BuiltinFunctionType)


def resolve(node: ast.expr, namespace: Mapping[str, Any]) -> Any:
    """Give the object that a name, or an attribute of a module, stands for; None if unknown."""
    if isinstance(node, ast.Name):
        return namespace.get(node.id, getattr(builtins, node.id, None))
    if isinstance(node, ast.Attribute):
        owner = resolve(node.value, namespace)
        return vars(owner).get(node.attr) if isinstance(owner, types.ModuleType) else None
    return None


def there(node: ast.expr, namespace: Mapping[str, Any]) -> bool:
    """Whether evaluating `node` has no effect and can't fail.

    Examples
    --------
    >>> [there(ast.parse(text).body[0].value, {"x": []}) for text in ("x.append", "x.y", "y")]
    [True, False, False]
    """
    if isinstance(node, ast.Constant | ast.Lambda):
        return not isinstance(node, ast.Lambda) or not (node.args.defaults or node.args.kw_defaults)
    if resolve(node, namespace) is not None:
        return True
    if isinstance(node, ast.Name):
        return node.id in namespace
    if not (isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)):
        return False
    if node.value.id not in namespace:
        return False
    thing = namespace[node.value.id]
    kind = type(thing)
    # Not written in Python, so it calls no code of the user's.
    plain = isinstance(
        inspect.getattr_static(kind, "__getattribute__"), types.WrapperDescriptorType
    )
    if not plain or node.attr in fields_of(thing):
        return False
    return isinstance(inspect.getattr_static(kind, node.attr, None), _METHODS)


def evaluated(stmt: ast.stmt, namespace: Mapping[str, Any]) -> ast.expr | None:
    """Give the expression that a statement evaluates once, before it does anything else."""
    match stmt:
        case ast.Expr(value) | ast.Assign(_, value):
            return value
        case ast.AnnAssign(ast.Name(), _, value, _):
            return value
        case ast.AugAssign(ast.Name(name), _, value) if name in namespace:
            return value
        case ast.If(test) | ast.Assert(test):
            return test
    return None


def first_of(
    node: ast.expr, wanted: Callable[[ast.expr], bool], namespace: Mapping[str, Any]
) -> ast.expr | None:
    """Find the first expression that is `wanted` inside `node`, before which nothing happens."""
    if wanted(node):
        return node
    for part in _in_order(node):
        if not there(part, namespace):
            return first_of(part, wanted, namespace)
    return None


def _in_order(node: ast.expr) -> Iterator[ast.expr]:
    """Give an expression's parts in the order of evaluation, as far as all are evaluated."""
    match node:
        case ast.Call(func, args, keywords):
            yield from (func, *args, *(one.value for one in keywords))
        case ast.BinOp(left, _, right):
            yield from (left, right)
        case ast.Compare(left, _, [right, *_]):
            yield from (left, right)
        case ast.BoolOp(_, [first, *_]):
            yield first
        case ast.IfExp(test):
            yield test
        case ast.UnaryOp(_, operand):
            yield operand
        case ast.Subscript(value, key):
            yield from (value, key)
        case ast.Attribute(value) | ast.Starred(value) | ast.NamedExpr(_, value):
            yield value
        case ast.FormattedValue(value):
            yield value
        case ast.Tuple(parts) | ast.List(parts) | ast.Set(parts) | ast.JoinedStr(parts):
            yield from parts
        case ast.Dict(keys, values):
            for place, given in zip(keys, values, strict=True):
                yield from (given,) if place is None else (place, given)


_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)


def awaits(node: ast.AST) -> bool:
    """Whether evaluating `node` awaits something; functions defined in it don't count.

    Examples
    --------
    >>> [awaits(ast.parse(text)) for text in ("x = await f()", "async def f(): await g()")]
    [True, False]
    """
    return any(
        isinstance(part, ast.Await | ast.AsyncFor | ast.AsyncWith)
        or (isinstance(part, ast.comprehension) and bool(part.is_async))
        for part in _evaluated(node)
    )


def _evaluated(node: ast.AST) -> Iterator[ast.AST]:
    yield node
    if not isinstance(node, _SCOPES):
        for part in ast.iter_child_nodes(node):
            yield from _evaluated(part)
