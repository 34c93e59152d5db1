"""Which statements of a body accumulate into outer names, and how."""

from __future__ import annotations

import ast
import builtins
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

DICTS: tuple[type, ...] = (dict, OrderedDict, defaultdict)
_NUMBERS = (int, float, complex, bool)

# What a method of an accumulator, or an operator on it, is called in the log of effects.
_METHODS: dict[tuple[type, str], str] = {
    (list, "append"): "append",
    (list, "extend"): "extend",
    (set, "add"): "add",
    (set, "update"): "update_set",
    (Counter, "update"): "update_counter",
    **{(kind, "update"): "update_dict" for kind in DICTS},
}


@dataclass(frozen=True, slots=True)
class Site:
    """A statement with an effect outside its iteration.

    Attributes
    ----------
    index : int
        What an entry of the log calls it.
    kind : str
        The effect: a method of `effects.Log`.
    name : str
        The accumulator; "" for a print.
    operator : str
        The name of the operator of an augmented assignment, as in `operator.iadd`.
    """

    index: int
    kind: str
    name: str
    operator: str = ""


def inside(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Give every statement of a body, also inside other statements, but not in functions."""
    for stmt in body:
        yield stmt
        if isinstance(stmt, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            continue
        for field in ("body", "orelse", "finalbody"):
            yield from inside(getattr(stmt, field, []))
        for part in (*getattr(stmt, "handlers", []), *getattr(stmt, "cases", [])):
            yield from inside(part.body)


class _Stored(ast.NodeVisitor):
    """Names that statements bind in the scope that they are in."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def visit_Name(self, node: ast.Name) -> None:
        if not isinstance(node.ctx, ast.Load):
            self.names.append(node.id)

    def visit_comprehension(self, node: ast.comprehension) -> None:
        for part in (node.iter, *node.ifs):  # its target is its own
            self.visit(part)

    def visit_FunctionDef(self, node: Any) -> None:
        self.names.append(node.name)

    visit_AsyncFunctionDef = visit_ClassDef = visit_FunctionDef

    def visit_Lambda(self, node: ast.Lambda) -> None:
        pass

    def visit_alias(self, node: ast.alias) -> None:
        self.names.append((node.asname or node.name).partition(".")[0])

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        if node.name:
            self.names.append(node.name)
        self.generic_visit(node)

    def visit_MatchAs(self, node: Any) -> None:
        if node.name:
            self.names.append(node.name)
        self.generic_visit(node)

    visit_MatchStar = visit_MatchAs

    def visit_MatchMapping(self, node: ast.MatchMapping) -> None:
        if node.rest:
            self.names.append(node.rest)
        self.generic_visit(node)


def stored(nodes: Iterable[ast.AST]) -> list[str]:
    """Give the names that `nodes` bind, once for each time.

    Examples
    --------
    >>> stored(ast.parse("a = [b for b in c]; d += 1").body)
    ['a', 'd']
    """
    visitor = _Stored()
    for node in nodes:
        visitor.visit(node)
    return visitor.names


def find(loop: ast.For, namespace: dict[str, Any]) -> dict[ast.stmt, Site]:
    """Give the statements of a loop's body that accumulate or print, as things are now."""
    body = loop.body
    augmented = [
        stmt.target.id
        for stmt in inside(body)
        if isinstance(stmt, ast.AugAssign) and isinstance(stmt.target, ast.Name)
    ]
    bound = Counter(stored([loop.target, *body]))
    bound.subtract(augmented)
    local = {name for name, count in bound.items() if count > 0}
    sites: dict[ast.stmt, Site] = {}
    for stmt in inside(body):
        found = _print(stmt, namespace, local) or _accumulation(stmt)
        if found is None:
            continue
        kind, name, operator = found
        if kind != "print":
            if name in local or name not in namespace:
                continue
            kind = _allowed(type(namespace[name]), kind, operator)
        if kind:
            sites[stmt] = Site(len(sites), kind, name, operator)
    return sites


def _print(stmt: ast.stmt, namespace: dict[str, Any], local: set[str]) -> Any:
    if not (isinstance(stmt, ast.Expr) and isinstance(stmt.value, ast.Call)):
        return None
    call = stmt.value
    if not (isinstance(call.func, ast.Name) and call.func.id == "print" and "print" not in local):
        return None
    if namespace.get("print", builtins.print) is not builtins.print:
        return None
    ordinary = all(one.arg in ("sep", "end", "flush") for one in call.keywords)
    return ("print", "", "") if ordinary else None


def _accumulation(stmt: ast.stmt) -> tuple[str, str, str] | None:
    """Give what is done, to which name, with which operator, if it looks like accumulation."""
    match stmt:
        case ast.Expr(ast.Call(ast.Attribute(ast.Name(name), method), args, keywords)):
            plain = len(args) == 1 and not keywords and not isinstance(args[0], ast.Starred)
            return (method, name, "") if plain or method == "update" else None
        case ast.Assign([ast.Subscript(ast.Name(name), _)], _):
            return ("[]=", name, "")
        case ast.AugAssign(ast.Name(name), operator, _):
            return ("+=", name, f"i{_OPERATORS.get(type(operator), '')}")
        case ast.AugAssign(ast.Subscript(ast.Name(name), _), ast.Add(), _):
            return ("[]+=", name, "iadd")
    return None


_OPERATORS: dict[type[ast.operator], str] = {
    ast.Add: "add",
    ast.Sub: "sub",
    ast.Mult: "mul",
    ast.BitOr: "or",
    ast.BitAnd: "and",
    ast.BitXor: "xor",
}


def _allowed(kind: type, what: str, operator: str) -> str:
    """Give what the effect is called on an accumulator of this type; "" for none."""
    if what == "[]=":
        return "setitem" if kind in (*DICTS, Counter) else ""
    if what == "[]+=":
        return "count" if kind is Counter else ""
    if what != "+=":
        return _METHODS.get((kind, what), "")
    if kind in _NUMBERS:
        bits = operator in ("ior", "iand", "ixor")
        fit = kind in (int, bool) if bits else operator in ("iadd", "isub", "imul")
        return "augment" if fit else ""
    if operator == "iadd":
        if kind is list:
            return "extend"
        return "augment" if kind in (str, tuple) else ""
    if kind is set:
        return "merge_set" if operator in ("ior", "iand", "ixor", "isub") else ""
    return "merge_dict" if kind is dict and operator == "ior" else ""
