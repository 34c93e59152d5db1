"""Aliases: the objects that are reachable from others at this moment.

References are those that CPython's garbage collector knows.  They are followed through
containers, instances, closures and default arguments, but not into modules, classes, the
globals of functions and the frames of an exception.
"""

from __future__ import annotations

import gc
import sys
import types
from collections.abc import Iterable, Iterator
from typing import Any, cast

from .object_facts import defines, dotted, immutable
from .source import is_own_code

LIMIT = 300_000  # objects looked at; about 0.2 s
_NOT_FOLLOWED = (
    *(type, types.ModuleType, types.BuiltinFunctionType, types.CodeType),
    *(types.TracebackType, types.FrameType),  # of an exception: they lead to all globals
)


class TooLarge(Exception):
    """There are more objects than `LIMIT`."""


def referents(thing: Any) -> Iterable[Any]:
    """Give the objects that an object refers to directly."""
    if isinstance(thing, _NOT_FOLLOWED):
        return ()
    if isinstance(thing, types.FunctionType):
        cells = thing.__closure__ or ()
        return (*cells, *(thing.__defaults__ or ()), *(thing.__kwdefaults__ or {}).values())
    if dotted(type(thing)) == "nbexec.Run":
        # not its panel: that leads to the kernel, and from there to every name
        return cast(Iterable[Any], thing.given_and_made())
    if dotted(type(thing)) == "numpy.ndarray" and thing.dtype != object:
        return (thing.base,)  # the collector doesn't see it
    return gc.get_referents(thing)


def reachable(roots: Iterable[Any], globals_too: bool = False) -> Iterator[Any]:
    """Give every object that can be changed and be reached from `roots`, each once.

    Parameters
    ----------
    roots : iterable
        The objects to start from.
    globals_too : bool
        Whether to follow the globals of the user's functions: in a worker process those
        are what was sent along.

    Raises
    ------
    TooLarge
        There are more objects than `LIMIT`.
    """
    seen: set[int] = set()
    todo: list[Any] = list(roots)
    held: list[Any] = []  # else an id could be used twice
    while todo:
        thing = todo.pop()
        if immutable(type(thing)) or id(thing) in seen:
            continue
        seen.add(id(thing))
        held.append(thing)
        if len(held) > LIMIT:
            raise TooLarge
        if not isinstance(thing, _NOT_FOLLOWED):
            yield thing
        if type(thing) in (list, set, tuple, frozenset):
            # a million numbers are checked at the speed of C
            if not all(map(immutable, set(map(type, thing)))):
                todo.extend(thing)
            continue
        todo.extend(referents(thing))
        if globals_too and isinstance(thing, types.FunctionType) and is_own_code(thing.__code__):
            todo.extend(thing.__globals__.values())


def only_name(namespace: dict[str, Any], name: str) -> bool:
    """Whether nothing but the namespace refers to the object of that name."""
    probe: dict[str, Any] = {"x": []}
    return sys.getrefcount(namespace[name]) <= sys.getrefcount(probe["x"])


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
