"""The order of sets: whether they have the same one when they are made again elsewhere.

A set gives its items as they lie in its table, which depends on what was added and removed, in
which order, and on how large it ever was.  Pickling keeps none of that: the set is made again
of its items, in the order in which it gives them.  So its order, or that which it has after
something is added to it, may be another one.
"""

from __future__ import annotations

import ctypes
import functools
import io
import operator
import pickle
import sys
from typing import Any

from ...serialize.pickling import pickler
from ..analysis.orders import varying

REASON = "a set would have another order in another process"
_SETS = (set, frozenset)
_MAKES_SET = (pickle.EMPTY_SET + pickle.MEMOIZE, pickle.FROZENSET + pickle.MEMOIZE)


class _Disordered(Exception):
    pass


def disordered(thing: Any) -> bool:
    """Whether a thing holds a set that pickling gives another order, or another table.

    Sets of texts don't count: each process has another order for them anyway.  What can't be
    pickled holds none.

    Examples
    --------
    >>> disordered({"a": [{1, 2, 3}]})
    False
    >>> numbers = set(range(100))
    >>> numbers -= set(range(95))
    >>> disordered({"a": [numbers]})
    True
    """
    seen = _seen(_first(pickle.Pickler), thing)
    if seen is None:  # a class or a function of the notebook's
        seen = _seen(_first(pickler()), thing)
    if seen is None or not any(one in seen for one in _MAKES_SET):
        return seen == b""
    # These bytes may as well be part of a number or a text.
    return _seen(_thorough(), thing) == b""


def holds_varying(thing: Any) -> bool:
    """Whether a thing holds a set that has another order in another process, whatever is sent.

    It is False where it can't be pickled.

    Examples
    --------
    >>> holds_varying([{1, 2}])
    False
    """
    return _seen(_looking_for_varying(), thing) == b""


@functools.cache
def _looking_for_varying() -> Any:
    class Looking(pickler()):  # type: ignore[misc]
        def persistent_id(self, thing: Any) -> None:
            if issubclass(type(thing), _SETS) and varying(thing):
                raise _Disordered

    return Looking


def _seen(kind: Any, thing: Any) -> bytes | None:
    """Pickle something: b"" where a set has another order then, None where it can't be pickled."""
    written = io.BytesIO()
    buffers: list[pickle.PickleBuffer] = []  # apart, so that they aren't copied
    try:
        kind(written, protocol=5, buffer_callback=buffers.append).dump(thing)
    except _Disordered:
        return b""
    except Exception:
        return None
    return written.getvalue()


@functools.cache
def _first(base: Any) -> Any:
    """Give a pickler that looks at sets of the user's classes alone, as fast as pickling is."""
    more = getattr(base, "reducer_override", None)

    class First(base):  # type: ignore[misc]
        def reducer_override(self, thing: Any) -> Any:
            if issubclass(type(thing), _SETS) and not rebuilds(thing):
                raise _Disordered
            return NotImplemented if more is None else more(self, thing)

    return First


@functools.cache
def _thorough() -> Any:
    """Give a pickler that looks at each object."""

    class Thorough(_first(pickler())):  # type: ignore[misc]
        def persistent_id(self, thing: Any) -> None:
            if type(thing) in _SETS and not rebuilds(thing):
                raise _Disordered

    return Thorough


def rebuilds(one: set[Any] | frozenset[Any]) -> bool:
    """Whether a set is like one that is made of its items, in the order in which it gives them.

    Examples
    --------
    >>> rebuilds({8, 0, 16}), rebuilds({0, 8, 16})
    (True, True)
    """
    items = list(one)
    if varying(items):
        return True
    try:
        return same_table(one, set(items))
    except Exception:  # a __hash__ of the user's
        return False


def same_table(one: set[Any] | frozenset[Any], other: set[Any] | frozenset[Any]) -> bool:
    """Whether two equal sets have one order, and would have after the same changes."""
    if len(one) != len(other) or not all(map(operator.is_, one, other)):
        return False
    return table_size(one) == table_size(other) and _traces(one) == _traces(other)


def table_size(one: set[Any] | frozenset[Any]) -> int:
    """Give the bytes of a set, which tell how many slots its table has."""
    return set.__sizeof__(one) if isinstance(one, set) else frozenset.__sizeof__(one)


def ordered(one: set[Any] | frozenset[Any]) -> dict[Any, None] | None:
    """Give the items of a set as the keys of a dict, whose order stays the same everywhere.

    To update a set from it leaves the order that an update from `one` leaves: in both cases
    the table is first made large enough, and the items are added in their order.  Only an
    empty set takes over a table of the right size as it stands; it gives None where that
    would leave another order.
    """
    items = dict.fromkeys(one)
    into: set[Any] = set()
    into.update(items)
    taken_over = table_size(into) == table_size(one)
    return None if taken_over and not all(map(operator.is_, into, one)) else items


def _traces(one: set[Any] | frozenset[Any]) -> tuple[int, int]:
    """Give what earlier changes have left in a set's table: slots of removed items, and where
    `pop` begins; zeros where that can't be seen."""
    if not _layout_is_known():
        return (0, 0)
    fill, used, _, _, _, finger = (ctypes.c_ssize_t * 6).from_address(id(one) + _HEAD)
    return fill - used, finger


_HEAD = object.__basicsize__


@functools.cache
def _layout_is_known() -> bool:
    """Whether a set is laid out as in CPython's ``setobject.h``; tried on one whose past is known.

    No attribute or method tells of removed items; nothing is written there.
    """
    if sys.implementation.name != "cpython" or set.__basicsize__ < _HEAD + 6 * 8:
        return False
    tried = {1, 2, 3}
    tried.discard(2)
    fill, used, mask, _, _, finger = (ctypes.c_ssize_t * 6).from_address(id(tried) + _HEAD)
    if (fill, used, mask, finger) != (3, 2, 7, 0):
        return False
    tried.pop()
    fill, used, _, _, _, finger = (ctypes.c_ssize_t * 6).from_address(id(tried) + _HEAD)
    return (fill, used, finger) == (3, 1, 2)
