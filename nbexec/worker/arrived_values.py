"""What came of a module's values to a worker: the values, and which are the same as before."""

from __future__ import annotations

import contextlib
import pickle
from typing import Any

from ..serialize import nans
from .module_facts import HeldNames, HeldValues


def values_of(held: HeldValues, names: HeldNames) -> dict[str, Any]:
    """Give the values of a module, by path; without those that can't be unpickled here."""
    found: dict[str, Any] = {}
    with contextlib.suppress(Exception):  # what an import gives is the best that there is
        if names.paths:
            buffers = [*map(_copied, held.buffers)]  # they are needed the next time, too
            found.update(zip(names.paths, nans.loads(held.data, buffers), strict=True))
    for path, data in names.singles.items():
        with contextlib.suppress(Exception):
            found[path] = nans.loads(data)
    return found


def unchanged(
    before: HeldValues, now: HeldValues, names: HeldNames, values: dict[str, Any]
) -> tuple[HeldNames, set[str]]:
    """Give what was known of the names of a module before, and those that are the same since."""
    known: HeldNames = pickle.loads(before.names)
    equal = known.paths == names.paths and before.data == now.data
    equal = equal and [*map(bytes, before.buffers)] == [*map(bytes, now.buffers)]
    then = values if equal and known.singles == names.singles else values_of(before, known)
    found = set()
    for path, what in names.facts.items():
        if known.facts.get(path) != what:
            continue
        if (path in then) != (path in values):
            continue
        if path not in values or then is values or _is_pickled_alike(then[path], values[path]):
            found.add(path)
    return known, found


def _is_pickled_alike(one: Any, other: Any) -> bool:
    """Whether two values are surely equal, both as they came out of a pickle."""
    try:
        return pickle.dumps(one, protocol=5) == pickle.dumps(other, protocol=5)
    except Exception:  # not without the ways that they were sent by
        return False


def _copied(buffer: Any) -> bytes | bytearray:
    return bytes(buffer) if memoryview(buffer).readonly else bytearray(buffer)
