"""Brings a value to what another one is, so that whoever has it by another name sees that."""

from __future__ import annotations

import abc
import contextlib
import copyreg
import pickle
import sys
import types
from collections import Counter, OrderedDict, defaultdict, deque
from typing import Any, Generic, Protocol

from .module_facts import VALUE, fact
from .unsent_values import KEEP

NOTHING: Any = object()  # where there is no value
_HEAP = 1 << 9  # the flag of classes that were made by a `class` statement, or like one
_DICTS: set[type] = {dict, defaultdict, OrderedDict, Counter}
_CONTAINERS = {*_DICTS, list, set, deque, bytearray}
_BARE: set[Any] = {abc.ABC, Generic, Protocol}  # of the standard library, without a state
_RANDOM = ("Random", "SystemRandom", "Generator", "RandomState")
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

    def is_now(self, new: Any, found: Any) -> None:
        """Take in that something is an object that is there already."""
        self._done[id(new)] = new, found
        self._used[id(found)] = found

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
        if new is KEEP:
            return old
        if id(new) in self._done:
            return self._done[id(new)][1]
        if type(old) is kind and old is not new and id(old) not in self._used:
            result = self._changed(old, new, kind)
        else:
            result = new
            self._clean(new, kind)
        self._done[id(new)] = new, result
        return result

    def _changed(self, old: Any, new: Any, kind: type) -> Any:
        if kind is object:
            return old
        if kind is tuple:
            return self._tuple(old, new)
        if kind is types.FunctionType:
            known = fact(old)
            return old if known is not VALUE and known == fact(new) else new
        if not is_changed_in_place(old):
            return self._other(old, new, kind)
        self._used[id(old)] = old
        self._done[id(new)] = new, old  # it may be in itself
        if kind in _DICTS:
            self._dict(old, new)
            if kind is defaultdict:
                old.default_factory = new.default_factory
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
            self._dict(getattr(old, "__dict__", {}), getattr(new, "__dict__", {}))
            for name in copyreg._slotnames(kind):  # type: ignore[attr-defined]  # as pickle does
                if hasattr(new, name):
                    was = getattr(old, name, NOTHING)
                    object.__setattr__(old, name, self.brought(was, getattr(new, name)))
                elif hasattr(old, name):
                    object.__delattr__(old, name)
        return old

    def _clean(self, new: Any, kind: type) -> None:
        """Take out what stands for parts that are not there."""
        own = new if kind is dict else getattr(new, "__dict__", None)
        if type(own) is dict:
            for key in [key for key, one in own.items() if one is KEEP]:
                del own[key]

    def _other(self, old: Any, new: Any, kind: type) -> Any:
        """Keep what is there of a library's, where nothing of it has changed."""
        if kind.__module__ == "numpy" and kind.__name__ == "ndarray":
            same = old.shape == new.shape and old.dtype == new.dtype and old.flags.writeable
            if same and not old.dtype.hasobject:
                old[...] = new
                self._used[id(old)] = old
                return old
            return new
        if kind.__name__ in _RANDOM and kind.__module__.partition(".")[0] in ("random", "numpy"):
            return old  # each worker has its own
        with contextlib.suppress(Exception):
            if pickle.dumps(old, protocol=5) == pickle.dumps(new, protocol=5):
                return old
        return new

    def _dict(self, old: dict[Any, Any], new: dict[Any, Any]) -> None:
        after = {key: self.brought(old.get(key, NOTHING), one) for key, one in new.items()}
        old.clear()
        old.update({key: one for key, one in after.items() if one is not NOTHING})

    def _tuple(self, old: tuple[Any, ...], new: tuple[Any, ...]) -> tuple[Any, ...]:
        if len(old) != len(new):
            return new
        parts = tuple(self.brought(was, one) for was, one in zip(old, new, strict=True))
        return old if all(was is one for was, one in zip(old, parts, strict=True)) else parts


def is_changed_in_place(thing: Any) -> bool:
    """Whether a value becomes another one without being replaced.

    Examples
    --------
    >>> is_changed_in_place([1]), is_changed_in_place("text")
    (True, False)
    """
    kind = type(thing)
    return kind in _CONTAINERS or _is_plain_instance(thing, kind)


def _is_plain_instance(thing: Any, kind: type) -> bool:
    """Whether all of an object is in its attributes and slots."""
    if kind is types.SimpleNamespace:
        return True
    return all(one is object or one.__flags__ & _HEAP for one in kind.__mro__) and not any(
        one.__module__.partition(".")[0] in sys.stdlib_module_names
        for one in kind.__mro__[:-1]
        if one not in _BARE
    )
