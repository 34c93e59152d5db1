"""Which statements of a loop are recorded in columns, and how these read in its compiled form."""

from __future__ import annotations

import ast
from collections import Counter, defaultdict
from typing import Any

from ..analysis.accumulators import Site, operands
from ..iteration.columns import KINDS, Column
from .find import ItemLoop

_CATCHING = (ast.Try, ast.TryStar, ast.With)
_GROWING = {"grow": "append", "grow_add": "append", "grow_many": "extend"}
_PAIRS = ("count", "setindex", "store", "store_into")
_TALLIES = ("iadd", "isub")


def columns_of(loop: ItemLoop, namespace: dict[str, Any]) -> list[Column]:
    """Give the columns of a for loop: of statements whose object no other one changes.

    The effects on different objects may be applied in any order; those on one object, by
    several statements, go to the log, which has them in order.
    """
    node = loop.node
    assert isinstance(node, ast.For)
    of = Counter(site.name for site in loop.sites.values())
    catches = any(isinstance(part, _CATCHING) for stmt in node.body for part in ast.walk(stmt))
    found = []
    for stmt, site in loop.sites.items():
        kind = _kind(stmt, site, namespace, catches) if site.name and of[site.name] == 1 else ""
        if kind in KINDS:
            found.append(Column(kind, site.index))
    return found


def _kind(stmt: Any, site: Site, namespace: dict[str, Any], catches: bool) -> str:
    """Give the kind of the column for a statement; "" where only the log will do."""
    container = namespace[site.name]
    if site.kind in ("update_set", "update_counter"):
        args, keywords, _ = operands(stmt)
        plain = len(args) == 1 and not keywords and not isinstance(args[0], ast.Starred)
        return site.kind if plain else ""
    if site.kind in ("store", "store_into"):
        return site.kind if _one_element(stmt, container) else ""
    if site.kind in _GROWING:
        return "" if type(container) is list else site.kind
    if site.kind != "count":
        return site.kind
    if catches:  # what it looked up counts too, where computing the value raises
        return ""
    whole = type(container) is Counter or getattr(container, "default_factory", None) is int
    match stmt:
        case ast.AugAssign(value=ast.Constant(value=number)) if type(number) is int:
            return "tally" if whole and site.operator in _TALLIES else "count"
    return "count" if whole or type(container) in (dict, defaultdict, list) else ""


def _one_element(stmt: Any, array: Any) -> bool:
    """Whether a statement seems to store a single element; a part of the array is copied."""
    target: Any = stmt.target if isinstance(stmt, ast.AugAssign) else stmt.targets[0]
    key = target.slice
    if isinstance(key, ast.Tuple):
        plain = not any(isinstance(one, ast.Slice | ast.Starred) for one in key.elts)
        return plain and len(key.elts) == array.ndim
    return not isinstance(key, ast.Slice) and array.ndim == 1


def recorded(stmt: Any, kind: str, name: str) -> ast.stmt:
    """Give the statement that does to the column `name` what `stmt` does to its object."""
    args, keywords, place = operands(stmt)
    column: ast.expr = ast.Name(name, ast.Load())
    made: ast.stmt
    if kind == "setitem":
        value, key = args
        made = ast.Assign([ast.Subscript(column, key, ast.Store())], value)
    elif kind == "tally":
        key, value = args
        made = ast.AugAssign(ast.Subscript(column, key, ast.Store()), stmt.op, value)
    elif kind in _GROWING:
        key, value = args
        entry = ast.Subscript(column, key, ast.Load())
        method = ast.Attribute(entry, _GROWING[kind], ast.Load())
        made = ast.Expr(ast.Call(method, [value], []))
    else:
        if kind in _PAIRS:
            args, keywords = [ast.Tuple(args, ast.Load())], []
        made = ast.Expr(ast.Call(column, args, keywords))
    placed = {id(part) for one in (*args, *keywords) for part in ast.walk(one)}
    for part in ast.walk(made):
        if id(part) not in placed or not hasattr(part, "lineno"):
            ast.copy_location(part, place)
    return ast.copy_location(made, stmt)
