"""Brings a value to what another one is, so that whoever has it by another name sees that."""

from __future__ import annotations

import types
from collections import deque
from typing import Any

NOTHING: Any = object()  # where there is no value
_EQUAL = {int, str, bytes, bool, type(None)}


class Changes:
    """The changes of one module: what is one object stays one, what is two becomes two.

    Examples
    --------
    >>> old = {"x": [1]}
    >>> inner = old["x"]
    >>> Changes().brought(old, {"x": [1, 2]}) is old, inner
    (True, [1, 2])
    """

    def __init__(self) -> None:
        self._done: dict[int, tuple[Any, Any]] = {}  # by the new value's id: that, and what it is
        self._used: dict[int, Any] = {}  # old values that are something by now

    def brought(self, old: Any, new: Any) -> Any:
        """Give what `old` has become, or what takes its place.

        Parameters
        ----------
        old : object
            What is there.
        new : object
            What it shall be.
        """
        kind = type(new)
        if kind in _EQUAL:
            return old if type(old) is kind and old == new else new
        if id(new) in self._done:
            return self._done[id(new)][1]
        if type(old) is kind and old is not new and id(old) not in self._used:
            result = self._changed(old, new, kind)
        else:
            result = new
        self._done[id(new)] = new, result
        return result

    def _changed(self, old: Any, new: Any, kind: type) -> Any:
        if kind is object:
            return old
        if kind is tuple:
            return self._tuple(old, new)
        if kind not in (dict, list, set, deque, bytearray) and not _is_plain_instance(old, kind):
            return new
        self._used[id(old)] = old
        self._done[id(new)] = new, old  # it may be in itself
        if kind is dict:
            self._dict(old, new)
        elif kind is list or kind is deque:
            before = [*old]
            after = [
                self.brought(before[at] if at < len(before) else NOTHING, one)
                for at, one in enumerate(new)
            ]
            old.clear()
            old.extend(after)
        elif kind is set:
            old.clear()
            old.update(new)
        elif kind is bytearray:
            old[:] = new
        else:
            self._dict(vars(old), vars(new))
        return old

    def _dict(self, old: dict[Any, Any], new: dict[Any, Any]) -> None:
        after = {key: self.brought(old.get(key, NOTHING), one) for key, one in new.items()}
        old.clear()
        old.update(after)

    def _tuple(self, old: tuple[Any, ...], new: tuple[Any, ...]) -> tuple[Any, ...]:
        if len(old) != len(new):
            return new
        parts = tuple(self.brought(was, one) for was, one in zip(old, new, strict=True))
        return old if all(was is one for was, one in zip(old, parts, strict=True)) else parts


def _is_plain_instance(thing: Any, kind: type) -> bool:
    """Whether all of an object is in its attributes."""
    if kind is types.SimpleNamespace:
        return True
    plain = kind.__basicsize__ <= _Plain.__basicsize__ and kind.__itemsize__ == 0
    own = all(vars(one).get("__slots__", ()) == () for one in kind.__mro__)
    return plain and own and hasattr(thing, "__dict__")


class _Plain:
    pass
