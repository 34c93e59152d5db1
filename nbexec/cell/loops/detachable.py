"""Detachable statements: the names that they leave pending, and why some can't be detached."""

from __future__ import annotations

import ast
import functools
import types
from collections.abc import Iterator
from typing import Any

from ...errors import OptionError
from ..analysis.aliases import LIMIT, allowance
from . import dataflow

_HISTORY = ("In", "Out")  # IPython's own


def pending_names(
    body: list[ast.stmt], namespace: dict[str, Any]
) -> tuple[frozenset[str], frozenset[str]]:
    """Give the names that statements bind or change, and those that they read.

    Raises
    ------
    OptionError
        They make functions, which would keep the copy of the namespace, or use names unseen.
    """
    _refuse_functions(body)
    found = [dataflow.uses(stmt) for stmt in body]
    reads = frozenset().union(*(one.reads for one in found))
    binds = frozenset().union(*(one.binds for one in found))
    pending = frozenset((binds | _changed(body, namespace, found)) - _imported(body))
    inner = frozenset(_inside(reads, namespace))
    for name in sorted(inner & pending):
        raise OptionError(
            f"--detach: a function that the cell calls reads `{name}`, which the cell changes; "
            "give it as an argument"
        )
    return pending, ((reads | inner) & namespace.keys()) - pending


def _refuse_functions(body: list[ast.stmt]) -> None:
    """Raise `OptionError` where statements make functions, or use names unseen."""
    for stmt in body:
        for part in ast.walk(stmt):
            if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                raise OptionError(
                    f"--detach: line {part.lineno} defines `{part.name}` after the first loop; "
                    "move it above"
                )
            if isinstance(part, ast.Name) and part.id in ("get_ipython", "globals", "exec", "eval"):
                raise OptionError(
                    f"--detach: line {part.lineno} uses `{part.id}`, which needs the names as "
                    "they are; move it above the first loop, or into another cell"
                )
        if isinstance(stmt, ast.Assign | ast.Expr) and _keeps_function(stmt.value):
            raise OptionError(
                f"--detach: line {stmt.lineno} keeps a function or a generator, which would not "
                "see later changes of names; move it above the first loop"
            )


def _changed(
    body: list[ast.stmt], namespace: dict[str, Any], found: list[dataflow.Uses]
) -> set[str]:
    """Give the names that are changed in place, and all that may share objects with them."""
    inert = (types.ModuleType, types.FunctionType, type, types.BuiltinFunctionType)
    changes = {
        name for one in found for name in one.changes if not isinstance(namespace.get(name), inert)
    }
    everywhere = [name for name in namespace if not name.startswith("_") and name not in _HISTORY]
    with allowance(10 * LIMIT):  # it is for a cell that takes long
        tied = dataflow.ties(body, namespace, everywhere if changes else ())
    return {other for name in changes for other in tied.get(name, {name})}


def _imported(body: list[ast.stmt]) -> set[str]:
    imports = [one for one in body if isinstance(one, ast.Import | ast.ImportFrom)]
    return {name for one in imports for name in dataflow.uses(one).binds}


def _keeps_function(value: ast.expr) -> bool:
    match value:
        case ast.Lambda() | ast.GeneratorExp():
            return True
        case ast.List(parts) | ast.Tuple(parts) | ast.Dict(values=parts):
            return any(_keeps_function(one) for one in parts)
        case ast.ListComp(element) | ast.SetComp(element) | ast.DictComp(value=element):
            return _keeps_function(element)
    return False


def _inside(names: frozenset[str], namespace: dict[str, Any]) -> Iterator[str]:
    """Give global names that are read by functions of the notebook, and by those that they call."""
    todo, seen = list(names), set(names)
    while todo:
        thing = namespace.get(todo.pop())
        thing = thing.func if isinstance(thing, functools.partial) else thing
        codes = [thing.__code__] if isinstance(thing, types.FunctionType) else []
        if isinstance(thing, type):
            methods = vars(thing).values()
            codes = [one.__code__ for one in methods if isinstance(one, types.FunctionType)]
        for code in codes:
            found = set(_globals(code)) & namespace.keys()
            yield from found
            todo += found - seen
            seen |= found


def _globals(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for one in code.co_consts:
        if isinstance(one, types.CodeType):
            yield from _globals(one)
