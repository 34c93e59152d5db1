"""The table of a set: whether it would be the same one if it were made again of its items.

A set gives its items as they lie in its table, which depends on what was added and removed, in
which order, and on how large it ever was.
"""

from __future__ import annotations

import ctypes
import functools
import operator
import sys
from typing import Any

from ..analysis.orders import may_be_seeded, varying


def rebuilds(one: set[Any] | frozenset[Any]) -> bool:
    """Whether a set is like one that is made of its items, in the order in which it gives them.

    Examples
    --------
    >>> rebuilds({8, 0, 16}), rebuilds({0, 8, 16})
    (True, True)
    """
    items = list(one)
    if varying(items) and not may_be_seeded():
        return True
    try:
        made = set(items)
        same = len(made) == len(items) and all(map(operator.is_, made, items))
        same = same and table_size(made) == table_size(one) and _traces(one) == (0, 0)
        return same and _slots(made) == _slots(one)
    except Exception:  # a __hash__ of the user's
        return False


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


def _slots(one: set[Any] | frozenset[Any]) -> bytes:
    """Give a set's table as it lies in memory; nothing where that can't be seen.

    Of two numbers that belong into one slot the later one is elsewhere.  That may leave the
    order as it is, and be seen in where the next number goes.
    """
    if not _layout_is_known():
        return b""
    _, _, mask, table = (ctypes.c_ssize_t * 4).from_address(id(one) + _HEAD)
    return ctypes.string_at(table, (mask + 1) * _SLOT)


_HEAD = object.__basicsize__
_SLOT = 2 * ctypes.sizeof(ctypes.c_ssize_t)  # a pointer and a hash


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
