"""The names that statements bind, found in the syntax alone."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from typing import Any


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


def names_bound(body: Iterable[ast.stmt]) -> set[str]:
    """Give every name that is bound in a body, in whatever scope: of comprehensions, too.

    Examples
    --------
    >>> body = ast.parse("x = [y for y in z]\\nf = lambda a: a").body
    >>> sorted(names_bound(body))
    ['a', 'f', 'x', 'y']
    """
    found = set(stored(body))
    for part in (part for stmt in body for part in ast.walk(stmt)):
        if isinstance(part, ast.Name) and not isinstance(part.ctx, ast.Load):
            found.add(part.id)
        elif isinstance(part, ast.arg):
            found.add(part.arg)
    return found


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


def declared(node: ast.AST, kind: type[ast.Global] | type[ast.Nonlocal]) -> Iterator[str]:
    """Give the names in ``global`` or ``nonlocal`` statements."""
    for part in ast.walk(node):
        if isinstance(part, kind):
            yield from part.names


def parameters(args: ast.arguments) -> list[str]:
    """Give the names of all parameters."""
    plain = [*args.posonlyargs, *args.args, *args.kwonlyargs]
    more = [one for one in (args.vararg, args.kwarg) if one is not None]
    return [one.arg for one in [*plain, *more]]
