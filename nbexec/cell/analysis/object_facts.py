"""Facts about real objects, found without running code of the user's."""

from __future__ import annotations

import types
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
