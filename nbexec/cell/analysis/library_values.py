"""LibraryValues: what objects of pandas and NumPy give when they are read or computed with."""

from __future__ import annotations

import ast
import types
from collections.abc import Iterable
from dataclasses import replace

from .abstract_values import SHARED, UNKNOWN, Value, join
from .analysis import Analysis
from .heap import ITEMS, KEYS
from .library_kinds import (
    MOST,
    Frame,
    Groups,
    Kind,
    Labels,
    PlainArray,
    PlainFrame,
    PlainLabels,
    PlainTable,
    Sparse,
    Table,
    family_of,
    holds_plain,
)
from .object_facts import immutable

DEEPEST = 4  # lists in lists that are looked into


def linked(value: Value, kind: type[Kind]) -> Value:
    """Describe a view of a value: what is changed in it is changed in the value."""
    return Value(value.shared, value.sites, type=kind)


def is_frame(value: Value) -> bool:
    """Whether a value is a data frame, whose entries are columns or some of its rows."""
    kind = value.type
    return kind in (Frame, PlainFrame) or (
        kind is not None and kind.__name__ == "DataFrame" and family_of(kind) == "pandas"
    )


def is_index(value: Value) -> bool:
    """Whether a value is an index, whose methods may give itself."""
    kind = value.type
    if kind in (Labels, PlainLabels):
        return True
    names = {base.__name__ for base in kind.__mro__} if kind is not None else set()
    return family_of(kind) == "pandas" and "Index" in names


def is_grouped(value: Value) -> bool:
    """Whether a value is what a frame or a series was grouped by, or a window on it."""
    kind = value.type
    names = {base.__name__ for base in kind.__mro__} if kind is not None else set()
    return kind is Groups or (
        family_of(kind) == "pandas"
        and not names.isdisjoint({"BaseGroupBy", "BaseWindow", "Resampler"})
    )


def several(key: Value) -> bool:
    """Whether a subscript is a list, a mask or a slice: it gives rows, or several columns."""
    return key.type in (list, slice) or family_of(key.type) in ("numpy", "pandas")


class LibraryValues:
    """Describes parts of objects of libraries.

    Parameters
    ----------
    analysis : Analysis
        The state of the whole analysis.
    """

    def __init__(self, analysis: Analysis) -> None:
        self.analysis = analysis

    def plain(self, value: Value, depth: int = DEEPEST) -> bool:
        """Whether a value, or all that it holds, are numbers, texts and the like."""
        if value.frozen:
            return True
        if value.known is not UNKNOWN:
            return self._known_plain(value.known)
        if value.type is not None and issubclass(value.type, Kind):
            return value.type.plain and self.stored(value).frozen
        if depth and value.parts is not None:
            return all(self.plain(part, depth - 1) for part in value.parts)
        if depth and value.type in (list, tuple, set, dict) and not value.shared:
            return self.plain(self.analysis.heap.get(value, ITEMS, KEYS), depth - 1)
        return False

    def _known_plain(self, thing: object) -> bool:
        found = self.analysis.plain.get(id(thing))
        if found is None:
            found = self.analysis.plain[id(thing)] = _all_plain(thing)
        return found

    def fresh(self, node: ast.AST, kind: type[Kind], held: Value = SHARED) -> Value:
        """Describe something new, which may hold `held` where it is not plain."""
        value = Value(sites=frozenset([node]), type=kind)
        if not kind.plain:
            self.analysis.heap.put(value, ITEMS, held)
        return value

    def stored(self, value: Value) -> Value:
        """Describe what was stored in an object of the iteration's own."""
        return self.analysis.heap.get(replace(value, shared=False), ITEMS, KEYS)

    def part(self, value: Value, key: Value | None = None) -> Value | None:
        """Describe an entry, or an item of an iteration; None where the tables don't tell.

        With a `key`, it is a subscript, which of a frame is a column or some of its rows.
        """
        family = family_of(value.type)
        if family == "sparse" and key is not None:
            return linked(value, Sparse)
        if family not in ("pandas", "numpy"):
            return None
        rows = key is not None and is_frame(value) and several(key)
        if self.plain(value):
            kind: type[Kind] = PlainArray if family == "numpy" else PlainTable
            kind = PlainFrame if rows else PlainLabels if is_index(value) else kind
            found = linked(value, kind)
            held = self.stored(value)
            return found if held.frozen else join(found, held)
        if key is not None and (is_frame(value) or is_grouped(value)):
            return linked(value, Groups if is_grouped(value) else Frame if rows else Table)
        return None

    def computed(self, values: Iterable[Value]) -> type[Kind] | None:
        """Give the kind of what an operator gives; None where it isn't known."""
        families = {family_of(one.type) for one in values if not one.frozen}
        if not families or families - {"pandas", "numpy"} or not all(map(self.plain, values)):
            return None
        return PlainTable if "pandas" in families else PlainArray


def _all_plain(thing: object) -> bool:
    if isinstance(thing, types.FunctionType | types.BuiltinFunctionType | type):
        return False
    if type(thing) in (list, tuple, set):
        if len(thing) > MOST:  # type: ignore[arg-type]
            return False
        return all(
            immutable(kind)
            for kind in set(map(type, thing))  # type: ignore[call-overload]
        ) or (len(thing) <= 100 and all(map(holds_plain, thing)))  # type: ignore[arg-type, call-overload]
    if type(thing) is dict:
        return len(thing) <= 1_000 and all(map(_all_plain_or_fixed, (*thing, *thing.values())))
    return holds_plain(thing)


def _all_plain_or_fixed(thing: object) -> bool:
    return immutable(type(thing)) or holds_plain(thing)
