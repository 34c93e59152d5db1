"""Effects: applies the effect logs of iterations in the kernel, in order.

An iteration's effects are rehearsed before any is applied: so all are applied, or none.
"""

from __future__ import annotations

import operator
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from ..analysis import arrays
from ..analysis.accumulators import Site
from ..analysis.object_facts import immutable, is_plain
from ..iteration.effect_log import Copied, Entry, Touch, Unsafe

_MISSING: Any = object()
_FACTORIES = (int, float, complex, str, tuple, list, set, dict)
_GROWING = {"grow": (list, "append"), "grow_many": (list, "extend"), "grow_add": (set, "add")}

Apply = Callable[[dict[str, Any], Site, Any], None]


def _print(namespace: dict[str, Any], site: Site, payload: tuple[str, bool]) -> None:
    text, flush = payload
    print(text, end="", flush=flush)  # noqa: T201  (the user's own)


def _merge(namespace: dict[str, Any], site: Site, value: Any) -> None:
    namespace[site.name] = getattr(operator, site.operator)(namespace[site.name], value)


def _merge_set(namespace: dict[str, Any], site: Site, items: dict[Any, None]) -> None:
    """Merge the items of a set into another, which so gets the order that the operator leaves."""
    into = namespace[site.name]
    if site.operator == "ior":
        into.update(items)
    elif site.operator == "ixor":
        into.symmetric_difference_update(items)
    elif site.operator == "iand" and len(items) <= len(into):  # else it goes through `into`
        into.intersection_update(items)
    else:
        _merge(namespace, site, set(items))


def _setitem(namespace: dict[str, Any], site: Site, pair: tuple[Any, Any]) -> None:
    key, value = pair
    namespace[site.name][key] = value


def _count(namespace: dict[str, Any], site: Site, pair: Any) -> None:
    container, key = namespace[site.name], pair[0]
    if type(pair) is Touch:
        container[key]
    else:
        container[key] = getattr(operator, site.operator)(container[key], pair[1])


def _grow(namespace: dict[str, Any], site: Site, pair: Any) -> None:
    container, key = namespace[site.name], pair[0]
    kind, method = _GROWING[site.kind]
    found = container.setdefault(key, kind()) if site.operator == "setdefault" else container[key]
    if type(pair) is not Touch:
        getattr(found, method)(pair[1])


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
    "setindex": _setitem,
    "count": _count,
    "grow": _grow,
    "grow_many": _grow,
    "grow_add": _grow,
    "merge_set": _merge_set,
    "merge_dict": _merge,
    "store": arrays.store,
    "store_into": arrays.store_into,
    "array": arrays.whole,
    "print": _print,
}


class Unsupported(TypeError):
    """Something that only the statement itself can do, and a log can't."""


class Effects:
    """Applies logs to a namespace."""

    def __init__(self, namespace: dict[str, Any], sites: Sequence[Site]) -> None:
        self.namespace = namespace
        self.sites = sites
        kinds = ("count", *_GROWING)
        self._looked_up = {site.name for site in sites if site.kind in kinds}

    def apply(self, entries: list[Entry]) -> None:
        """Apply one iteration's effects, in order.

        Raises
        ------
        Unsafe
            An effect would fail; none was applied.
        """
        self.perform(entries, self.rehearsed(entries))

    def perform(self, entries: list[Entry], values: dict[str, Any]) -> None:
        """Apply effects that were rehearsed; `values` are what that gave."""
        namespace, sites = self.namespace, self.sites
        namespace.update(values)
        for index, payload in entries:
            site = sites[index]
            if site.kind not in ("augment", "pick"):
                _APPLY[site.kind](namespace, site, payload)

    def rehearsed(self, entries: list[Entry]) -> dict[str, Any]:
        """Give the resulting numbers and strings.

        Raises
        ------
        Unsafe
            An effect can't be applied.
        """
        namespace, sites = self.namespace, self.sites
        values: dict[str, Any] = {}
        held: dict[tuple[str, Any], Any] = {}  # entries of containers, as they would be
        for index, payload in entries:
            site = sites[index]
            try:
                if site.kind == "augment":
                    before = values.get(site.name, namespace[site.name])
                    values[site.name] = _added(before, site.operator, payload)
                elif site.kind == "pick":
                    before = values.get(site.name, namespace[site.name])
                    values[site.name] = _picked(site, before, payload)
                elif site.kind == "setindex":
                    namespace[site.name][payload[0]]
                    held[site.name, payload[0]] = payload[1]
                elif site.kind in arrays.KINDS:
                    arrays.rehearse(namespace[site.name], site, payload)
                elif site.name in self._looked_up:
                    self._look_up(site, payload, held)
            except Exception as error:
                known = (
                    None if isinstance(error, Unsupported) or site.kind in arrays.KINDS else error
                )
                raise Unsafe(f"`{site.name}` can't take it: {error}", known) from None
        return values

    def _look_up(self, site: Site, payload: Any, held: dict[tuple[str, Any], Any]) -> None:
        name = site.name
        if site.kind == "setitem":
            held[name, payload[0]] = payload[1]
        elif site.kind in ("update_dict", "merge_dict"):
            held.update(((name, key), value) for key, value in payload.items())
        elif site.kind == "count" or site.kind in _GROWING:
            key = payload[0]
            found = held.get((name, key), _MISSING)
            if found is _MISSING:
                found = _entry(self.namespace[name], key, site)
            held[name, key] = found
            if type(payload) is Touch:
                return
            if site.kind in _GROWING:
                if type(found) is not _GROWING[site.kind][0]:
                    raise Unsupported(f"a {type(found).__name__} is there")
            elif immutable(type(found)) or type(found) is tuple:
                held[name, key] = getattr(operator, site.operator)(found, payload[1])
            elif not (type(found) is list and type(payload[1]) is list):
                raise Unsupported(f"a {type(found).__name__} is there")
        elif site.kind != "update_counter":
            raise Unsupported("it is changed in several ways")


def _added(before: Any, operation: str, payload: Any) -> Any:
    """Give the sum of a number or a string and a value, or of an array that the loop made."""
    if type(payload) is not Copied and not is_plain(before):
        return getattr(operator, operation)(before, payload)
    value = payload[0] if type(payload) is Copied else payload
    if isinstance(before, str | tuple) or isinstance(value, str | tuple):
        raise Unsupported(f"a {type(before).__name__} is there")
    try:
        return arrays.added(before, operation, value)
    except Exception as error:
        raise Unsupported(str(error)) from None


def _entry(container: Any, key: Any, site: Site) -> Any:
    """Look up an entry without making one."""
    if site.operator == "setdefault":
        found = container.get(key, _MISSING)
        return _GROWING[site.kind][0]() if found is _MISSING else found
    if type(container) is list:
        if type(key) is not int:
            raise Unsupported(f"a {type(key).__name__} is the index")
        return container[key]
    if key in container:
        return dict.__getitem__(container, key)
    if type(container) is Counter:
        return 0
    if type(container) is defaultdict and container.default_factory in _FACTORIES:
        return container.default_factory()
    raise KeyError(key)


def _picked(site: Site, before: Any, value: Any) -> Any:
    if not immutable(type(before)):
        raise Unsupported(f"a {type(before).__name__} is there")
    choose = max if site.operator.endswith("max") else min
    return choose(value, before) if site.operator.startswith("r") else choose(before, value)
