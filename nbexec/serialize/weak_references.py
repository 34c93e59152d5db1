"""Weak references, and the containers of them, that a run's task or items have.

What they refer to is alive in the kernel, held by something that need not be sent.  So a worker
holds it until the run has ended: an entry that vanished there would be a wrong answer.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from typing import Any

_held: dict[str, list[Any]] = {}  # by the run


def reduction(thing: Any, run: str) -> Any:
    """Give the reduction of something weak that is sent for a run; NotImplemented for other things.

    Parameters
    ----------
    thing : object
        Anything.
    run : str
        The run; "" for none: then nothing is sent that would have to be held.
    """
    reduce = _REDUCERS.get(type(thing)) if run else None
    return NotImplemented if reduce is None else reduce(thing, run)


def content(thing: Any) -> Any:
    """Give what something weak refers to, in a container that is not; itself if it isn't weak."""
    kind = type(thing)
    if kind is weakref.ref:
        return (thing(),)
    if kind is weakref.ProxyType or kind is weakref.CallableProxyType:
        return _proxied(thing)
    if kind is weakref.WeakSet:
        return {*thing}
    return dict(thing) if kind in KINDS else thing


def forget(run: str) -> None:
    """Let go of what was held for a run."""
    _held.pop(run, None)


def _hold(run: str, things: Iterable[Any]) -> None:
    _held.setdefault(run, []).extend(things)


def _reference(thing: Any, run: str) -> Any:
    if thing.__callback__ is not None:
        return NotImplemented
    target = thing()
    return (_dead, (type(thing),)) if target is None else (_made, (run, type(thing), target))


def _proxy(thing: Any, run: str) -> Any:
    for target in _proxied(thing):
        return _made, (run, weakref.proxy, target)
    return _dead, (weakref.proxy,)


def _proxied(thing: Any) -> tuple[Any, ...]:
    try:
        return (thing.__repr__.__self__,)
    except ReferenceError:
        return ()


def _made(run: str, make: Callable[[Any], Any], target: Any) -> Any:
    _hold(run, [target])
    return make(target)


def _dead(make: Callable[[Any], Any]) -> Any:
    return make(_Gone())


class _Gone:
    pass


def _mapping(thing: Any, run: str) -> Any:
    return type(thing), (), (run, [*thing.items()]), None, None, _fill


def _fill(thing: Any, state: tuple[str, list[tuple[Any, Any]]]) -> None:
    run, pairs = state
    _hold(run, pairs)
    for key, value in pairs:
        thing[key] = value


def _set(thing: Any, run: str) -> Any:
    return weakref.WeakSet, (), (run, [*thing]), None, None, _add


def _add(thing: Any, state: tuple[str, list[Any]]) -> None:
    run, members = state
    _hold(run, members)
    for member in members:
        thing.add(member)


_REDUCERS: dict[type, Callable[[Any, str], Any]] = {
    weakref.ref: _reference,
    weakref.ProxyType: _proxy,
    weakref.CallableProxyType: _proxy,
    weakref.WeakKeyDictionary: _mapping,
    weakref.WeakValueDictionary: _mapping,
    weakref.WeakSet: _set,
}
KINDS = _REDUCERS.keys()
