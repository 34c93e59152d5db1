"""Facts about real objects, found without running code of the user's."""

from __future__ import annotations

import types
from collections.abc import Sequence
from itertools import chain, compress
from typing import Any
from weakref import WeakKeyDictionary

from ...system.user_code import is_library_module
from .library_facts import IMMUTABLE


def dotted(type: type) -> str:
    """Give the full name of a type.

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


_known: WeakKeyDictionary[type, bool] = (
    WeakKeyDictionary()
)  # weak: a cell that runs again makes its classes anew


def _immutable(type: type) -> bool:
    if dotted(type) in IMMUTABLE:
        return True
    names = {dotted(base) for base in type.__mro__}
    if "numpy.generic" in names:  # scalars
        return names.isdisjoint({"numpy.void", "numpy.object_"})
    return "enum.Enum" in names and is_library_module(type.__module__)


def frozen(value: object) -> bool:
    """Whether a value can't be changed, nor anything that it holds.

    Examples
    --------
    >>> frozen(("a", 1)), frozen(("a", []))
    (True, False)
    """
    kind: Any = type(value)
    return immutable(kind) or (_closed(kind) and all_frozen([value]))


def all_frozen(values: Sequence[object]) -> bool:
    """Whether each of `values` is frozen, seen at the speed of C.

    Examples
    --------
    >>> all_frozen([1, "a", (2, (3,))]), all_frozen([1, ([],)])
    (True, False)
    """
    level: Sequence[Any] = values
    while level:
        every = set(map(type, level))
        kinds = {kind for kind in every if not immutable(kind)}
        if not all(map(_closed, kinds)):
            return False
        if len(kinds) < len(every):
            level = list(compress(level, map(kinds.__contains__, map(type, level))))
        parts: list[Any] = []
        for kind in kinds:
            plain = frozenset if kind is frozenset else tuple
            mine = level if len(kinds) == 1 else [one for one in level if type(one) is kind]
            parts += chain.from_iterable(map(plain.__iter__, mine))
        level = parts
    return True


def _closed(kind: type) -> bool:
    """Whether values of this type can't be changed, though what they hold may be."""
    return kind is tuple or kind is frozenset or _named_tuple(kind)


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
    """Give an object's attributes, without running code of the user's."""
    try:
        found: dict[str, Any] = object.__getattribute__(thing, "__dict__")
    except (AttributeError, TypeError):
        return {}
    return found


def is_array(thing: Any) -> bool:
    """Whether a thing is a writable array whose items are not objects."""
    plain = dotted(type(thing)) == "numpy.ndarray" and not thing.dtype.hasobject
    return plain and bool(thing.flags.writeable)


def is_plain(thing: Any) -> bool:
    """Whether a thing is an array whose items are not objects."""
    return dotted(type(thing)) == "numpy.ndarray" and not thing.dtype.hasobject
