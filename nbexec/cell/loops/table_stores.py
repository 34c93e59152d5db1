"""``df.loc[k, "c"] = slow(k)``: tables that a loop stores into, in the kernel and in its order.

Each store is pandas' own, in its turn, so that types change, rows are added, and warnings and
exceptions come as in the plain loop.  What is computed ahead of it must read nothing of the
table, nor of an array that has its memory.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ..analysis import aliases
from ..analysis.analysis import Refusal
from ..analysis.bindings import inside
from ..analysis.object_facts import dotted
from ..analysis.source import is_own_class
from .find import ItemLoop

INDEXERS = ("loc", "iloc", "at", "iat")
_TABLES = {"pandas.core.frame.DataFrame", "pandas.core.series.Series"}
_TABLES |= {"pandas.DataFrame", "pandas.Series"}  # since pandas 3
# What objects of these refer to is known; others may have the memory of a table unseen.
_SEEN_THROUGH = {"builtins", "collections", "functools", "types", "numpy", "pandas"}
_SEEN_THROUGH |= {"datetime", "pathlib", "re", "weakref"}


def is_table(thing: Any) -> bool:
    """Whether a thing is a frame or a series of pandas, and of no class derived from those."""
    return dotted(type(thing)) in _TABLES


@dataclass(frozen=True)
class StoredTables:
    """The tables that a loop stores into.

    Attributes
    ----------
    tables : dict
        By their names.
    places : frozenset of ast.expr
        What is stored into, in the body: ``df.loc``, or the name of a table itself.
    line : int
        Where the first of these is.
    """

    tables: dict[str, Any]
    places: frozenset[ast.expr]
    line: int

    def check(self, roots: Iterable[Any]) -> None:
        """Raise a `Refusal` where `roots` lead to a table, or to memory of one."""
        if not self.tables:
            return
        name = min(self.tables)
        try:
            held, memory = self._held()
            for found in aliases.generations(roots):
                if not held.isdisjoint(found) or _has_memory(found.values(), memory):
                    reason = f"changes `{name}` in place, which what is computed ahead reads"
                    raise Refusal(self.line, reason)
        except aliases.TooLarge:
            reason = "and there is too much to see whether others read it"
            raise Refusal(self.line, f"changes `{name}` in place, {reason}") from None

    def _held(self) -> tuple[set[int], list[Any]]:
        """Give the ids of the tables and of what keeps their columns, and the arrays of these."""
        managers = [one._mgr for one in self.tables.values()]
        held = {id(one) for one in (*self.tables.values(), *managers)}
        return held, [one for manager in managers for one in arrays_of(manager.arrays)]


def arrays_of(columns: Iterable[Any]) -> list[Any]:
    """Give the arrays of NumPy that columns keep their values in."""
    numpy = sys.modules["numpy"]
    return [one for one in aliases.reachable(columns) if isinstance(one, numpy.ndarray)]


def _has_memory(found: Iterable[Any], memory: list[Any]) -> bool:
    """Whether an object has memory of a table, or may have it unseen."""
    numpy = sys.modules["numpy"]
    for one in found:
        kind = type(one)
        if isinstance(one, numpy.ndarray):
            if any(numpy.may_share_memory(one, other) for other in memory):
                return True
        elif kind.__module__.partition(".")[0] not in _SEEN_THROUGH and not is_own_class(kind):
            return True
    return False


def stored_tables(loop: ItemLoop, namespace: dict[str, Any]) -> StoredTables:
    """Give the tables of the notebook that the body of a loop stores into.

    Parameters
    ----------
    loop : ItemLoop
        A for loop.
    namespace : dict
        The notebook's names.

    Examples
    --------
    >>> import pandas
    >>> from nbexec.cell.loops.find import find_loop
    >>> loop = find_loop(ast.parse("for k in [0]: df.loc[k, 'n'] = len(k)").body[0], {})
    >>> [*stored_tables(loop, {"df": pandas.DataFrame()}).tables], loop.sites
    (['df'], {})
    """
    body = loop.node.body if isinstance(loop.node, ast.For) else []
    changed = loop.bound | loop.targets | loop.accumulators
    tables: dict[str, Any] = {}
    places: dict[ast.expr, int] = {}
    for target in stores(body):
        name = table_name(target.value)
        if name is not None and name not in changed and is_table(namespace.get(name)):
            tables[name] = namespace[name]
            places[target.value] = target.lineno
    return StoredTables(tables, frozenset(places), min(places.values(), default=0))


def stores(body: list[ast.stmt]) -> Iterator[ast.Subscript]:
    """Give the places that ``place[key] = value`` stores into."""
    for stmt in inside(body):
        match stmt:
            case ast.Assign([ast.Subscript() as target]):
                yield target


def table_name(node: ast.expr) -> str | None:
    """Give the name of the table that ``df.loc``, or ``df``, is of; None for anything else."""
    match node:
        case ast.Name(name):
            return name
        case ast.Attribute(ast.Name(name), indexer) if indexer in INDEXERS:
            return name
    return None
