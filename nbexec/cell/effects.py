"""The effects of an iteration: written down where it runs, applied in order in the kernel.

Each method of `Log` does to something of its own what the statement does to the outer
object, so that it raises what the statement would raise, where it would.
"""

from __future__ import annotations

import io
import operator
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from .sites import Site
from .values import immutable

Entry = tuple[int, Any]  # which statement, and what it does it with


class Taken(list[Any]):
    """Items that a log took from an iterable: its own list, which nothing else refers to."""


class Unsafe(BaseException):
    """This iteration can only run in the kernel, as it stands there."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Log:
    """What one iteration does outside itself, in order."""

    __slots__ = ("broke", "entries", "unsafe")

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.broke = False
        self.unsafe = ""  # kept here too: the body may swallow exceptions

    def _stop(self, reason: str) -> None:
        self.unsafe = reason
        raise Unsafe(reason)

    def leave(self) -> None:
        """Take in that the loop's `break` was reached."""
        self.broke = True

    def append(self, site: int, value: Any) -> None:
        self.entries.append((site, value))

    def extend(self, site: int, values: Iterable[Any]) -> None:
        taken = Taken()
        self.entries.append((site, taken))  # before: what comes until it raises is kept
        taken += values

    def add(self, site: int, value: Any) -> None:
        set().add(value)  # it may not be hashable
        self.entries.append((site, value))

    def update_set(self, site: int, *iterables: Iterable[Any]) -> None:
        taken = Taken()
        self.entries.append((site, taken))
        for values in iterables:
            for value in values:
                set().add(value)
                taken.append(value)

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
        else:
            self.update_set(site, values)

    def setitem(self, site: int, value: Any, key: Any) -> None:
        {}.setdefault(key)
        self.entries.append((site, (key, value)))

    def count(self, site: int, key: Any, number: Any) -> None:
        if not immutable(type(number)):
            self._stop(f"a {type(number).__name__} is added")
        {}.setdefault(key)
        self.entries.append((site, (key, number)))

    def augment(self, site: int, value: Any) -> None:
        if not (immutable(type(value)) or type(value) is tuple):
            self._stop(f"a {type(value).__name__} is added to a number or a text")
        self.entries.append((site, value))

    def merge_set(self, site: int, values: Any) -> None:
        if type(values) not in (set, frozenset):
            self._stop(f"a {type(values).__name__} is merged into a set")
        self.entries.append((site, values.copy()))

    def merge_dict(self, site: int, values: Any) -> None:
        if type(values) is not dict:
            self._stop(f"a {type(values).__name__} is merged into a dict")
        self.entries.append((site, values.copy()))

    def print(self, site: int, *args: Any, flush: bool = False, **named: Any) -> None:
        text = io.StringIO()
        print(*args, **named, file=text)
        self.entries.append((site, (text.getvalue(), flush)))

    # What a comprehension gives is put where it belongs by `run`, not by `Effects`.

    def elements(self, site: int, values: list[Any]) -> None:
        self.entries.append((site, Taken(values)))

    def distinct(self, site: int, values: list[Any]) -> None:
        set(values)  # they may not be hashable
        self.entries.append((site, Taken(values)))

    def pairs(self, site: int, values: list[tuple[Any, Any]]) -> None:
        dict(values)
        self.entries.append((site, Taken(values)))


Apply = Callable[[dict[str, Any], Site, Any], None]


def _print(namespace: dict[str, Any], site: Site, payload: tuple[str, bool]) -> None:
    text, flush = payload
    print(text, end="", flush=flush)  # noqa: T201  (the user's own)


def _merge(namespace: dict[str, Any], site: Site, value: Any) -> None:
    namespace[site.name] = getattr(operator, site.operator)(namespace[site.name], value)


def _setitem(namespace: dict[str, Any], site: Site, pair: tuple[Any, Any]) -> None:
    key, value = pair
    namespace[site.name][key] = value


def _count(namespace: dict[str, Any], site: Site, pair: tuple[Any, Any]) -> None:
    key, number = pair
    namespace[site.name][key] += number


def _method(name: str) -> Apply:
    return lambda namespace, site, value: getattr(namespace[site.name], name)(value)


_APPLY: dict[str, Apply] = {
    "append": _method("append"),
    "extend": _method("extend"),
    "add": _method("add"),
    "update_set": _method("update"),
    "update_dict": _method("update"),
    "update_counter": _method("update"),
    "setitem": _setitem,
    "count": _count,
    "merge_set": _merge,
    "merge_dict": _merge,
    "print": _print,
}


class Effects:
    """Applies logs to a namespace."""

    def __init__(self, namespace: dict[str, Any], sites: Sequence[Site]) -> None:
        self._namespace = namespace
        self._sites = sites

    def apply(self, entries: list[Entry]) -> None:
        """Apply one iteration's effects, in order.

        Raises
        ------
        Unsafe
            Its values don't fit together; nothing of it was applied.
        """
        namespace, sites = self._namespace, self._sites
        values: dict[str, Any] = {}
        for index, payload in entries:
            site = sites[index]
            if site.kind == "augment":
                before = values.get(site.name, namespace[site.name])
                try:
                    values[site.name] = getattr(operator, site.operator)(before, payload)
                except Exception as error:
                    raise Unsafe(f"`{site.name}` can't take it: {error}") from None
        namespace.update(values)
        for index, payload in entries:
            site = sites[index]
            if site.kind != "augment":
                _APPLY[site.kind](namespace, site, payload)
