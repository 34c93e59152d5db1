"""Standalone: a statement that may run beside others: it makes values, accumulates, prints.

It is analysed as the body of a loop of one round, so it may do whatever a loop's body may.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ..analysis import accumulators, bindings
from ..analysis.abstract_values import FROZEN
from ..analysis.analysis import Analysis, Refusal
from ..analysis.functions import new_analysis
from ..analysis.object_facts import read_once
from ..analysis.source import is_own_class, is_own_code
from .accumulator_aliases import aliased
from .eligibility import handlers
from .evaluated_first import resolve
from .find import ItemLoop
from .loop_body import Body

ONCE, VALUE = "_nbexec_once", "_nbexec_value"
_WAITS: dict[type[ast.AST], str] = {
    ast.Import: "imports",
    ast.ImportFrom: "imports",
    ast.FunctionDef: "defines a function",
    ast.AsyncFunctionDef: "defines a function",
    ast.ClassDef: "defines a class",
    ast.Delete: "deletes",
    ast.AnnAssign: "annotates a name",
    ast.Raise: "raises",
}


@dataclass(frozen=True, eq=False)
class Standalone:
    """A statement that was shown to have no effects except those in its log.

    Attributes
    ----------
    loop : ItemLoop
        The loop of one round that it is the body of.
    reads : frozenset of str
        Names of the notebook that it reads, also in functions that it calls.
    inputs : tuple of str
        Those of them that it binds later itself.
    analysis : Analysis
        What else was found.
    """

    loop: ItemLoop
    reads: frozenset[str]
    inputs: tuple[str, ...]
    analysis: Analysis

    @property
    def writes(self) -> frozenset[str]:
        """Names that it binds or accumulates into."""
        return self.loop.bound | self.loop.accumulators


def alone(
    stmt: ast.stmt, namespace: dict[str, Any], unknown: Iterable[str] = (), value: bool = False
) -> Standalone:
    """Analyse whether a statement may run beside others.

    Parameters
    ----------
    stmt : ast.stmt
        A statement at the top level of a cell.
    namespace : dict
        The notebook's names, as they are now.
    unknown : collection of str
        Names that are bound before it runs, to values that aren't known yet.
    value : bool
        Whether the value of an expression is wanted.

    Raises
    ------
    Refusal
        It has to run in its turn: the line and the reason.
    """
    if type(stmt) in _WAITS:
        raise Refusal(stmt.lineno, _WAITS[type(stmt)])
    unknown = frozenset(unknown)
    known = {name: thing for name, thing in namespace.items() if name not in unknown}
    loop = _round(stmt, known, value)
    plain = isinstance(stmt, ast.Assign) and len(loop.sites) == 0
    changed = loop.accumulators | (frozenset() if plain else loop.bound)
    inputs = tuple(sorted(loop.bound & known.keys() & _loaded(stmt)))
    analysis = new_analysis(namespace, changed, loop.sites, unknown, ahead=True)
    for name in inputs:
        analysis.reads[name] = stmt.lineno
        if read_once(type(namespace[name])):
            raise Refusal(stmt.lineno, f"uses `{name}`, an iterator, which reading changes")
    handlers(loop, known)
    del known  # it refers to every object, and would make each a shared one

    def look() -> None:
        env = {name: analysis.capture(namespace[name], stmt.lineno) for name in inputs}
        scope = Body(analysis, namespace, set(loop.bound | loop.targets), env)
        scope.bind(loop.target, FROZEN)
        scope.block(loop.node.body)  # type: ignore[union-attr]

    analysis.run(look)
    aliased(analysis, loop, namespace, [])
    return Standalone(loop, frozenset(analysis.reads), inputs, analysis)


def _round(stmt: ast.stmt, namespace: dict[str, Any], value: bool) -> ItemLoop:
    body = stmt
    if value and isinstance(stmt, ast.Expr):
        body = ast.copy_location(ast.Assign([ast.Name(VALUE, ast.Store())], stmt.value), stmt)
        ast.copy_location(body.targets[0], stmt)
    item = ast.Tuple([ast.Constant(None)], ast.Load())
    node = ast.For(ast.Name(ONCE, ast.Store()), item, [body], [])
    for part in (node, node.target, item, item.elts[0]):
        ast.copy_location(part, stmt)
    found = accumulators.find(node, namespace)
    if body is stmt and isinstance(stmt, ast.Expr) and stmt not in found:
        raise Refusal(stmt.lineno, "gives nothing: it must be there for what it does")
    bound = frozenset(bindings.stored([body])) - {site.name for site in found.values()}
    return ItemLoop(node, node, "statement", found, bound, frozenset([ONCE]))


def _loaded(stmt: ast.stmt) -> set[str]:
    names = {
        part.id
        for part in ast.walk(stmt)
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load)
    }
    if isinstance(stmt, ast.AugAssign) and isinstance(stmt.target, ast.Name):
        names.add(stmt.target.id)
    return names


def worth(stmt: ast.stmt, namespace: dict[str, Any]) -> bool:
    """Whether a statement may take a while: it calls more than built-in functions.

    Examples
    --------
    >>> import math
    >>> [worth(ast.parse(text).body[0], vars(math)) for text in ("x = len(y)", "x = sqrt(y)")]
    [False, True]
    """
    if not isinstance(stmt, ast.Assign | ast.AugAssign | ast.Expr | ast.With | ast.If | ast.Try):
        return False
    return costly_calls(stmt, namespace)


def costly_calls(node: ast.AST, namespace: dict[str, Any]) -> bool:
    """Whether a part of the source calls more than built-in functions."""
    return any(costly(call.func, namespace) for call in _calls(node))


def _calls(node: ast.AST) -> Iterator[ast.Call]:
    for part in ast.walk(node):
        if isinstance(part, ast.Call):
            yield part


def costly(func: ast.expr, namespace: dict[str, Any]) -> bool:
    """Whether a call may take a while: it is not one of a built-in function."""
    known = resolve(func, namespace)
    if known is None:
        return isinstance(func, ast.Attribute)  # a method of something
    if getattr(known, "__module__", None) == "builtins" or known is getattr(
        builtins, getattr(known, "__name__", ""), None
    ):
        return False
    code = getattr(known, "__code__", None)
    return code is None or is_own_code(code) or not is_own_class(type(known))
