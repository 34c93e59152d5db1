"""Classes that can't be imported: how they arrive, and return as themselves.

A worker gets such a class by value.  When it gives it back, the kernel gets its own one, not
a copy, and nothing of it is changed: each has a name that both sides know.
"""

from __future__ import annotations

import abc
import contextlib
import enum
import functools
import pickle
import threading
import types
import typing
import weakref
from collections.abc import Iterator
from typing import Any

from ..system import after_fork

_lock = threading.RLock()
after_fork.renew(_lock)

_sent_classes: weakref.WeakSet[type] = weakref.WeakSet()
_came_classes: weakref.WeakSet[type] = weakref.WeakSet()
_set_names: weakref.WeakKeyDictionary[type, set[str]] = weakref.WeakKeyDictionary()

_MEMBERS, _REGISTERED = "members", "registered"
_OF_ENUM = {"_value_", "_name_", "_sort_order_", "__objclass__", "_inverted_"}


class Tracker:
    """cloudpickle's own table of classes that it sent by value: other users of it agree on them."""

    @staticmethod
    def name(kind: type) -> str:
        from cloudpickle import cloudpickle

        name: str = cloudpickle._get_or_create_tracker_id(kind)
        return name

    @staticmethod
    def find(name: str) -> type | None:
        from cloudpickle import cloudpickle

        found: type | None = cloudpickle._DYNAMIC_CLASS_TRACKER_BY_ID.get(name)
        return found

    @staticmethod
    def knows(kind: type) -> bool:
        from cloudpickle import cloudpickle

        return kind in cloudpickle._DYNAMIC_CLASS_TRACKER_BY_CLASS


def class_by_value(kind: type, reduced: tuple[Any, ...], known: set[str]) -> tuple[Any, ...]:
    """Give the reduction of a class that is sent to a worker.

    Parameters
    ----------
    kind : type
        The class.
    reduced : tuple
        How cloudpickle would reduce it.
    known : set of str
        Names of the classes that the worker has by then, which need not be sent again.
    """
    name = Tracker.name(kind)
    if name in known:
        return class_of_name, (name,)
    make, arguments, state = _completed(kind, reduced)
    with _lock:
        if kind not in _came_classes:
            _sent_classes.add(kind)
    return _class_arrived, (name, make, arguments), state, None, None, _update_class


def class_name(kind: type) -> str:
    """Give the name of a class that was sent by value."""
    return Tracker.name(kind)


def class_back(kind: type) -> tuple[Any, ...] | None:
    """Give the reduction of a class on its way back; None for one that was made here."""
    return (class_of_name, (Tracker.name(kind),)) if kind in _came_classes else None


def came(kind: type) -> bool:
    """Whether a class came from the kernel, by value."""
    return kind in _came_classes


def class_made_here(kind: type, reduced: tuple[Any, ...]) -> tuple[Any, ...]:
    """Give the reduction of a class that a worker made: it is set up only where it is new."""
    make, arguments, state = _completed(kind, reduced)
    return _class_arrived, (Tracker.name(kind), make, arguments), state, None, None, _begin_class


def _completed(kind: Any, reduced: tuple[Any, ...]) -> tuple[Any, Any, Any]:
    """Add what cloudpickle leaves out: slots, names of an enum's members, what these hold."""
    make, arguments, state, *_ = reduced
    registered = _registered(kind)
    if registered:
        state = state[0], {**state[1], _REGISTERED: registered}
    if issubclass(kind, enum.Enum):
        bases, name, qualified, _, *more = arguments
        members = dict(kind.__members__)  # with those that iteration leaves out
        values = {key: member.value for key, member in members.items()}
        attributes = {key: value for key, value in state[0].items() if key not in members}
        own = {key: _of_member(member) for key, member in members.items()}
        held = {key: found for key, found in own.items() if found}
        state = attributes, {**state[1], _MEMBERS: held}
        return make, (bases, name, qualified, values, *more), state
    if "__slots__" in vars(kind):
        meta, name, bases, given, *more = arguments
        if issubclass(kind, tuple):  # `typing.NamedTuple` would make it, and allows no slots
            bases = tuple(tuple if one is typing.NamedTuple else one for one in bases)
        arguments = (meta, name, bases, {**given, "__slots__": kind.__slots__}, *more)
    return make, arguments, state


@functools.cache
def _library_abcs() -> tuple[Any, ...]:
    """Give the abstract classes of the standard library that others are registered with."""
    import collections.abc
    import numbers
    import os

    modules = (collections.abc, numbers, os)
    found = [one for module in modules for one in vars(module).values()]
    return tuple({one for one in found if type(one) is abc.ABCMeta})


def _registered(kind: type) -> list[Any]:
    """Give the library's abstract classes that a class was registered with, as no base of it."""
    found = []
    for one in _library_abcs():
        registry = abc._get_dump(one)[0]  # type: ignore[attr-defined]  # cloudpickle uses it, too
        if any(reference() is kind for reference in registry):
            found.append(one)
    return found


def _of_member(member: Any) -> dict[str, Any]:
    """Give the attributes that the user's `__new__` or `__init__` gave an enum's member."""
    return {key: value for key, value in vars(member).items() if key not in _OF_ENUM}


def class_of_name(name: str) -> type:
    """Give the class itself."""
    found = Tracker.find(name)
    if found is None:
        raise pickle.UnpicklingError("its class is not there any more")
    return found


def _class_arrived(name: str, make: Any, arguments: tuple[Any, ...]) -> Any:
    with _lock:
        found: Any = Tracker.find(name)
        if found is None:
            found = _made_quietly(make, arguments)
        if found not in _sent_classes:
            _came_classes.add(found)
        return found


def _update_class(kind: type, state: Any) -> type:
    """Set the attributes of a class that came from the kernel, which may have come before."""
    with _lock:
        if kind in _came_classes:
            _set_state(kind, state)
    return kind


def _begin_class(kind: type, state: Any) -> type:
    """Set the attributes of a class that was made in a worker, the first time that it comes."""
    with _lock:
        if kind in _came_classes and kind not in _set_names:
            _set_state(kind, state)
    return kind


def _set_state(kind: type, state: Any) -> None:
    """Set the attributes, as cloudpickle does, but past the metaclass of the user's."""
    attributes, more = state
    for name in _set_names.get(kind, set()) - set(attributes):  # deleted since
        with contextlib.suppress(AttributeError):
            type.__delattr__(kind, name)
    for name, value in attributes.items():
        if name != "_abc_impl":
            type.__setattr__(kind, name, value)
    if "__firstlineno__" in attributes:  # since Python 3.13; setting `__module__` drops it
        type.__setattr__(kind, "__firstlineno__", attributes["__firstlineno__"])
    for registered in attributes.get("_abc_impl", ()):
        abc.ABCMeta.register(kind, registered)  # type: ignore[arg-type]
    for one in more.get(_REGISTERED, ()):
        one.register(kind)
    for name, own in more.get(_MEMBERS, {}).items():
        vars(kind.__members__[name]).update(own)  # type: ignore[attr-defined]
    _set_names[kind] = set(attributes)


def _made_quietly(make: Any, arguments: tuple[Any, ...]) -> Any:
    """Make a class again, without what the user's metaclass and `__init_subclass__` do.

    They did it when the class was made.
    """
    from cloudpickle import cloudpickle

    if make is not cloudpickle._make_skeleton_class:
        return make(*arguments)
    meta, name, bases, given, identity, _ = arguments
    resolved = types.resolve_bases(bases)
    if not (Tracker.knows(meta) or any(map(_hooks, resolved))):
        return make(*arguments)
    if resolved is not bases:
        given = {**given, "__orig_bases__": bases}
    maker: Any = next(one for one in meta.__mro__ if not Tracker.knows(one))
    with _no_hook(resolved[0] if resolved else object):
        made = maker.__new__(meta, name, resolved, dict(given))
    return cloudpickle._lookup_class_or_track(identity, made)


def _hooks(base: type) -> bool:
    return any("__init_subclass__" in vars(one) and Tracker.knows(one) for one in base.__mro__)


@contextlib.contextmanager
def _no_hook(base: type) -> Iterator[None]:
    """Keep `__init_subclass__` from being called for a subclass, inside a `with` block."""
    if not _hooks(base):
        yield
        return
    before = vars(base).get("__init_subclass__")
    type.__setattr__(base, "__init_subclass__", classmethod(_nothing))
    try:
        yield
    finally:
        if before is None:
            type.__delattr__(base, "__init_subclass__")
        else:
            type.__setattr__(base, "__init_subclass__", before)


def _nothing(kind: Any, /, **given: Any) -> None:
    pass
