"""The boundary between a worker process and the kernel: what may cross it, and how.

An object that existed before the loop (the item, or the value of a captured name) would come
back from another process as a copy.  Where that makes a difference, because it can be changed
or compared by identity, it travels as a reference instead, or, deep inside something else,
not at all.
"""

from __future__ import annotations

import types
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ...serialize import classes_by_value
from ...system.user_code import is_library_module
from ..analysis.aliases import TooLarge, allowance, reachable
from ..analysis.object_facts import frozen
from ..analysis.source import is_own_code
from .effect_log import Copied, Entry, Taken, Touch, Unsafe
from .held import Held
from .memo_record import used_here

# Objects that are looked at in a worker: they were sent, or will be, which takes longer.
UNPICKLED = 10_000_000
HERE = uuid.uuid4().hex  # this process


@dataclass(frozen=True, slots=True)
class Reference:
    """Stands for an object of the kernel: the value of a global name, or a part of the item."""

    name: str
    path: tuple[Any, ...] = ()  # indices, or the key of an entry

    def resolve(self, namespace: dict[str, Any], item: Any) -> Any:
        """Give the object itself."""
        found = namespace[self.name] if self.name else item
        for index in self.path:
            found = found[index]
        return found


class Border:
    """Checks and prepares what a worker process sends back to the kernel."""

    def __init__(self, scope: dict[str, Any], holders: Sequence[Held] = ()) -> None:
        self._holders = holders
        self._scope = {
            name: thing
            for name, thing in scope.items()
            if not name.startswith("__") and not frozen(thing)
        }
        self._captured: set[int] | None = None
        self._nans = {id(one): Reference(name) for name, one in scope.items() if _is_nan(one)}

    def declare(self, entries: list[Entry], item: Any) -> list[Entry]:
        """Give `entries` with references in place of objects of the kernel.

        Raises
        ------
        Unsafe
            An object of the kernel would come back as a copy.
        """
        nans = {**self._nans, **self._nans_held()} if self._holders else self._nans
        if type(item) is float or type(item) is tuple:
            nans = {**nans, **_nan_places(item)}
        if not nans and all(frozen(payload) for _, payload in entries):
            return entries
        known = self.known(item)
        declared = [(site, _replaced(payload, known)) for site, payload in entries]
        self.check([one for _, one in declared if type(one) is not Copied], item)
        return declared

    def known(self, item: Any) -> dict[int, Reference]:
        """Give references to objects of the kernel, by the ids that these have here."""
        known = {**dict(_places(item, ())), **self._nans, **_nan_places(item)}
        for name, thing in self._scope.items():
            if not isinstance(thing, types.ModuleType | type):
                known.setdefault(id(thing), Reference(name))
        for holder in self._holders:
            for key, one in holder.pairs() if not holder.rows else ():
                known |= dict(_places(one, (key,), holder.name))
        return {**known, **self._nans_held()} if self._holders else known

    def _nans_held(self) -> dict[int, Reference]:
        """Give references to NaNs among the entries of containers that are held."""
        found: dict[int, Reference] = {}
        for holder in self._holders:
            for key, one in holder.pairs() if not holder.rows else ():
                found |= _nan_places(one, (key,), holder.name)
        return found

    def has_nans(self, item: Any) -> bool:
        """Whether there are NaNs of the kernel, which are told by their identity."""
        parts = item if type(item) is tuple else (item,)
        kinds = set(map(type, parts))  # most items are none of these
        may = bool(kinds & {float, tuple}) and any(_nan_places(one) for one in parts)
        return may or bool(self._nans) or bool(self._holders and self._nans_held())

    def check(self, things: Iterable[Any], item: Any) -> None:
        """Raise `Unsafe` where one of `things` holds an object that existed before."""
        with allowance(UNPICKLED):
            self._check(things, item)

    def _check(self, things: Iterable[Any], item: Any) -> None:
        inner: set[int] = set()
        try:
            for thing in reachable(things):
                if isinstance(thing, types.FunctionType | types.GeneratorType):
                    raise Unsafe("it gives a function or a generator, which would lose its globals")
                inner.add(id(thing))
            if not inner:
                return
            if self._captured is None:
                self._captured = _there_before(self._scope.values())
            own = [one for holder in self._holders for _, one in holder.pairs()]
            own += used_here()
            before = {id(one) for one in reachable([item, *own])} | self._captured
        except TooLarge:
            raise Unsafe("there is too much to see whether it gives what was there") from None
        if not inner.isdisjoint(before):
            raise Unsafe("it gives part of what was there before, which would come back as a copy")


class BorderOfFresh(Border):
    """The border of items that were made for the run: nothing else refers to them."""

    def declare(self, entries: list[Entry], item: Any) -> list[Entry]:
        return super().declare(entries, None)

    def known(self, item: Any) -> dict[int, Reference]:
        return super().known(None)

    def check(self, things: Iterable[Any], item: Any) -> None:
        super().check(things, None)


def _there_before(things: Iterable[Any]) -> set[int]:
    """Give the ids of what is reachable from `things`, also as an attribute of a class or module.

    What a library keeps is followed no further than to the attributes of its modules.
    """
    found: set[int] = set()
    looked: set[int] = set()
    todo = list(things)
    while todo:
        holders: list[Any] = [one for one in todo if isinstance(one, _HOLDERS)]
        for one in reachable(todo, True):
            found.add(id(one))
            holders.append(type(one))
            if isinstance(one, types.FunctionType) and is_own_code(one.__code__):
                holders += [part for part in one.__globals__.values() if isinstance(part, _HOLDERS)]
        todo = []
        for holder in holders:
            if id(holder) in looked:
                continue
            looked.add(id(holder))
            if isinstance(holder, type):
                for kind in filter(classes_by_value.came, holder.__mro__):
                    todo += [kind, *vars(kind).values()]
            elif is_library_module(holder.__name__):
                found.update(map(id, vars(holder).values()))
            else:
                todo += vars(holder).values()
    return found


_HOLDERS = (type, types.ModuleType)


def _places(thing: Any, path: tuple[Any, ...], name: str = "") -> Iterable[tuple[int, Reference]]:
    if frozen(thing):
        return
    yield id(thing), Reference(name, path)
    if type(thing) is tuple:
        for index, part in enumerate(thing):
            yield from _places(part, (*path, index), name)


def _is_nan(thing: Any) -> bool:
    return type(thing) is float and thing != thing


def _nan_places(item: Any, path: tuple[Any, ...] = (), name: str = "") -> dict[int, Reference]:
    """Give where an item, or an entry, has NaNs, which are told by their identity."""
    if _is_nan(item):
        return {id(item): Reference(name, path)}
    if type(item) is not tuple:
        return {}
    return {id(one): Reference(name, (*path, at)) for at, one in enumerate(item) if _is_nan(one)}


def replaced_by(known: dict[int, Reference]) -> Callable[[Any], Any]:
    """Give a function that puts references in place of the objects of the kernel in a thing."""
    return lambda thing: _replaced(thing, known)


def _replaced(thing: Any, known: dict[int, Reference]) -> Any:
    """Replace known objects by references, also inside tuples and the log's lists."""
    if id(thing) in known:
        return known[id(thing)]
    return _rebuilt(thing, lambda part: _replaced(part, known))


def _rebuilt(thing: Any, change: Callable[[Any], Any]) -> Any:
    if type(thing) not in (tuple, Taken, Touch):
        return thing
    parts = [change(part) for part in thing]
    unchanged = all(part is before for part, before in zip(parts, thing, strict=True))
    return thing if unchanged else type(thing)(parts)


def arrived(thing: Any, namespace: dict[str, Any], item: Any) -> Any:
    """Replace references by the objects that they stand for."""
    if type(thing) is Reference:
        return thing.resolve(namespace, item)
    return _rebuilt(thing, lambda part: arrived(part, namespace, item))
