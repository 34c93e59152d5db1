"""From source and namespace to a plan; nothing is run here."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .analysis import Analysis, Refusal
from .body import Body, examine
from .items import Items
from .loops import Loop, find_loop
from .report import CellPlan, Step
from .source import future_flags
from .values import FROZEN, Value


@dataclass(frozen=True)
class Cell:
    """A cell, parsed.

    Attributes
    ----------
    filename : str
        What tracebacks call it.
    body : list of ast.stmt
        Its top-level statements.
    flags : int
        Compiler flags: its ``from __future__`` imports.
    """

    filename: str
    body: list[ast.stmt]
    flags: int


def parse(source: str, filename: str) -> Cell:
    """Parse a cell; a `SyntaxError` is the one that `exec` would raise."""
    # Compiling finds errors that parsing doesn't: a `return` outside a function.
    compile(source, filename, "exec", dont_inherit=True)
    tree = ast.parse(source, filename)
    return Cell(filename, tree.body, future_flags(tree))


def plan(source: str, namespace: dict[str, Any], filename: str = "<cell>") -> CellPlan:
    """Say how a cell would run, without running any of it.

    Parameters
    ----------
    source : str
        The cell.
    namespace : dict
        The notebook's names, as they are now.  What the cell's own first lines would
        define is not known.
    filename : str
        What tracebacks call the cell.

    Returns
    -------
    CellPlan
        A step for each statement.

    Raises
    ------
    SyntaxError
        The source is no Python.

    Examples
    --------
    >>> print(plan("total = 0\\nfor x in xs:\\n    print(total)\\n    total += x", {"xs": [1]}))
    line 3: serial: reads `total`, which the loop changes
    """
    *head, last = parse(source, filename).body or [ast.Pass(lineno=1, end_lineno=1)]
    names = {**_constants(head), **namespace}
    return CellPlan((*(step_of(stmt) for stmt in head), _planned(last, names)))


def _constants(head: list[ast.stmt]) -> dict[str, Any]:
    """Give names that the head surely binds to literals, such as ``out = []``."""
    found: dict[str, Any] = {}
    for stmt in head:
        match stmt:
            case ast.Assign([ast.Name(name)], value):
                try:
                    found[name] = ast.literal_eval(value)
                except ValueError:
                    found.pop(name, None)
    return found


def step_of(stmt: ast.stmt, refusal: Refusal | None = None) -> Step:
    """Give the step of a statement that runs serially."""
    first, last = lines(stmt)
    if refusal is not None:
        return Step(first, last, reason=refusal.reason, line=refusal.line)
    if isinstance(stmt, ast.For):
        return Step(first, last, reason="only a cell's last statement runs item by item")
    return Step(first, last)


def lines(stmt: ast.stmt) -> tuple[int, int]:
    """Give the first and the last line of a statement, decorators included."""
    first = min([stmt.lineno, *(one.lineno for one in getattr(stmt, "decorator_list", []))])
    return first, stmt.end_lineno or stmt.lineno


def _planned(stmt: ast.stmt, namespace: dict[str, Any]) -> Step:
    try:
        loop = ready(stmt, namespace)
        item, roots, lazy = _guess(loop, namespace)
        examine(loop, namespace, item, roots, lazy)
    except Refusal as refusal:
        return step_of(stmt, refusal)
    return Step(*lines(stmt), "parallel", loop.what)


def _guess(loop: Loop, namespace: dict[str, Any]) -> tuple[Value, list[Any], bool]:
    """Give what can be known of the items before they are there; the best is hoped for."""
    if isinstance(loop.iter, ast.Name) and loop.iter.id in namespace:
        source = namespace[loop.iter.id]
        if type(source) in (list, tuple, range, dict, set, str):
            return Items(source).expected, [source], False
    analysis = Analysis(namespace, (), {})
    analysis.run(lambda: Body(analysis, namespace, set(), {}).iterate(loop.iter))
    return FROZEN, [], False


def ready(stmt: ast.stmt, namespace: dict[str, Any]) -> Loop:
    """Give the loop that a statement is, if its items may be asked for.

    Raises
    ------
    Refusal
        It is no loop, or asking for its items changes something.
    """
    loop = find_loop(stmt, namespace)
    for name in _names(loop.iter):
        if hasattr(type(namespace.get(name)), "__next__"):
            reason = f"takes its items from `{name}`, an iterator: it would be read too far"
            raise Refusal(loop.line, reason)
    return loop


def _names(node: ast.AST) -> Iterator[str]:
    for part in ast.walk(node):
        if isinstance(part, ast.Name):
            yield part.id
