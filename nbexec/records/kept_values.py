"""Kept values: whether a column of Arrow says what the values do that it was made of.

Where it is told a type, pyarrow makes a 1 of 1.5, a date of a datetime, and nothing at all of a
key that a struct doesn't have, and says nothing.
"""

from __future__ import annotations

import datetime
import decimal
import enum
import numbers
from collections.abc import Callable, Mapping, Sequence
from typing import Any

LISTED = (list, tuple, set, frozenset)
_COMPARED = (numbers.Number, datetime.date, datetime.time, datetime.timedelta)
_WRITTEN = (*_COMPARED, *LISTED, Mapping, str, bytes)


def first_lost(values: Sequence[Any], made: Any) -> tuple[Any, Any] | None:
    """Give the first value that a column doesn't keep, and what it has; None where all are kept.

    Parameters
    ----------
    values : sequence
        What the column was made of.
    made : pyarrow.Array
        The column.
    """
    from pyarrow import types

    found, kind = {*map(type, values)} - {type(None)}, made.type
    if _all(found, enum.Enum):
        return first_lost([None if one is None else one.value for one in values], made)
    if _all(found, Mapping) and types.is_struct(kind):
        return _first_of_fields(values, made)
    if _all(found, LISTED) and (types.is_list(kind) or types.is_large_list(kind)):
        return first_lost(
            [one for some in values if some is not None for one in some], made.flatten()
        )
    if _surely_kept(values, found, kind):
        return None
    pairs = zip(values, made.to_pylist(), strict=True)
    return next((pair for pair in pairs if not _same(*pair)), None)


def _all(found: set[type], kinds: Any) -> bool:
    return bool(found) and all(issubclass(one, kinds) for one in found)


def _first_of_fields(values: Sequence[Any], made: Any) -> tuple[Any, Any] | None:
    """Give the same of a column of structs, field by field: not value by value, which is slow."""
    names = [made.type.field(at).name for at in range(made.type.num_fields)]
    known = {*names}
    for value in values:
        if value is not None and not known.issuperset(value):
            return value, {name: value.get(name) for name in names}
    for at, name in enumerate(names):
        column = [None if value is None else value.get(name) for value in values]
        lost = first_lost(column, made.field(at))
        if lost is not None:
            return lost
    return None


def _surely_kept(values: Sequence[Any], found: set[type], kind: Any) -> bool:
    """Whether the types say it, without a look at each value."""
    from pyarrow import types

    if any(issubclass(one, (*LISTED, Mapping, enum.Enum)) for one in found):
        return False
    compared = {one for one in found if issubclass(one, _COMPARED)}
    if not compared:  # text, bytes and others: pyarrow refuses what it would change
        return True
    if compared == {datetime.datetime}:
        aware = {one.tzinfo is not None for one in values if isinstance(one, datetime.datetime)}
        return types.is_timestamp(kind) and aware == {kind.tz is not None}
    kept: dict[type, Callable[[Any], bool]] = {
        bool: types.is_boolean,
        float: types.is_floating,
        int: types.is_integer,
        decimal.Decimal: types.is_decimal,
        datetime.date: types.is_date,
        datetime.timedelta: types.is_duration,
    }
    fits = kept.get(next(iter(found))) if found == compared and len(found) == 1 else None
    return fits is not None and fits(kind)


def _same(value: Any, written: Any) -> bool:
    if isinstance(value, enum.Enum):
        return _same(value.value, written)
    if written is None:  # also of what pandas and NumPy have for a missing one
        return value is None or not isinstance(value, _WRITTEN) or bool(value != value)
    if isinstance(value, Mapping):
        there = written if isinstance(written, dict) else dict(written)  # of a map: its pairs
        return all(key in there and _same(one, there[key]) for key, one in value.items())
    if isinstance(value, LISTED):
        return len(value) == len(written) and all(map(_same, value, written))
    # A float may have fewer digits by a schema that says so, and text is all that others are.
    if isinstance(written, float | str) or not isinstance(value, _COMPARED):
        return True
    return bool(value == written)
