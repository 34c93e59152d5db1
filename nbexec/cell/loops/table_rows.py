"""``df.loc[k, "c"] = slow(df.loc[k, "a"])``: a loop over labels, as one over those with entries.

Where a loop stores in some columns of a frame and reads others, at the label of its item alone,
what it reads is there before it begins: it is read for all items, and is a name of the target.
"""

from __future__ import annotations

import ast
import copy
import sys
from typing import Any

from ..analysis import accumulators
from ..analysis.bindings import names_bound
from .find import ItemLoop
from .split import row_name
from .table_stores import arrays_of, is_table, stored_tables

_LABELS = ("Index", "RangeIndex")
_MOST_COLUMNS = 50
_MAY_GO = {"dir", "vars", "locals", "globals", "eval", "exec"}


class TableRows:
    """A loop over labels of a frame, of which it reads some columns and stores others.

    Parameters
    ----------
    loop : ItemLoop
        The loop.
    name : str
        The frame's name.
    columns : dict
        The columns that are read, with an expression that reads each.
    namespace : dict
        The notebook's names.

    Attributes
    ----------
    over : ItemLoop
        The loop over tuples of a label and the entries.
    instead : ast.For
        The loop over the same tuples that reads the entries itself.
    tables : StoredTables
        The frame.
    """

    def __init__(
        self, loop: ItemLoop, name: str, columns: dict[str, ast.expr], namespace: dict[str, Any]
    ) -> None:
        node = loop.node
        assert isinstance(node, ast.For)
        assert isinstance(node.target, ast.Name)
        self._table, self._columns = namespace[name], [*columns]
        self.tables = stored_tables(loop, namespace)
        names = {column: row_name(at) for at, column in enumerate(columns)}
        parts = [ast.Name(one, ast.Store()) for one in (node.target.id, *names.values())]
        target = ast.Tuple(list[ast.expr](parts), ast.Store())
        for part in (target, *parts):
            ast.copy_location(part, node.target)
        self.instead = copy.deepcopy(node)
        self.instead.target = target
        made = copy.deepcopy(self.instead)
        made.body = [_Entries(name, node.target.id, names).visit(stmt) for stmt in made.body]
        sites = accumulators.find(made, namespace)
        self.over = ItemLoop(
            made,
            made,
            loop.what,
            sites,
            loop.bound,
            frozenset(part.id for part in parts),
            rows=tuple(map(ast.unparse, columns.values())),
        )

    def items(self, labels: list[Any]) -> list[tuple[Any, ...]] | None:
        """Give each label with its entries; None where a store may change what others read."""
        table = self._table
        index, columns = table.index, table.columns
        if {type(one).__name__ for one in (index, columns)} - {*_LABELS}:
            return None
        if not (index.is_unique and columns.is_unique) or not {*self._columns} <= {*columns}:
            return None
        # A label that isn't there would be added, and other columns get another type.
        if not {type(one) for one in labels} <= {int, str} or not {*labels} <= {*index}:
            return None
        if _share_memory(table._mgr.arrays):
            return None
        places = index.get_indexer(labels)
        if min(places, default=0) < 0:  # 1 is equal to True, and no label where that is one
            return None
        found = [table[column].array for column in self._columns]
        return [
            (label, *(one[at] for one in found)) for label, at in zip(labels, places, strict=True)
        ]


def table_rows(loop: ItemLoop, namespace: dict[str, Any]) -> TableRows | None:
    """Give a loop over labels of a frame; None for any other.

    Parameters
    ----------
    loop : ItemLoop
        The loop.
    namespace : dict
        The notebook's names.

    Examples
    --------
    >>> import pandas
    >>> from nbexec.cell.loops.find import find_loop
    >>> names = {"df": pandas.DataFrame({"a": ["x", "yy"]})}
    >>> text = "for k in df.index: df.loc[k, 'n'] = len(df.loc[k, 'a'])"
    >>> rows = table_rows(find_loop(ast.parse(text).body[0], names), names)
    >>> rows.items([0, 1])
    [(0, 'x'), (1, 'yy')]
    """
    node = loop.node
    if not isinstance(node, ast.For) or not isinstance(node.target, ast.Name) or loop.mapped:
        return None
    key = node.target.id
    found = stored_tables(loop, namespace)
    bound = names_bound(node.body)
    if key in bound or loop.defs or len(found.tables) != 1:
        return None
    ((name, table),) = found.tables.items()
    if not is_table(table) or table.ndim != 2 or name in bound:
        return None
    parts = [part for stmt in node.body for part in ast.walk(stmt)]
    reads: dict[str, ast.expr] = {}
    written: set[str] = set()
    own: set[int] = set()
    for part in parts:
        column = _column(part, name, key)
        if column is None:
            continue
        own.add(id(part.value.value))  # type: ignore[attr-defined]
        if isinstance(part.ctx, ast.Load):  # type: ignore[attr-defined]
            reads.setdefault(column, part)  # type: ignore[arg-type]
        elif part.value in found.places:  # type: ignore[attr-defined]
            written.add(column)
        else:
            return None
    others = [
        part
        for part in parts
        if isinstance(part, ast.Name) and part.id in {name, *_MAY_GO} and id(part) not in own
    ]
    if others or not reads or written & reads.keys():
        return None
    return TableRows(loop, name, reads, namespace)


def _column(node: ast.AST, name: str, key: str) -> str | None:
    """Give the column of ``df.loc[key, "column"]``, or of ``df.at``; None for anything else."""
    match node:
        case ast.Subscript(
            ast.Attribute(ast.Name(table), "loc" | "at"),
            ast.Tuple([ast.Name(label), ast.Constant(str(column))]),
        ) if (table, label) == (name, key):
            return column
    return None


def _share_memory(columns: Any) -> bool:
    """Whether two columns of a frame may be the same memory."""
    numpy = sys.modules["numpy"]
    if len(columns) > _MOST_COLUMNS:
        return True
    arrays = [arrays_of([column]) for column in columns]
    if any(_overlaps_itself(one) for mine in arrays for one in mine):
        return True
    return any(
        numpy.may_share_memory(one, other)
        for at, mine in enumerate(arrays)
        for theirs in arrays[:at]
        for one in mine
        for other in theirs
    )


def _overlaps_itself(array: Any) -> bool:
    """Whether two entries of an array may be the same memory, as those of sliding windows are."""
    reach = array.itemsize
    steps = sorted(
        (abs(step), count) for step, count in zip(array.strides, array.shape, strict=True)
    )
    for step, count in steps:
        if count > 1:
            if step < reach:
                return True
            reach += step * (count - 1)
    return False


class _Entries(ast.NodeTransformer):
    def __init__(self, name: str, key: str, names: dict[str, str]) -> None:
        self._name, self._key, self._names = name, key, names

    def visit_Subscript(self, node: ast.Subscript) -> Any:
        column = _column(node, self._name, self._key)
        if column is not None and isinstance(node.ctx, ast.Load):
            return ast.copy_location(ast.Name(self._names[column], ast.Load()), node)
        return self.generic_visit(node)
