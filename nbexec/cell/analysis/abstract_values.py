"""Value: an abstract value, which is all that the analysis knows of a real one."""

from __future__ import annotations

import ast
import functools
import types
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import Any

from .object_facts import all_frozen, frozen, immutable

UNKNOWN: Any = object()
FEW = 50  # functions that are told apart
_CALLED: set[type] = {
    *(types.FunctionType, types.BuiltinFunctionType, types.MethodType, functools.partial, type),
}


def _called(kind: type) -> bool:
    """Whether all that is done with objects of a type is to call them."""
    numpy = kind.__module__ == "numpy" and kind.__name__ in ("_ArrayFunctionDispatcher", "ufunc")
    return kind in _CALLED or numpy


DEEPEST = 3  # tuples inside tuples whose parts are told apart


@dataclass(frozen=True, slots=True, eq=False)
class Value:
    """An abstract value: the facts that are known of a value.

    Attributes
    ----------
    shared : bool
        Whether it may have been there before the iteration, and can be changed.
    sites : frozenset of ast.AST
        Where in the source it may have been made, if it can be changed; `heap.Heap` knows
        what it may hold.  With neither, the value is frozen: nothing can be changed
        through it.
    known : object
        The object itself where it can't be another one, or `UNKNOWN`.
    type : type or None
        Its exact type, where that is known.
    parts : tuple of Value or None
        Its items, where it is known to be a tuple of that many.
    checked : bool
        Whether it is a function that was looked into where it was made.
    gives : Value or None
        What that function returns.
    path : str
        Its documented name, where it was reached through a module.
    options : tuple of object
        The functions or classes of which it is one, where it is known to be one of a few.
    key : tuple or None
        What a name is bound to, where that is a key of the loop's item; see `own_reads`.
    """

    shared: bool = False
    sites: frozenset[ast.AST] = frozenset()
    known: Any = UNKNOWN
    type: type | None = None
    parts: tuple[Value, ...] | None = None
    checked: bool = False
    gives: Value | None = None
    path: str = ""
    options: tuple[Any, ...] = ()
    key: tuple[Any, ...] | None = None

    def _key(self) -> tuple[Any, ...]:
        known = id(self.known)
        options = tuple(map(id, self.options))
        facts = (self.shared, self.sites, known, self.type, self.parts, self.checked)
        return (*facts, self.gives, options, self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Value) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    @property
    def frozen(self) -> bool:
        """Whether nothing can be changed through it."""
        return not (self.shared or self.sites)


FROZEN = Value()
SHARED = Value(shared=True)


Env = dict[str, Value]  # names that are bound, and what to


def join(one: Value, other: Value) -> Value:
    """Give the value that describes either of two."""
    if one == other:
        return one
    parts = gives = None
    if one.parts is not None and other.parts is not None and len(one.parts) == len(other.parts):
        parts = tuple(map(join, one.parts, other.parts))
    if one.gives is not None and other.gives is not None:
        gives = join(one.gives, other.gives)
    return Value(
        one.shared or other.shared,
        one.sites | other.sites,
        one.known if one.known is other.known else UNKNOWN,
        one.type if one.type is other.type else None,
        parts,
        one.checked and other.checked,
        gives,
        options=one.options if one.options == other.options else (),
    )


def joined(values: Iterable[Value]) -> Value:
    """Give the value that describes any of `values`."""
    found: Value | None = None
    for value in values:
        found = value if found is None else join(found, value)
    return FROZEN if found is None else found


def shallow(value: Value, depth: int = DEEPEST) -> Value:
    """Forget the parts of tuples deep inside others, so that recursion comes to an end."""
    if value.gives is not None:
        return replace(value, gives=SHARED)
    if value.parts is None:
        return value
    if depth == 0:
        return replace(value, parts=None)
    return replace(value, parts=tuple(shallow(part, depth - 1) for part in value.parts))


# ---------------------------------------------------------------- of real objects


def value_of(thing: object, path: str = "") -> Value:
    """Describe a real object."""
    return Value(not frozen(thing), known=thing, type=type(thing), path=path)


def describe(items: Sequence[Any]) -> Value:
    """Describe any of `items`.

    Examples
    --------
    >>> describe([1, 2]).shared, describe([(1, [])]).parts[1].shared
    (False, True)
    """
    kinds = set(map(type, items))
    kind = next(iter(kinds)) if len(kinds) == 1 else None
    if all(map(immutable, kinds)):
        return Value(type=kind)
    if kind is tuple:
        sizes = set(map(len, items))
        if len(sizes) == 1 and 0 < len(items[0]) <= 8:
            columns = (list(map(itemgetter(at), items)) for at in range(len(items[0])))
            parts = tuple(map(describe, columns))
            return Value(any(part.shared for part in parts), type=tuple, parts=parts)
    if all(map(_called, kinds)):
        options = tuple({id(one): one for one in items}.values())
        return Value(True, type=kind, options=options if len(options) <= FEW else ())
    return Value(not all_frozen(items), type=kind)


def fits(item: object, expected: Value) -> bool:
    """Whether an item is as the description of all items says.

    Examples
    --------
    >>> fits(3, describe([1, 2])), fits([], describe([1, 2]))
    (True, False)
    """
    found = describe([item])
    return _within(found, expected)


def _within(found: Value, expected: Value) -> bool:
    if found.shared > expected.shared or (expected.type and found.type is not expected.type):
        return False
    if expected.parts is None:
        return True
    parts = found.parts or ()
    return len(parts) == len(expected.parts) and all(map(_within, parts, expected.parts))


def loose(value: Value) -> Value:
    """Forget the exact types of values that can't be changed: any other such will do."""
    if value.parts is not None:
        return replace(value, parts=tuple(map(loose, value.parts)))
    return FROZEN if value.frozen else replace(value, options=())
