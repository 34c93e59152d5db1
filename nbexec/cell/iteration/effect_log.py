"""Log: the effect log of an iteration, which records its effects on outer objects.

Each method of `Log` does to an object of its own what the statement does to the outer one,
so that it raises what the statement would raise, at the same point.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from ...worker.warned import Warned
from ..analysis.object_facts import dotted, immutable, is_plain
from .set_table import ordered

Entry = tuple[int, Any]  # the number of the statement, and the operands of its effect


class Taken(list[Any]):
    """Items that a log took from an iterable: a list that nothing else refers to."""


class Touch(tuple[Any]):
    """A key that was only looked up, which may have made an entry."""


class Copied(tuple[Any, ...]):
    """Arrays that the effect copies, so that their identity doesn't matter."""


class Unsafe(BaseException):
    """This iteration can only run in the kernel.

    Attributes
    ----------
    reason : str
        The reason.
    error : Exception or None
        The exception that it would raise there, unless it catches it; None if unknown.
    """

    def __init__(self, reason: str, error: Exception | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.error = error


class Log:
    """The effects of one iteration on outer objects, in order."""

    __slots__ = ("broke", "defined", "entries", "gone", "unsafe", "warned")

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.broke = False
        self.gone: set[str] = set()  # names that were deleted
        self.defined: set[str] = set()  # functions that were made
        self.warned: list[Warned | bytes] = []  # in another process
        self.unsafe = ""  # kept here too: the body may swallow exceptions

    def _stop(self, reason: str) -> None:
        self.unsafe = reason
        raise Unsafe(reason)

    def leave(self) -> None:
        """Record that the loop's `break` was reached."""
        self.broke = True

    def forget(self, *names: str) -> None:
        """Record that names of the body were deleted."""
        self.gone.update(names)

    def define(self, name: str) -> None:
        """Record that a function of the body was made."""
        self.defined.add(name)

    def append(self, site: int, value: Any) -> None:
        self.entries.append((site, value))

    def ahead(self, site: int, values: tuple[Any, ...]) -> None:
        self.entries.append((site, values))

    def extend(self, site: int, values: Iterable[Any]) -> None:
        taken = Taken()
        self.entries.append((site, taken))  # before: items are kept that come before it raises
        taken += values

    def add(self, site: int, value: Any) -> None:
        set().add(value)  # it may not be hashable
        self.entries.append((site, value))

    def update_set(self, site: int, *iterables: Iterable[Any]) -> None:
        self.entries.append((site, Taken()))
        for values in iterables:
            if isinstance(values, set | frozenset):
                self.entries.append((site, self._ordered(values)))
                continue
            if type(values) is dict:
                self.entries.append((site, dict.fromkeys(values)))
                continue
            self._take(site, values)

    def _take(self, site: int, values: Iterable[Any]) -> None:
        taken = Taken()
        self.entries.append((site, taken))
        for value in values:
            set().add(value)
            taken.append(value)

    def _ordered(self, values: Any) -> dict[Any, None]:
        items = ordered(values)
        if items is None:
            self._stop("a set is merged that a copy can't stand for")
        return items or {}

    def update_dict(self, site: int, *args: Any, **named: Any) -> None:
        taken: dict[Any, Any] = {}
        self.entries.append((site, taken))
        taken.update(*args, **named)

    def update_counter(self, site: int, *args: Any, **named: Any) -> None:
        if named or len(args) != 1:
            self._stop("a Counter is updated with several things at once")
        (values,) = args
        if type(values) in (dict, Counter):
            if not all(type(count) is int for count in values.values()):
                self._stop("a Counter is updated with what isn't counts")
            self.entries.append((site, dict(values)))
        elif isinstance(values, Mapping):
            self._stop("a Counter is updated with what isn't counts")
        else:
            self._take(site, values)

    def setitem(self, site: int, value: Any, key: Any) -> None:
        {}.setdefault(key)
        self.entries.append((site, (key, value)))

    def at(self, site: int, key: Any) -> Any:
        """Record that an entry is looked up, before the effect on it."""
        {}.setdefault(key)
        self.entries.append((site, Touch((key,))))
        return key

    def _done(self, site: int, key: Any, value: Any) -> None:
        if type(self.entries[-1][1]) is Touch:  # nothing has happened in between
            self.entries.pop()
        self.entries.append((site, (key, value)))

    def count(self, site: int, key: Any, value: Any) -> None:
        if type(value) in (list, tuple):
            value = value.copy() if type(value) is list else value
        elif not immutable(type(value)):
            self._stop(f"a {type(value).__name__} is added")
        self._done(site, key, value)

    def grow(self, site: int, key: Any, value: Any) -> None:
        self._done(site, key, value)

    def grow_many(self, site: int, key: Any, values: Iterable[Any]) -> None:
        taken = Taken()
        self._done(site, key, taken)
        taken += values

    def grow_add(self, site: int, key: Any, value: Any) -> None:
        set().add(value)
        self._done(site, key, value)

    def setindex(self, site: int, value: Any, key: Any) -> None:
        if type(key) is not int:
            self._stop(f"a {type(key).__name__} is the index")
        self.entries.append((site, (key, value)))

    def store(self, site: int, value: Any, key: Any) -> None:
        self.entries.append((site, Copied((_copied(key), _copied(value)))))

    def store_into(self, site: int, key: Any, value: Any) -> None:
        self.store(site, value, key)

    def array(self, site: int, value: Any) -> None:
        self.entries.append((site, Copied((_copied(value),))))

    def pick(self, site: int, value: Any) -> None:
        if not immutable(type(value)):
            self._stop(f"a {type(value).__name__} is compared")
        self.entries.append((site, value))

    def augment(self, site: int, value: Any) -> None:
        if is_plain(value):
            self.entries.append((site, Copied((value.copy(),))))
            return
        if not (immutable(type(value)) or type(value) is tuple):
            self._stop(f"a {type(value).__name__} is added to a number or a text")
        self.entries.append((site, value))

    def merge_set(self, site: int, values: Any) -> None:
        if type(values) not in (set, frozenset):
            self._stop(f"a {type(values).__name__} is merged into a set")
        self.entries.append((site, self._ordered(values)))

    def merge_dict(self, site: int, values: Any) -> None:
        if type(values) is not dict:
            self._stop(f"a {type(values).__name__} is merged into a dict")
        self.entries.append((site, values.copy()))

    def print(self, site: int, *args: Any, flush: bool = False, **named: Any) -> None:
        text = io.StringIO()
        print(*args, **named, file=text)
        self.entries.append((site, (text.getvalue(), flush)))

    # Elements of a comprehension are put in their place by `commit`, not by `Effects`.

    def elements(self, site: int, values: list[Any]) -> None:
        self.entries.append((site, Taken(values)))

    def distinct(self, site: int, values: list[Any]) -> None:
        set(values)  # they may not be hashable
        self.entries.append((site, Taken(values)))

    def pairs(self, site: int, values: list[tuple[Any, Any]]) -> None:
        dict(values)
        self.entries.append((site, Taken(values)))


def _copied(thing: Any) -> Any:
    if type(thing) is tuple:
        return tuple(map(_copied, thing))
    if dotted(type(thing)) == "numpy.ndarray":
        return thing.copy()
    if type(thing) is list:
        return [_copied(part) for part in thing]
    return thing
