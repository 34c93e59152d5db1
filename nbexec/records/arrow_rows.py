"""Arrow rows: the objects of a model as columns of Arrow."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import functools
import reprlib
import sys
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import OptionError
from .kept_values import LISTED, first_lost

_NAMES = {
    **{bool: "bool_", int: "int64", float: "float64", str: "string", bytes: "binary"},
    datetime.date: "date32",
}
_MICROSECONDS: dict[Any, str] = {
    datetime.datetime: "timestamp",
    datetime.time: "time64",
    datetime.timedelta: "duration",
}
_TIMES = (datetime.datetime, datetime.date, datetime.time, datetime.timedelta)
# Errors of pyarrow, of what it calls, and of a number that is too large.
_WRONG = (ValueError, TypeError, NotImplementedError, OverflowError)
_PLAIN = (bool, int, float, str, bytes, decimal.Decimal, *_TIMES)


def as_dict(value: Any) -> dict[str, Any]:
    """Give a row's fields: of an object of pydantic, msgspec, a dataclass, or a dict.

    Raises
    ------
    OptionError
        It is none of these.

    Examples
    --------
    >>> as_dict({"a": 1})
    {'a': 1}
    """
    if isinstance(value, Mapping):
        return dict(value)
    if hasattr(value, "model_dump"):
        dumped = value.model_dump()
        if isinstance(dumped, dict):
            return dumped
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    elif hasattr(value, "__struct_fields__"):
        found = sys.modules["msgspec"].to_builtins(
            value, builtin_types=(bytes, decimal.Decimal, *_TIMES)
        )
        if isinstance(found, dict):
            return found
    raise OptionError(
        "to_parquet() writes rows: objects of pydantic, msgspec or a dataclass, or dicts, "
        f"not {type(value).__qualname__}"
    )


def first_schema(rows: Sequence[dict[str, Any]], sample: Any) -> Any:
    """Give the schema of a first piece; what is None in all of it has the type of its annotation.

    Parameters
    ----------
    rows : sequence of dict
        The piece.
    sample : object
        One of the objects that they were made of.
    """
    import pyarrow

    hints: dict[str, Any] = {}
    if not isinstance(sample, Mapping):
        try:
            hints = typing.get_type_hints(type(sample))
        except Exception:  # a name that is not there any more
            pass
        models = getattr(type(sample), "model_fields", {})  # which know what a generic one is of
        hints.update((name, one.annotation) for name, one in models.items())
    fields = []
    names = dict.fromkeys(name for row in rows for name in row)
    for name in names:
        kind = column(name, [row.get(name) for row in rows], None).type
        if not _known(kind):
            kind = arrow_type(hints.get(name)) or kind
        _require_writable(name, kind)
        fields.append(pyarrow.field(name, kind))
    return pyarrow.schema(fields)


def batch(rows: Sequence[dict[str, Any]], schema: Any, given: bool = False) -> Any:
    """Give a piece as a RecordBatch of this schema, which may be `given` by the user.

    Raises
    ------
    OptionError
        A field doesn't fit; the message names it.
    """
    import pyarrow

    known = {*schema.names}
    for row in rows:
        if not known.issuperset(row):
            new = next(name for name in row if name not in known)
            raise OptionError(
                f"field {new!r} is not in the schema, which the first rows have given: "
                "give to_parquet() schema="
            )
    columns = [
        column(one.name, [row.get(one.name) for row in rows], one.type, given) for one in schema
    ]
    return pyarrow.RecordBatch.from_arrays(columns, schema=schema)


def column(name: str, values: list[Any], kind: Any, given: bool = False) -> Any:
    """Give one column; enums, UUIDs and the like as what they are written as."""
    import pyarrow

    made = functools.partial(_made, pyarrow, kind=kind, given=given)
    try:
        return made(values)
    except _WRONG:
        pass
    try:
        return made([plain(value) for value in values])
    except _WRONG as error:
        raise OptionError(
            f"field {name!r} does not fit one type of Arrow{'' if kind is None else f', {kind}'}: "
            f"{error}; give to_parquet() schema="
        ) from error


def _made(pyarrow: Any, values: list[Any], kind: Any, given: bool) -> Any:
    found = pyarrow.array(values, kind)
    if given and pyarrow.types.is_timestamp(kind):
        return found  # the user has said what a time without a zone, or with one, is to be
    lost = first_lost(values, found)
    if lost is not None:
        value, written = map(reprlib.repr, lost)
        raise ValueError(f"{value} would be written as {written}")
    return found


def plain(value: Any) -> Any:
    """Give a value as Arrow knows it: of an enum what it stands for, others as their text.

    Examples
    --------
    >>> plain({"colours": {"red"}}), plain(3 + 4j)
    ({'colours': ['red']}, '(3+4j)')
    """
    if isinstance(value, enum.Enum):
        return plain(value.value)
    if isinstance(value, datetime.time) and value.tzinfo is not None:
        return str(value)  # times of Arrow have no zone
    if value is None or isinstance(value, _PLAIN):
        return value
    if isinstance(value, Mapping):
        return {str(plain(key)): plain(one) for key, one in value.items()}
    if isinstance(value, LISTED):
        return [plain(one) for one in value]
    return str(value)


def arrow_type(hint: Any) -> Any:
    """Give the type of Arrow for an annotation; None where that isn't plain."""
    import pyarrow

    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        rest = [one for one in arguments if one is not type(None)]
        return arrow_type(rest[0]) if len(rest) == 1 else None
    if origin in (list, set, frozenset) and arguments:
        inner = arrow_type(arguments[0])
        return None if inner is None else pyarrow.list_(inner)
    if origin is typing.Literal or isinstance(hint, enum.EnumMeta):
        kinds = {type(plain(one)) for one in arguments or hint}
        hint = kinds.pop() if len(kinds) == 1 else None
    if hint in _MICROSECONDS:
        return getattr(pyarrow, _MICROSECONDS[hint])("us")
    name = _NAMES.get(hint) if isinstance(hint, type) else None
    return None if name is None else getattr(pyarrow, name)()


def _require_writable(name: Any, kind: Any) -> None:
    """Raise OptionError where Parquet can't have a field."""
    if not isinstance(name, str):
        raise OptionError(f"field {name!r} has a name that is no text, which Parquet can't have")
    if _hollow(kind):
        raise OptionError(
            f"field {name!r} has empty dicts alone in the first rows, of which Parquet makes no "
            "column: give to_parquet() schema="
        )


def _hollow(kind: Any) -> bool:
    """Whether a part of a type is a struct without fields."""
    import pyarrow

    if pyarrow.types.is_struct(kind) and not kind.num_fields:
        return True
    return any(_hollow(kind.field(at).type) for at in range(kind.num_fields))


def _known(kind: Any) -> bool:
    """Whether a type says what every part of it holds."""
    import pyarrow

    if pyarrow.types.is_null(kind):
        return False
    return all(_known(kind.field(at).type) for at in range(kind.num_fields))
