"""Effects of a block: each column applied to its object, at the speed of the object's own methods.

As with the effects of one iteration all are rehearsed before any is applied.
"""

from __future__ import annotations

import functools
import itertools
import operator
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

from ..analysis.accumulators import Site
from ..analysis.object_facts import immutable
from ..iteration.block import BlockRecord
from ..iteration.boundary import arrived
from ..iteration.columns import Column, replaced
from ..iteration.effect_log import Unsafe
from . import block_arrays
from .effects import Effects

Do = Callable[[], Any]
_MISSING: Any = object()
_WHOLE = {int, bool}


def apply_block(
    effects: Effects, columns: tuple[Column, ...], record: BlockRecord, items: tuple[Any, ...]
) -> None:
    """Apply the effects of a block.

    Raises
    ------
    Unsafe
        One can't be applied in this way; none was.
    """
    entries, made = record.entries, record.columns
    if record.refers:
        entries, made = resolved(effects.namespace, columns, record, items)
    values = effects.rehearsed(entries)
    todo = [
        rehearsed(effects.namespace, effects.sites[column.site], column.kind, one)
        for column, one in zip(columns, made, strict=True)
    ]
    effects.perform(entries, values)
    for do in todo:
        do()


def resolved(
    namespace: dict[str, Any],
    columns: tuple[Column, ...],
    record: BlockRecord,
    items: tuple[Any, ...],
) -> tuple[list[tuple[int, Any]], list[Any]]:
    """Give the entries and the columns with the objects that their references stand for."""

    def change(thing: Any) -> Any:
        return arrived(thing, namespace, items)

    entries = [(site, change(what)) for site, what in record.entries]
    found = zip(columns, record.columns, strict=True)
    return entries, [replaced(column.kind, one, change) for column, one in found]


def rehearsed(namespace: dict[str, Any], site: Site, kind: str, made: Any) -> Do:
    """Give the function that applies a column, having looked whether it can be applied.

    Raises
    ------
    Unsafe
        It can't.
    """
    try:
        return _REHEARSE[kind](namespace, site, made)
    except Exception as error:
        raise Unsafe(f"`{site.name}` can't take it: {error}") from None


class _Undecided(Exception):
    """Only one iteration after the other can tell."""


def _method(name: str) -> Callable[[dict[str, Any], Site, Any], Do]:
    return lambda namespace, site, made: functools.partial(
        getattr(namespace[site.name], name), made
    )


def _update(namespace: dict[str, Any], site: Site, made: dict[Any, Any]) -> Do:
    container = namespace[site.name]
    if type(container) is Counter:  # its own `update` adds
        return functools.partial(dict.update, container, made)
    return functools.partial(container.update, made)


def _setindex(namespace: dict[str, Any], site: Site, made: list[tuple[Any, int]]) -> Do:
    container = namespace[site.name]
    if made:
        at = [index for _, index in made]
        container[min(at)], container[max(at)]

    def do() -> None:
        for value, index in made:
            container[index] = value

    return do


def _augment(namespace: dict[str, Any], site: Site, made: list[Any]) -> Do:
    before = namespace[site.name]
    if not made:
        return lambda: None
    kinds = set(map(type, made))
    if not (immutable(type(before)) or type(before) is tuple):
        raise _Undecided("it is an object that can be changed")
    plus, kind = site.operator in ("iadd", "add"), type(before)
    if plus and kind is int and kinds == {int}:
        after = sum(made, before)
    elif plus and kind is str and kinds == {str}:
        after = "".join([before, *made])
    elif plus and kind is tuple and kinds == {tuple}:
        after = (*before, *itertools.chain.from_iterable(made))
    else:  # not `sum`, which adds floats in another way
        after = functools.reduce(getattr(operator, site.operator), made, before)
    return lambda: namespace.update({site.name: after})


def _pick(namespace: dict[str, Any], site: Site, made: list[Any]) -> Do:
    best = namespace[site.name]
    if not immutable(type(best)):
        raise _Undecided("it is an object that can be changed")
    choose = max if site.operator.endswith("max") else min
    if site.operator.startswith("r"):
        for value in made:
            best = choose(value, best)
    else:
        best = choose(itertools.chain([best], made))
    return lambda: namespace.update({site.name: best})


def _count(namespace: dict[str, Any], site: Site, made: list[tuple[Any, Any]]) -> Do:
    """Compute the new entries one after the other: what they hold can't be changed."""
    container = namespace[site.name]
    held: dict[Any, Any] = {}
    add, missing = getattr(operator, site.operator), _default(container)
    if type(container) is list and made:
        at = [index for index, _ in made]
        if not (set(map(type, at)) <= {int} and min(at) >= 0):
            raise _Undecided("an index is no number from 0")
    for key, value in made:
        found = held.get(key, _MISSING)
        if found is _MISSING:
            found = _entry(container, key, missing)
            if not (immutable(type(found)) or type(found) is tuple):
                raise _Undecided(f"a {type(found).__name__} is there")
        held[key] = add(found, value)

    def do() -> None:
        for key, value in held.items():
            container[key] = value

    return do


def _tally(namespace: dict[str, Any], site: Site, made: dict[Any, int]) -> Do:
    container = namespace[site.name]
    missing = _default(container)
    before = [_entry(container, key, missing) for key in made]
    if not set(map(type, before)) <= _WHOLE:
        raise _Undecided("what is there is no integer")

    def do() -> None:
        for key, found in zip(made, before, strict=True):
            container[key] = found + made[key]

    return do


def _default(container: Any) -> Callable[[], Any] | None:
    """Give what makes an entry that isn't there; None where that is an error."""
    if type(container) is Counter:
        return int
    if type(container) is defaultdict and container.default_factory in _FACTORIES:
        return container.default_factory
    return None


_FACTORIES = (int, float, complex, str, tuple, list, set, dict)


def _entry(container: Any, key: Any, missing: Callable[[], Any] | None) -> Any:
    if type(container) is list:
        return container[key]
    if key in container:
        return dict.__getitem__(container, key)
    if missing is None:  # or a factory of the user's, which may do anything
        raise KeyError(key)
    return missing()


def _grow(namespace: dict[str, Any], site: Site, made: dict[Any, list[Any]]) -> Do:
    container, kind = namespace[site.name], set if site.kind == "grow_add" else list
    missing = kind if site.operator == "setdefault" else _default(container)
    there = [container[key] for key in made if key in container]
    if missing is None and len(there) < len(made):
        raise KeyError(next(key for key in made if key not in container))
    if not set(map(type, there)) <= {kind} or (missing or kind) is not kind:
        raise _Undecided("what is there is something else")
    if len(set(map(id, there))) < len(there):
        raise _Undecided("two entries are one object")

    def do() -> None:
        for key, values in made.items():
            found = container[key] if key in container else container.setdefault(key, kind())
            found.extend(values) if kind is list else found.update(values)

    return do


_REHEARSE: dict[str, Callable[[dict[str, Any], Site, Any], Do]] = {
    "append": _method("extend"),
    "extend": _method("extend"),
    "add": _method("update"),
    "update_set": _method("update"),
    "setitem": _update,
    "update_dict": _update,
    "setindex": _setindex,
    "augment": _augment,
    "pick": _pick,
    "count": _count,
    "tally": _tally,
    "update_counter": _tally,
    "store": block_arrays.rehearsed,
    "store_into": block_arrays.rehearsed,
    "grow": _grow,
    "grow_many": _grow,
    "grow_add": _grow,
}
