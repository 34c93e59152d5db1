"""The ways of calling a function on items, each compared with the plain loop."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import nbexec


def by_map(function: Callable[[Any], Any], items: Iterable[Any], backend: str) -> list[Any]:
    """Give what `nbexec.map` gives."""
    return [*nbexec.map(function, items, backend=backend)]


def by_executor(function: Callable[[Any], Any], items: Iterable[Any], backend: str) -> list[Any]:
    """Give what an executor gives that is there for this alone."""
    with nbexec.Executor(backend, workers=2) as executor:
        return [*executor.map(function, items)]


def by_cell(function: Callable[[Any], Any], items: Iterable[Any], backend: str) -> list[Any]:
    """Give what a comprehension of a cell gives under ``%%parallel``."""
    names = {"function": function, "items": items}
    nbexec.parallel("values = [function(x) for x in items]", names, backend=backend)
    found: list[Any] = names["values"]  # type: ignore[assignment]
    return found


WAYS = {"map": by_map, "Executor": by_executor, "%%parallel": by_cell}
__all__ = ["WAYS", "by_cell", "by_executor", "by_map"]
