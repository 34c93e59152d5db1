"""What one module holds, packed: what is known of its names, and the values that are to be sent."""

from __future__ import annotations

import contextlib
import io
import pickle
import types
from typing import Any, NamedTuple

from ..serialize import live_modules, pickling
from . import unsent_values
from .module_facts import (
    GONE,
    UNSENT,
    VALUE,
    Fact,
    HeldNames,
    HeldValues,
    attributes_of,
    fact,
    is_written,
)
from .registrations import Registered
from .unchanged_values import same, snapshot

# By module and path: what can't be pickled, and whether it is surely not what an import gives.
_unsent: dict[str, dict[str, tuple[Any, bool]]] = {}
_functions: dict[str, dict[str, tuple[Any, Any, Fact]]] = {}  # as they are written, with the code
# Values that are looked at from outside: their state, pickled, and whether they surely changed.
_singles: dict[str, dict[str, tuple[list[Any], bytes | None, bool]]] = {}
_names: dict[str, tuple[HeldNames, bytes]] = {}  # what was known of a module's names, and pickled


class Found(NamedTuple):
    """What was found in a module: the facts, the values to send, and those that are pickled."""

    facts: dict[str, Fact]
    values: dict[str, Any]
    singles: dict[str, bytes]


def found_in(name: str, module: types.ModuleType) -> Found:
    """Look through a module."""
    found = Found({}, {}, {})
    known = _functions.setdefault(name, {})
    for path, value in attributes_of(name, module):
        if type(value) is types.FunctionType:
            was = known.get(path)
            if was is not None and was[0] is value and was[1] is value.__code__:
                found.facts[path] = was[2]
                continue
        what = found.facts[path] = fact(value)
        if what is VALUE or (what[0] in "fw" and not is_written(name, path, value)):
            _take(name, path, value, found)
        elif what[0] == "f" and not value.__closure__:
            known[path] = value, value.__code__, what
    return found


def _take(name: str, path: str, value: Any, found: Found) -> None:
    """Take in a value that is to be sent."""
    now = None if type(value) in PLAIN else snapshot(value)
    if now is None:
        found.values[path] = value
        return
    singles = _singles.setdefault(name, {})
    before = singles.get(path)
    if before is None or not same(before[0], now):
        data = None
        with contextlib.suppress(Exception):
            data = pickling.dumped(live_modules.pickler(), value)
        surely = not unsent_values.is_assigned(name, path)
        if before is not None:  # libraries note things on a function
            noted = type(value) is types.FunctionType and before[0][0] is value
            surely = before[2] or not noted
        before = singles[path] = now, data, surely
    if before[1] is not None:
        found.singles[path] = before[1]
    elif found.facts[path] is VALUE:
        found.facts[path] = _unsent_fact(value, before[2])


def _unsent_fact(value: Any, surely: bool) -> Fact:
    kind = type(value)
    return UNSENT, f"{kind.__module__}.{kind.__qualname__}", surely


def packed(
    name: str, found: Found, shared: dict[int, list[tuple[str, str]]], partly: bool = False
) -> HeldValues:
    """Pack what was found in a module; `shared` says where other modules have the same objects."""
    links = {}
    if shared:
        for path, value in found.values.items():
            if id(value) in shared:
                links[path] = [place for place in shared[id(value)] if place[0] != name]
    data, buffers = _pickled(name, found.values, found.facts)
    names = HeldNames(found.facts, [*found.values], links, found.singles, partly)
    before = _names.get(name)
    if before is None or before[0] != names:
        before = _names[name] = names, pickle.dumps(names, protocol=5)
    return HeldValues(before[1], data, buffers)


def packed_patches(name: str, patched: dict[str, Any]) -> HeldValues:
    """Pack what was changed in a library's module."""
    found = Found({}, {}, {})
    for path, value in patched.items():
        found.facts[path] = GONE if value is GONE else VALUE
        if value is GONE:
            continue
        if isinstance(value, Registered):
            value = value.sendable(unsent_values.is_sendable)
        if type(value) in _CONTAINERS and not unsent_values.is_sendable(value):
            found.facts[path] = _unsent_fact(value, True)  # no part of it: nothing is there
        else:
            _take(name, path, value, found)
    return packed(name, found, {}, partly=True)


_CONTAINERS = {list, dict, set, tuple, frozenset}
PLAIN = {int, float, bool, str, bytes, complex, type(None), type(...), tuple, frozenset}


class _Plain(pickle.Pickler):
    """A pickler of plain data alone: the fast way."""

    def reducer_override(self, thing: Any) -> Any:
        if type(thing) in (complex, bytearray):
            return NotImplemented
        raise pickle.PicklingError


def _pickled(name: str, values: dict[str, Any], facts: dict[str, Fact]) -> tuple[bytes, list[Any]]:
    """Pickle the values; those that can't be are taken out, or are sent in part."""
    with io.BytesIO() as file:
        try:
            _Plain(file, protocol=5).dump([*values.values()])
            return file.getvalue(), []
        except Exception:  # not plain
            pass
    unsent = _unsent.setdefault(name, {})
    made: dict[int, tuple[Any, Any]] = {}
    for path in unsent.keys() & values.keys():
        if values[path] is unsent[path][0]:
            _send_in_part(name, path, values, facts, made)
    for _ in range(2):
        apart = pickling.Apart()
        try:
            data = pickling.dumped(live_modules.pickler(), [*values.values()], apart)
            return data, apart.buffers
        except Exception:
            for path, value in [*values.items()]:
                if not unsent_values.is_sendable(value):
                    surely = path in unsent or not unsent_values.is_assigned(name, path)
                    unsent[path] = value, surely
                    _send_in_part(name, path, values, facts, made)
    values.clear()
    return b"", []


def _send_in_part(
    name: str,
    path: str,
    values: dict[str, Any],
    facts: dict[str, Fact],
    made: dict[int, tuple[Any, Any]],
) -> None:
    """Have what can't be sent left out of a value, or take out the value."""
    value = values[path]
    part = unsent_values.sendable_part(value, made)
    if part is not unsent_values.KEEP:
        values[path] = part
        return
    del values[path]
    if facts[path] is not VALUE:  # a function that the worker may have
        return
    facts[path] = _unsent_fact(value, _unsent[name][path][1])
