"""Aliases: the objects that are reachable from others at this moment.

References are those that CPython's garbage collector knows, the items of arrays of objects,
and what weak references refer to.  They are followed through containers, instances, closures,
default arguments, attributes of functions and built-in methods, but not into modules, classes,
the globals of functions and the frames of an exception.

Objects are looked at by the generation: all that the last ones refer to at once, at the
speed of C.
"""

from __future__ import annotations

import contextlib
import gc
import sys
import types
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from itertools import compress
from typing import Any, cast

from .object_facts import defines, dotted, immutable
from .source import is_own_code

# Objects that may be looked at in one step of a cell; about 10 ms.  One that can't be changed
# counts as a quarter.
LIMIT = 100_000
OBJECT = 1e-7  # seconds that looking at one takes, by and large
SHARE = 0.02  # of the time that a step is expected to take may go into that
_GENERATION = 200  # what a generation of few objects costs, as many objects
_NOT_FOLLOWED = (
    *(type, types.ModuleType, types.CodeType),
    *(types.TracebackType, types.FrameType),  # of an exception: they lead to all globals
)
_SIZED: tuple[type, ...] = (list, tuple, dict, set, frozenset, deque)


class TooLarge(Exception):
    """There are more objects than may be looked at."""


def affordable(seconds: float) -> float:
    """Give how many objects may be looked at for a step that is expected to take so long.

    Examples
    --------
    >>> affordable(0.1) == LIMIT, affordable(100.0) > LIMIT
    (True, True)
    """
    return max(LIMIT, seconds * SHARE / OBJECT)


class Allowance:
    """How many objects may still be looked at."""

    def __init__(self, objects: float) -> None:
        self.left = objects

    def spend(self, objects: float) -> None:
        """Take in that so many objects are looked at; raises `TooLarge` if it is too many."""
        self.left -= objects
        if self.left < 0:
            raise TooLarge


_allowance: ContextVar[Allowance | None] = ContextVar("allowance", default=None)


@contextlib.contextmanager
def allowance(objects: float | None = None) -> Iterator[None]:
    """Let all that is looked at in a `with` block be so many objects together.

    A block inside another one shares what is left of that.

    Parameters
    ----------
    objects : float or None
        How many; None means `LIMIT`.

    Examples
    --------
    >>> with allowance(1000):
    ...     sum(1 for one in reachable([[[], []]]))
    3
    >>> with allowance(1000):
    ...     sum(1 for one in reachable([[[] for _ in range(10_000)]]))
    Traceback (most recent call last):
        ...
    nbexec.cell.analysis.aliases.TooLarge
    """
    if _allowance.get() is not None:
        yield
        return
    token = _allowance.set(Allowance(LIMIT if objects is None else objects))
    try:
        yield
    finally:
        _allowance.reset(token)


@contextlib.contextmanager
def more_allowed() -> Iterator[None]:
    """Let what is looked at in a `with` block not count for the block around it."""
    token = _allowance.set(Allowance(LIMIT))
    try:
        yield
    finally:
        _allowance.reset(token)


def referents(thing: Any) -> Iterable[Any]:
    """Give the objects that an object refers to directly."""
    kind = type(thing)
    if issubclass(kind, _NOT_FOLLOWED):
        return ()
    if kind is types.FunctionType:
        cells = thing.__closure__ or ()
        given = (*(thing.__defaults__ or ()), *(thing.__kwdefaults__ or {}).values())
        return (*cells, *given, *vars(thing).values())
    if issubclass(kind, weakref.ref):
        return (_referent(thing), *gc.get_referents(thing))
    if dotted(kind) == "nbexec.Run":
        # not its panel: that leads to the kernel, and from there to every name
        return cast(Iterable[Any], thing.given_and_made())
    if _is_array(kind):
        array = sys.modules["numpy"].ndarray
        held = array.tolist(array.ravel(thing, order="K")) if thing.dtype.hasobject else ()
        return (thing.base, *held, *gc.get_referents(thing))
    if _holds_texts(kind):
        return ()
    return gc.get_referents(thing)


def own_dict(thing: Any) -> dict[str, Any] | None:
    """Give the dict of an instance's attributes, which may be had by itself; None without one.

    Examples
    --------
    >>> class Shared:
    ...     every = {}
    ...     def __init__(self): self.__dict__ = self.every
    >>> own_dict(Shared()) is Shared.every
    True
    >>> own_dict([{}]) is None
    True
    """
    # Only where there is one: else asking for it would make it.
    if not any(isinstance(one, dict) for one in gc.get_referents(thing)):
        return None
    try:
        return cast("dict[str, Any]", object.__getattribute__(thing, "__dict__"))
    except AttributeError:
        return None


def _referent(reference: Any) -> Any:
    """Give what a weak reference refers to, but for parts of tables: of these each has some."""
    found = weakref.ref.__call__(reference)
    return None if type(found).__module__.startswith("pandas.") else found


def _is_array(kind: type) -> bool:
    """Whether the collector sees nothing of what such an object holds."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and issubclass(kind, getattr(numpy, "ndarray", ()))


def _holds_texts(kind: type) -> bool:
    """Whether such an object holds texts and nothing else, in an array of objects."""
    return kind.__module__.startswith("pandas.") and "StringArray" in kind.__name__


def _seen_whole(kind: type) -> bool:
    """Whether the collector alone tells what an object of this type refers to."""
    odd = kind is types.FunctionType or dotted(kind) == "nbexec.Run"
    odd = odd or issubclass(kind, weakref.ref)
    return not (odd or _is_array(kind) or _holds_texts(kind))


def generations(roots: Iterable[Any], globals_too: bool = False) -> Iterator[dict[int, Any]]:
    """Give every object that can be changed and be reached from `roots`, each once.

    Parameters
    ----------
    roots : iterable
        The objects to start from.
    globals_too : bool
        Whether to follow the globals of the user's functions: in a worker process those
        are what was sent along.

    Yields
    ------
    dict
        By their ids, those that are as many steps away.

    Raises
    ------
    TooLarge
        There are more objects than may be looked at.

    Examples
    --------
    >>> [len(one) for one in generations([[1, [2], [3]]])]
    [1, 2]
    """
    spend = (_allowance.get() or Allowance(LIMIT)).spend
    seen: dict[int, Any] = {}  # the objects too, else an id could be used twice
    found: list[Any] = list(roots)
    spend(len(found) / 4)
    while found:
        every = set(map(type, found))
        kinds = {kind for kind in every if not immutable(kind)}
        kinds = {kind for kind in kinds if not issubclass(kind, _NOT_FOLLOWED)}
        if not kinds:
            return
        spend(_GENERATION + len(found) / 4)
        if len(kinds) < len(every):
            found = list(compress(found, map(kinds.__contains__, map(type, found))))
        spend(len(found))
        new = dict(zip(map(id, found), found, strict=True))
        for known in new.keys() & seen.keys():
            del new[known]
        seen.update(new)
        yield new
        found = _referred(list(new.values()), kinds, spend, globals_too)


def _referred(
    things: list[Any], kinds: set[type], spend: Callable[[float], None], globals_too: bool
) -> list[Any]:
    """Give what objects of these types refer to."""
    odd = {kind for kind in kinds if not _seen_whole(kind)}
    found: list[Any] = []
    for thing in things if odd else ():
        kind = type(thing)
        if kind not in odd:
            continue
        spend(5 + (thing.size / 4 if _is_array(kind) and thing.dtype.hasobject else 0))
        found += referents(thing)
        if globals_too and kind is types.FunctionType and is_own_code(thing.__code__):
            found += thing.__globals__.values()
    if odd:
        things = [thing for thing in things if type(thing) not in odd]
        kinds = kinds - odd
    entries = _entries(things, kinds)
    spend(entries / 4)
    found += gc.get_referents(*things)
    spend(max(0, len(found) - entries) / 4)
    return found


def _entries(things: list[Any], kinds: set[type]) -> int:
    """Give the number of entries of all containers among `things`."""
    total = 0
    for base in _SIZED:
        these = {kind for kind in kinds if issubclass(kind, base)}
        if these:
            mine: Iterable[Any] = things
            if len(these) < len(kinds):
                mine = compress(things, map(these.__contains__, map(type, things)))
            size: Any = len if these == {base} else base.__len__  # type: ignore[attr-defined]
            total += sum(map(size, mine))
    return total


def reachable(roots: Iterable[Any], globals_too: bool = False) -> Iterator[Any]:
    """Give every object that can be changed and be reached from `roots`, each once.

    The parameters and exceptions are those of `generations`.
    """
    for found in generations(roots, globals_too):
        yield from found.values()


def only_name(namespace: dict[str, Any], name: str) -> bool:
    """Whether nothing but the namespace refers to the object of that name.

    Then nothing else leads to it, except the namespace itself; nor, for an array, to its
    memory.  It must not be bound to a local name of the caller.

    Examples
    --------
    >>> xs, ys = [1], [2]
    >>> names = {"xs": xs, "ys": ys, "zs": [3]}
    >>> del ys
    >>> only_name(names, "xs"), only_name(names, "ys"), only_name(names, "zs")
    (False, True, True)
    """
    kind = type(namespace[name])
    if weakref.getweakrefcount(namespace[name]):
        return False
    if _is_array(kind) and not namespace[name].flags.owndata:
        return False
    probe: dict[str, Any] = {"x": []}
    return sys.getrefcount(namespace[name]) <= sys.getrefcount(probe["x"])


def held_elsewhere(container: Any) -> list[Any]:
    """Give those entries of a list or a dict that can be changed and something else refers to.

    Raises
    ------
    TooLarge
        It has more entries than may be looked at.

    Examples
    --------
    >>> row = [1]
    >>> held_elsewhere({"a": [], "b": row, "c": 1})
    [[1]]
    """
    (_allowance.get() or Allowance(LIMIT)).spend(len(container) / 2)
    probe = {0: []} if isinstance(container, dict) else [[]]
    most = max(_counts(probe))
    if max(_counts(container), default=0) <= most:
        return []
    held = container.values() if isinstance(container, dict) else container
    counted = zip(_counts(container), held, strict=True)
    return [one for count, one in counted if count > most and not immutable(type(one))]


def _counts(container: Any) -> Iterator[int]:
    """Count the references to each entry, always in the same way."""
    return map(sys.getrefcount, container.values() if isinstance(container, dict) else container)


def held(new: list[Any]) -> bool:
    """Whether an iterator is referred to elsewhere too, or reads from one that is.

    Reading such an iterator ahead of the loop would take items from its other users.

    Parameters
    ----------
    new : list
        The iterator, which nothing but this list refers to where it is the loop's own.

    Examples
    --------
    >>> mine = iter([1, 2])
    >>> held([zip("ab", mine)]), held([zip("ab", iter([1, 2]))])
    (True, False)
    """
    refs: dict[int, int] = {}  # references that are found on the way
    found: dict[int, Any] = {}
    todo: list[Any] = [new]
    while todo:
        for thing in gc.get_referents(todo.pop()):
            refs[id(thing)] = refs.get(id(thing), 0) + 1
            if id(thing) not in found and (
                defines(type(thing), "__next__") or type(thing) is tuple
            ):
                found[id(thing)] = thing
                if not isinstance(thing, types.GeneratorType) or thing.__name__ == "<genexpr>":
                    todo.append(thing)
    thing = object()
    # References that the call itself adds; written as below, since 3.14 borrows some.
    spare = sys.getrefcount(thing)
    for key in list(found):
        thing = found.pop(key)
        if defines(type(thing), "__next__") and sys.getrefcount(thing) - spare > refs[key]:
            return True
    return False
