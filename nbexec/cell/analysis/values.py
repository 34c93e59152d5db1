"""What the analysis knows of a value, instead of the value itself."""

from __future__ import annotations

import ast
import types
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any
from weakref import WeakKeyDictionary

from .library_facts import IMMUTABLE

UNKNOWN: Any = object()
DEEPEST = 3  # tuples inside tuples whose parts are told apart


@dataclass(frozen=True, slots=True, eq=False)
class Value:
    """What is known of a value.

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
    """

    shared: bool = False
    sites: frozenset[ast.AST] = frozenset()
    known: Any = UNKNOWN
    type: type | None = None
    parts: tuple[Value, ...] | None = None
    checked: bool = False
    gives: Value | None = None
    path: str = ""

    def _key(self) -> tuple[Any, ...]:
        known = id(self.known)
        return (self.shared, self.sites, known, self.type, self.parts, self.checked, self.gives)

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
    """Give what is known of a value that is either of two."""
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
    )


def joined(values: Iterable[Value]) -> Value:
    """Give what is known of a value that is any of `values`."""
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


# ---------------------------------------------------------------- real objects


def dotted(type: type) -> str:
    """Name a type as it is known to its module.

    Examples
    --------
    >>> dotted(int)
    'builtins.int'
    """
    return f"{type.__module__}.{type.__qualname__}"


def immutable(type: Any) -> bool:
    """Whether values of exactly this type can't be changed, nor reach what can.

    Examples
    --------
    >>> immutable(str), immutable(tuple)  # a tuple may hold a list
    (True, False)
    """
    found = _known.get(type)
    if found is None:
        found = _known[type] = _immutable(type)
    return found


_known: WeakKeyDictionary[type, bool] = WeakKeyDictionary()  # a cell that runs again makes anew


def _immutable(type: type) -> bool:
    if dotted(type) in IMMUTABLE:
        return True
    names = {dotted(base) for base in type.__mro__}
    if "numpy.generic" in names:  # scalars
        return names.isdisjoint({"numpy.void", "numpy.object_"})
    return "enum.Enum" in names and _installed(type)


def _installed(type: type) -> bool:
    from .source import is_library_module

    return is_library_module(type.__module__)


def frozen(value: object) -> bool:
    """Whether a value can't be changed, nor anything that it holds.

    Examples
    --------
    >>> frozen(("a", 1)), frozen(("a", []))
    (True, False)
    """
    kind: Any = type(value)
    if immutable(kind):
        return True
    if kind is tuple or kind is frozenset or _named_tuple(kind):
        return all(map(immutable, set(map(type, value)))) or all(map(frozen, value))  # type: ignore[call-overload]
    return False


def _named_tuple(kind: type) -> bool:
    return issubclass(kind, tuple) and hasattr(kind, "_fields") and not kind.__dictoffset__


def read_once(kind: type) -> bool:
    """Whether reading an object of this type changes it: an iterator, a coroutine.

    Examples
    --------
    >>> read_once(zip), read_once(list)
    (True, False)
    """
    names = ("__next__", "__anext__")
    return any(defines(kind, one) for one in names) or issubclass(kind, types.CoroutineType)


def defines(kind: type, name: str) -> bool:
    """Whether a class has an attribute; its metaclass isn't asked, which may be the user's."""
    return any(name in vars(base) for base in kind.__mro__)


def fields_of(thing: object) -> dict[str, Any]:
    """Give what an object holds by name, without running code of the user's."""
    try:
        found: dict[str, Any] = object.__getattribute__(thing, "__dict__")
    except (AttributeError, TypeError):
        return {}
    return found


def value_of(thing: object, path: str = "") -> Value:
    """Describe an object that is there already."""
    return Value(not frozen(thing), known=thing, type=type(thing), path=path)


def describe(items: Sequence[Any]) -> Value:
    """Describe what any of `items` is.

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
            parts = tuple(describe(column) for column in zip(*items, strict=True))
            return Value(any(part.shared for part in parts), type=tuple, parts=parts)
    return Value(not all(map(frozen, items)), type=kind)


def fits(item: object, expected: Value) -> bool:
    """Whether an item is what was expected of all of them.

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
    return FROZEN if value.frozen else value


# ---------------------------------------------------------------- arrays


def is_array(thing: Any) -> bool:
    """Whether a thing is an array that can be stored in, whose items are no objects."""
    plain = dotted(type(thing)) == "numpy.ndarray" and not thing.dtype.hasobject
    return plain and bool(thing.flags.writeable)


def is_plain(thing: Any) -> bool:
    """Whether a thing is an array whose items are no objects."""
    return dotted(type(thing)) == "numpy.ndarray" and not thing.dtype.hasobject
