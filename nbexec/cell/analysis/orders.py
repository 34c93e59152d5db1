"""Orders: where the order of a set of texts is seen, which another process has otherwise.

Texts have another hash in each process, unless ``PYTHONHASHSEED`` says which.  So does what is
made of them, such as a date.  To look something up in such a set is the same everywhere; to go
through it isn't.
"""

from __future__ import annotations

import ast
import datetime
import enum
import itertools
import numbers
import os
import sys
import types
from collections.abc import Collection
from typing import Any

from .abstract_values import UNKNOWN, Value
from .analysis import Analysis
from .heap import ITEMS
from .object_facts import fields_of

REASON = "goes through a set of texts, which has another order in another process"
OTHER = "goes through a set, which may have another order in another process"
ENOUGH = 200  # items that are looked at
SETS = (set, frozenset)
# What these do with the items of a set is the same in any order.
ANY_ORDER = {any, all, set, frozenset, sorted, min, max, len}
_TEXTS = {str, bytes, datetime.date, datetime.datetime, datetime.time}
_NUMBERS = {int, float, complex, bool, range}
_BY_PLACE: tuple[Any, ...] = (object.__hash__, type.__hash__)
if sys.version_info >= (3, 12):
    _NUMBERS.add(type(None))  # its hash was its place in memory


def hashes_differ() -> bool:
    """Whether texts may have other hashes in other processes.

    A variable that was set after the process began says nothing of it, but workers have it.
    """
    return bool(sys.flags.hash_randomization) or os.environ.get("PYTHONHASHSEED") != "0"


def may_be_seeded() -> bool:
    """Whether texts may have the same hashes in each run of this program."""
    return not sys.flags.hash_randomization or "PYTHONHASHSEED" in os.environ


def varying(items: Collection[Any]) -> bool:
    """Whether items have, or may have, other hashes in another process.

    Looked at are the first, and one of each other type.

    Examples
    --------
    >>> varying({1, 2.5}), varying([(1, frozenset([2]))]), varying([object()])
    (False, False, True)
    """
    kinds = set(map(type, items))
    if kinds <= _NUMBERS:
        return False
    some = [*itertools.islice(items, ENOUGH)]
    kinds -= set(map(type, some))
    some += [next(one for one in items if type(one) is kind) for kind in kinds]
    return not all(map(_steady, some))


def _steady(one: Any, depth: int = 4) -> bool:
    """Whether something has the same hash in every process, as far as can be seen."""
    kind = type(one)
    if kind in _NUMBERS or issubclass(kind, numbers.Number):
        return True
    if kind in _TEXTS:
        return not hashes_differ()
    if any(kind.__hash__ is where for where in _BY_PLACE) or depth == 0:
        return False  # by its place in memory
    if issubclass(kind, enum.Enum):
        return not hashes_differ()
    parts: list[Any] = [*fields_of(one).values()]
    if isinstance(one, tuple | frozenset):
        parts += one
    slots = (name for base in kind.__mro__ for name in _listed(vars(base).get("__slots__", ())))
    parts += [getattr(one, name) for name in slots if _is_member(kind, name) and hasattr(one, name)]
    return bool(parts or kind in (tuple, frozenset)) and all(
        _steady(part, depth - 1) for part in parts
    )


def _listed(slots: Any) -> tuple[str, ...]:
    return (slots,) if isinstance(slots, str) else tuple(slots)


def _is_member(kind: type, name: str) -> bool:
    """Whether reading an attribute runs no code of the user's."""
    found = [vars(base)[name] for base in kind.__mro__ if name in vars(base)]
    return bool(found) and isinstance(found[0], types.MemberDescriptorType)


def seen(analysis: Analysis, node: ast.AST, value: Value) -> None:
    """Take in that the order of a value's items is seen, if it is a set."""
    if analysis.one_process is not None:
        return
    line = getattr(node, "lineno", 0)
    known = value.known
    if known is not UNKNOWN:
        if type(known) in SETS and varying(known):
            analysis.one_process = line, REASON if _TEXTS & set(map(type, known)) else OTHER
        return
    if value.type not in SETS:
        return
    if value.shared:  # whichever of those that are there
        analysis.set_from_outside = line, OTHER
    elif hashes_differ() and _may_be_text(analysis.heap.get(value, ITEMS)):
        analysis.one_process = line, REASON


def _may_be_text(item: Value) -> bool:
    if item.parts is not None:
        return any(map(_may_be_text, item.parts))
    return item.type in (str, bytes)
