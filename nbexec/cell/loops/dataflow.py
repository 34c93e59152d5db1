"""Dataflow between a cell's statements: the names that each reads and writes, and waits."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ..analysis import method_facts
from ..analysis.aliases import TooLarge, allowance, generations
from ..analysis.bindings import parameters, stored
from ..analysis.object_facts import frozen


@dataclass(frozen=True, slots=True)
class Uses:
    """The names that a statement reads, binds and changes.

    Attributes
    ----------
    reads : frozenset of str
        Names whose values it uses.
    binds : frozenset of str
        Names that it gives values.
    changes : frozenset of str
        Names whose values it may change in place, and so any name that shares objects.
    later : frozenset of str
        Names that a function which it defines reads when called.
    """

    reads: frozenset[str] = frozenset()
    binds: frozenset[str] = frozenset()
    changes: frozenset[str] = frozenset()
    later: frozenset[str] = frozenset()

    @property
    def writes(self) -> frozenset[str]:
        """Names that it binds or changes."""
        return self.binds | self.changes


@dataclass
class _Reader(ast.NodeVisitor):
    """Collects free names, and names that may be changed in place."""

    reads: set[str] = field(default_factory=set)
    changes: set[str] = field(default_factory=set)
    later: set[str] = field(default_factory=set)

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            self.reads.add(node.id)

    def visit_Subscript(self, node: Any) -> None:
        if not isinstance(node.ctx, ast.Load):
            self.changes |= _base(node)
        self.generic_visit(node)

    visit_Attribute = visit_Subscript

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self.changes |= _base(node.target)
        self.reads |= _base(node.target)
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        func = node.func
        if isinstance(func, ast.Attribute) and func.attr not in _HARMLESS:
            self.changes |= _base(func.value)
        self.generic_visit(node)

    def _inner(self, node: Any, names: Iterable[str]) -> _Reader:
        inner = _Reader()
        for part in ast.iter_child_nodes(node):
            inner.visit(part)
        own = set(names)
        inner.reads -= own
        inner.changes -= own
        return inner

    def visit_ListComp(self, node: Any) -> None:
        inner = self._inner(node, stored([one.target for one in node.generators]))
        self.reads |= inner.reads
        self.changes |= inner.changes
        self.later |= inner.later

    visit_SetComp = visit_DictComp = visit_GeneratorExp = visit_ListComp

    def visit_Lambda(self, node: Any) -> None:
        inner = self._inner(node, parameters(node.args))
        self.reads |= inner.reads
        self.later |= inner.reads

    def visit_FunctionDef(self, node: Any) -> None:
        inner = self._inner(node, [*parameters(node.args), *stored(node.body)])
        self.later |= inner.reads | inner.later
        for part in (*node.decorator_list, *node.args.defaults):
            self.visit(part)

    visit_AsyncFunctionDef = visit_FunctionDef


_HARMLESS = (
    method_facts.DETACHED_METHODS | method_facts.SHARING_METHODS | method_facts.TABLE_METHODS
)


def _base(node: ast.AST) -> set[str]:
    """Give the name at the root of ``a.b[c].d``."""
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Starred | ast.Call):
        node = node.func if isinstance(node, ast.Call) else node.value
    return {node.id} if isinstance(node, ast.Name) else set()


def uses(stmt: ast.stmt) -> Uses:
    """Give the names that a statement reads, binds and may change.

    Examples
    --------
    >>> found = uses(ast.parse("ys[0] = f(x)").body[0])
    >>> sorted(found.reads), sorted(found.changes)
    (['f', 'x', 'ys'], ['ys'])
    """
    reader = _Reader()
    reader.visit(stmt)
    binds = frozenset(stored([stmt]))
    return Uses(frozenset(reader.reads), binds, frozenset(reader.changes), frozenset(reader.later))


def through_functions(found: list[Uses]) -> list[Uses]:
    """Add to each statement's reads those of the cell's functions that it may call."""
    later: dict[str, frozenset[str]] = {}
    full = []
    for one in found:
        reads, todo = set(one.reads), list(one.reads)
        while todo:
            more = later.get(todo.pop(), frozenset()) - reads
            reads |= more
            todo += more
        full.append(Uses(frozenset(reads), one.binds, one.changes, one.later))
        for name in one.binds:
            later[name] = one.later if one.later else frozenset()
    return full


def ties(
    stmts: list[ast.stmt], namespace: dict[str, Any], others: Iterable[str] = ()
) -> dict[str, set[str]]:
    """Give, for each name of the statements and `others`, those that may share objects with it.

    Objects in the namespace are compared as they are now; a name that the cell will bind is
    tied to every name in the expression of its value.

    Examples
    --------
    >>> a = [1]
    >>> tied = ties(ast.parse("c = b; a").body, {"a": a, "b": [a]})
    >>> sorted(tied["a"]), sorted(tied["c"])
    (['a', 'b', 'c'], ['a', 'b', 'c'])
    """
    names = {n.id for stmt in stmts for n in ast.walk(stmt) if isinstance(n, ast.Name)}
    names |= set(others)
    tied = {name: {name} for name in names}
    owners: dict[int, str] = {}
    there = [name for name in sorted(names & namespace.keys()) if not callable(namespace[name])]
    with allowance():
        for name in there:
            try:
                inside = [key for found in generations([namespace[name]]) for key in found]
            except TooLarge:  # it may share objects with any other
                inside = [id(namespace[one]) for one in there if not frozen(namespace[one])]
            for key in inside:
                _tie(tied, name, owners.setdefault(key, name))
    for stmt in stmts:
        if isinstance(stmt, ast.Assign):
            for name in stored([stmt]):
                for other in _Aliased.of(stmt.value):
                    _tie(tied, name, other)
    return tied


def _tie(tied: dict[str, set[str]], one: str, other: str) -> None:
    both = tied.setdefault(one, {one}) | tied.setdefault(other, {other})
    for name in both:
        tied[name] = both


class _Aliased:
    """Names that the value of an expression may be, or hold."""

    @staticmethod
    def of(node: ast.expr) -> set[str]:
        match node:
            case ast.Name(name):
                return {name}
            case ast.Attribute() | ast.Subscript():
                return _base(node)
            case ast.Tuple(parts) | ast.List(parts) | ast.Set(parts):
                return {name for part in parts for name in _Aliased.of(part)}
            case ast.Dict(values=parts) | ast.BoolOp(values=parts):
                return {name for part in parts for name in _Aliased.of(part)}
            case ast.IfExp(_, one, other):
                return _Aliased.of(one) | _Aliased.of(other)
        return set()


def waits(found: list[Uses], tied: dict[str, set[str]]) -> list[tuple[int, ...]]:
    """Give for each statement the positions of those that it can't run before.

    Only the nearest are given: those that these wait for in turn are left out.

    Examples
    --------
    >>> cell = ast.parse("a = f(1)\\nb = f(2)\\nc = a + b").body
    >>> waits([uses(stmt) for stmt in cell], {})
    [(), (), (0, 1)]
    """
    needed: list[set[int]] = []
    for at, one in enumerate(found):
        mine = _spread(one.changes, tied)
        direct = set()
        for before in range(at):
            other = found[before]
            theirs = other.binds | _spread(other.changes, tied)
            if theirs & (one.reads | one.writes | mine) or mine & (other.reads | other.binds):
                direct.add(before)
        needed.append(direct)
    behind: list[set[int]] = []
    for direct in needed:
        behind.append(direct.union(*(behind[one] for one in direct)))
    return [
        tuple(sorted(direct - set().union(*(behind[one] for one in direct)))) for direct in needed
    ]


def _spread(names: frozenset[str], tied: dict[str, set[str]]) -> set[str]:
    return {other for name in names for other in tied.get(name, {name})}
