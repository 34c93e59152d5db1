"""Durations: how long statements took, by the functions that they call."""

from __future__ import annotations

import ast
import types
from collections import OrderedDict
from collections.abc import Hashable
from typing import Any

from ..loops.evaluated_first import resolve

MOST = 500  # combinations of functions that are remembered

Called = frozenset[Hashable]


def called(stmt: ast.stmt, namespace: dict[str, Any]) -> Called:
    """Give what stands for the functions that a statement calls by name.

    Of the user's functions that is their code, so that another function of that name is
    another one; of all others it is their names, so that nothing is kept alive.

    Examples
    --------
    >>> stmt = ast.parse("x = a.fit(abs(y))").body[0]
    >>> sorted(called(stmt, {"a": 1}))
    ['.fit', 'builtins.abs']
    """
    return frozenset(
        _one(part.func, namespace) for part in ast.walk(stmt) if isinstance(part, ast.Call)
    )


def _one(func: ast.expr, namespace: dict[str, Any]) -> Hashable:
    known = resolve(func, namespace)
    if isinstance(known, types.FunctionType):
        return known.__code__
    if isinstance(known, type | types.BuiltinFunctionType):
        return f"{known.__module__}.{known.__qualname__}"
    if isinstance(func, ast.Attribute):
        return f".{func.attr}"
    return func.id if isinstance(func, ast.Name) else type(func).__name__


class Durations:
    """The seconds that statements took the last time, by what they call.

    Examples
    --------
    >>> known = Durations()
    >>> known.note(frozenset(["fit"]), 2.0)
    >>> known.of(frozenset(["fit"])), known.of(frozenset(["plot"]))
    (2.0, None)
    """

    def __init__(self) -> None:
        self._seconds: OrderedDict[Called, float] = OrderedDict()

    def of(self, functions: Called) -> float | None:
        """Give the seconds of the last statement that called these functions; None if unknown."""
        return self._seconds.get(functions)

    def note(self, functions: Called, seconds: float) -> None:
        """Take in that a statement which called these functions took so long."""
        self._seconds[functions] = seconds
        self._seconds.move_to_end(functions)
        if len(self._seconds) > MOST:
            self._seconds.popitem(last=False)
