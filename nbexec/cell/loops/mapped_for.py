"""``for r in map(f, xs)``: a loop over what a function gives is one over the function's items.

Workers get the items, and compute the function's value and what the body does with it.
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from .consumers import EACH, calm, is_own, known_name
from .evaluated_first import there


@dataclass(frozen=True, eq=False)
class Mapped:
    """A for loop over the values of a function, alone or in a ``zip`` or an ``enumerate``.

    Attributes
    ----------
    node : ast.For
        The same loop, over the function's items: it begins by computing the value.
    function : ast.expr
        The function, or the generator expression that computes it.
    at : int
        The position of the value among those of an item; -1 where it is alone.
    count : int
        How many there are.
    """

    node: ast.For
    function: ast.expr
    at: int = -1
    count: int = 1


def mapped_for(stmt: ast.For, namespace: Mapping[str, Any]) -> Mapped | None:
    """Write a for loop over a function's values as one over its items; None where it is none.

    Examples
    --------
    >>> import textwrap
    >>> loop = ast.parse("for i, r in enumerate(map(f, xs)): print(r)").body[0]
    >>> found = mapped_for(loop, {"f": mapped_for, "xs": []})
    >>> print(ast.unparse(found.node))
    for _nbexec_each in enumerate(xs):
        i, r = (_nbexec_each[0], f(_nbexec_each[1]))
        print(r)
    """
    if isinstance(stmt.iter, ast.GeneratorExp):
        return _of_generator(stmt, stmt.iter)
    alone = _map(stmt.iter, namespace)
    if alone is not None:
        function, items = alone
        return Mapped(_over(stmt, items, _call(function, _each())), function)
    match stmt.iter:
        case ast.Call(func, [first, *more] as parts, []):
            name = known_name(func, namespace)
            numbered = name == "builtins.enumerate" and all(calm(one, namespace) for one in more)
            found = [_map(one, namespace) for one in ([first] if numbered else parts)]
            at = [i for i, one in enumerate(found) if one is not None]
            if len(at) != 1 or not (numbered or (name == "builtins.zip" and more)):
                return None
            others = [one for i, one in enumerate(parts) if i != at[0]]
            if not all(calm(one, namespace) for one in others):
                return None
            function, items = found[at[0]]  # type: ignore[misc]
            given = [items if i == at[0] else one for i, one in enumerate(parts)]
            source = ast.copy_location(ast.Call(func, given, []), stmt.iter)
            place, count = (1, 2) if numbered else (at[0], len(parts))
            values: list[ast.expr] = [_part(i) for i in range(count)]
            values[place] = _call(function, values[place])
            return Mapped(
                _over(stmt, source, ast.Tuple(values, ast.Load())), function, place, count
            )
    return None


def _map(node: ast.expr, namespace: Mapping[str, Any]) -> tuple[ast.expr, ast.expr] | None:
    """Give the function and the items of a `map` of the user's own function."""
    match node:
        case ast.Call(func, [function, items], []) if not isinstance(items, ast.Starred):
            own = isinstance(function, ast.Lambda) or is_own(function, namespace)
            if known_name(func, namespace) == "builtins.map" and own and there(function, namespace):
                return function, items
    return None


def _of_generator(stmt: ast.For, made: ast.GeneratorExp) -> Mapped | None:
    """Give a loop over a generator expression that calls something for each of its items."""
    first, *others = made.generators
    if others or first.ifs or first.is_async:
        return None
    parts = [*ast.walk(made.elt)]
    if any(
        isinstance(part, ast.NamedExpr | ast.Await | ast.Yield | ast.YieldFrom) for part in parts
    ):
        return None
    if not any(isinstance(part, ast.Call) for part in parts):
        return None
    one = ast.comprehension(first.target, ast.Tuple([_each()], ast.Load()), [], 0)
    alone = ast.copy_location(ast.GeneratorExp(made.elt, [one]), made)  # it has a frame of its own
    target = ast.Tuple([stmt.target], ast.Store())
    return Mapped(_over(stmt, first.iter, alone, target), made)


def _over(
    stmt: ast.For, items: ast.expr, value: ast.expr, target: ast.expr | None = None
) -> ast.For:
    assign = ast.Assign([target or stmt.target], value)
    each = ast.Name(EACH, ast.Store())
    made = ast.For(each, items, [assign, *stmt.body], stmt.orelse)
    for part in (each, *ast.walk(assign)):
        if isinstance(part, ast.expr | ast.stmt) and not hasattr(part, "lineno"):
            ast.copy_location(part, stmt.iter)
    return ast.copy_location(made, stmt)


def _each() -> ast.Name:
    return ast.Name(EACH, ast.Load())


def _part(at: int) -> ast.expr:
    return ast.Subscript(_each(), ast.Constant(at), ast.Load())


def _call(function: ast.expr, given: ast.expr) -> ast.Call:
    return ast.Call(function, [given], [])


def values_of(
    mapped: Mapped, source: Any, evaluate: Callable[[ast.expr, Any], Any]
) -> Iterator[Any]:
    """Give what the loop as it stands goes through, over the items of `source`.

    Parameters
    ----------
    mapped : Mapped
        The loop.
    source : iterable
        Items of `mapped.node`.
    evaluate : callable
        Gives the value of an expression; of a generator expression, over the items given.
    """
    if isinstance(mapped.function, ast.GeneratorExp):
        made: Iterator[Any] = evaluate(mapped.function, source)
        return made
    function = evaluate(mapped.function, None)
    if mapped.at < 0:
        return map(function, source)
    parts: list[Iterator[Any]] = []
    for at, one in enumerate(itertools.tee(source, mapped.count)):
        parts.append(map(itemgetter(at), one))
    parts[mapped.at] = map(function, parts[mapped.at])
    return zip(*parts, strict=False)
