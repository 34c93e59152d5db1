"""Kinds: what a value of a library is, where its very type isn't known.

A kind stands for a type in `abstract_values.Value.type`.  A "plain" one holds nothing that
could be changed by itself, such as numbers and texts; what it gives is plain again.
"""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

from . import pandas_facts, science_facts, sklearn_facts
from .abstract_values import Value
from .object_facts import fields_of, immutable
from .source import is_own_class


class Kind:
    """The base of all kinds; none of them is ever instantiated."""

    family = ""
    plain = False


class Table(Kind):
    """A pandas object, which may hold anything."""

    family = "pandas"


class Frame(Table):
    """A data frame: an entry of it is a column, or some rows."""


class Groups(Table):
    """What a frame or a series was grouped by: an entry of it is another one."""


class PlainTable(Table):
    """A pandas object, a part of one, or a value from it."""

    plain = True


class PlainFrame(PlainTable):
    """A data frame of numbers, texts and the like."""


class Labels(Table):
    """An index, which gives itself rather than a copy."""


class PlainLabels(PlainTable):
    """An index of numbers, texts and the like."""


class Array(Kind):
    """An array, which may hold anything."""

    family = "numpy"


class PlainArray(Array):
    """An array without objects, a number, or a new container of such."""

    plain = True


class Sparse(Kind):
    """A sparse matrix, or a number of one."""

    family = "sparse"
    plain = True


class Estimator(Kind):
    """An estimator of scikit-learn."""

    family = "sklearn"


def is_kind(value: Value) -> bool:
    """Whether only the kind of a value is known."""
    return value.type is not None and issubclass(value.type, Kind)


def loose(value: Value) -> bool:
    """Whether a value is only known to be of a kind that may hold anything."""
    return is_kind(value) and not value.type.plain  # type: ignore[union-attr]


def family_of(kind: type | None) -> str:
    """Give the library whose tables tell what methods of a type do; "" for none.

    Examples
    --------
    >>> family_of(PlainTable), family_of(list)
    ('pandas', '')
    """
    if kind is None:
        return ""
    found = _families.get(kind)
    if found is None:
        found = _families[kind] = _family_of(kind)
    return found


_families: WeakKeyDictionary[type, str] = WeakKeyDictionary()


def _family_of(kind: type) -> str:
    if issubclass(kind, Kind):
        return kind.family
    top = kind.__module__.partition(".")[0]
    if top not in _LIBRARIES or is_own_class(kind):
        return ""
    if top == "numpy":
        return _NUMPY.get(kind.__name__, "")
    names = {base.__name__ for base in kind.__mro__ if base.__module__.partition(".")[0] == top}
    found = (name for library, of, name in _CLASSES if library == top and names & of)
    return next(found, "")


_NUMPY = {
    "Generator": "random",
    "RandomState": "random",
    "ndarray": "numpy",
    "ufunc": "ufunc",
}
_LIBRARIES = {"networkx", "numpy", "pandas", "scipy", "sklearn"}
_CLASSES = (
    ("pandas", pandas_facts.CLASSES, "pandas"),
    ("sklearn", sklearn_facts.CLASSES, "sklearn"),
    ("scipy", science_facts.DISTRIBUTIONS, "distribution"),
    ("scipy", science_facts.SPARSE, "sparse"),
    ("networkx", science_facts.GRAPHS, "graph"),
)


MOST = 10_000  # entries that are looked at one by one, at the speed of C: about 0.3 ms


def holds_plain(thing: Any) -> bool:
    """Whether a real array, frame, series or index holds nothing that can be changed.

    Examples
    --------
    >>> import numpy as np
    >>> holds_plain(np.zeros(3)), holds_plain(np.array([[], {}], dtype=object))
    (True, False)
    """
    family = family_of(type(thing))
    if family == "numpy":
        return _plain_values(thing)
    if family != "pandas":
        return False
    source = fields_of(thing).get("obj")
    if source is not None:  # what was grouped, or has a window on it
        return holds_plain(source)
    match type(thing).__name__:
        case "DataFrame":
            if thing.shape[1] > WIDEST:
                return False
            # `dtypes` enters `catch_warnings`: what was shown once would be shown again.
            columns = enumerate(thing._mgr.get_dtypes())
            objects = [at for at, kind in columns if not _plain_dtype(kind)]
            return all(holds_plain(one) for one in (thing.index, thing.columns)) and all(
                _plain_series(thing.iloc[:, at]) for at in objects
            )
        case "MultiIndex":
            return all(map(holds_plain, thing.levels))
        case "Series":
            return holds_plain(thing.index) and _plain_series(thing)
    return _plain_series(thing)


def _plain_series(thing: Any) -> bool:
    kind: Any = getattr(thing, "dtype", None)
    if _plain_dtype(kind):
        return True
    if type(kind).__name__ == "CategoricalDtype":
        return holds_plain(kind.categories)
    return _library(kind) == "numpy" and _plain_values(thing)


def _plain_dtype(kind: Any) -> bool:
    """Whether all values of a dtype are numbers, texts, times and the like."""
    if _library(kind) == "numpy":
        return bool(kind.kind != "O") and not kind.hasobject
    return _library(kind) == "pandas" and type(kind).__name__ in _PLAIN_DTYPES


_PLAIN_DTYPES = {
    *("BooleanDtype", "DatetimeTZDtype", "IntervalDtype", "PeriodDtype", "StringDtype"),
    *(f"{sign}Int{bits}Dtype" for sign in ("", "U") for bits in (8, 16, 32, 64)),
    *("Float32Dtype", "Float64Dtype"),
}


def _library(kind: Any) -> str:
    return type(kind).__module__.partition(".")[0]


def _plain_values(thing: Any) -> bool:
    if not thing.dtype.hasobject:
        return True
    if thing.dtype.kind != "O" or thing.size > MOST:
        return False
    values = thing.to_numpy() if hasattr(thing, "to_numpy") else thing.ravel()
    return all(map(immutable, set(map(type, values.tolist()))))


WIDEST = 500  # columns that are looked at
