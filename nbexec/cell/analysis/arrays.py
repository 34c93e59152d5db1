"""NumPy arrays as accumulators: their effects, and rehearsing them; never imports NumPy."""

from __future__ import annotations

import operator
import sys
from collections.abc import Iterable
from typing import Any

from .accumulators import Site
from .object_facts import is_array, is_plain

KINDS = ("store", "store_into", "array")  # effects on arrays


def added(before: Any, operation: str, value: Any) -> Any:
    """Give the result of ``before += value`` for a number, or a copy of an array.

    Raises
    ------
    FloatingPointError
        It is infinite or not a number: the statement itself may warn of it.
    """
    numpy = sys.modules["numpy"]
    with numpy.errstate(all="raise"):
        return getattr(operator, operation)(before.copy() if is_plain(before) else before, value)


def store(namespace: dict[str, Any], site: Site, payload: tuple[Any, ...]) -> None:
    """Do ``a[key] = value``."""
    key, value = payload
    namespace[site.name][key] = value


def store_into(namespace: dict[str, Any], site: Site, payload: tuple[Any, ...]) -> None:
    """Do ``a[key] += value`` and the like."""
    key, value = payload
    array = namespace[site.name]
    array[key] = getattr(operator, site.operator)(array[key], value)


def whole(namespace: dict[str, Any], site: Site, payload: tuple[Any, ...]) -> None:
    """Do ``a += value`` and the like."""
    namespace[site.name] = getattr(operator, site.operator)(namespace[site.name], payload[0])


def rehearse(array: Any, site: Site, payload: tuple[Any, ...]) -> None:
    """Raise what applying an effect would raise, without changing the array."""
    numpy = sys.modules["numpy"]
    with numpy.errstate(all="ignore"):
        if site.kind == "array":
            (value,) = payload
            if numpy.broadcast_shapes(array.shape, numpy.shape(value)) != array.shape:
                raise ValueError(f"its shape is {array.shape}, not {numpy.shape(value)}")
            empty = numpy.empty(0, value.dtype) if is_array(value) else value
            getattr(operator, site.operator)(numpy.empty(0, array.dtype), empty)
            return
        key, value = payload
        part = array[key]
        trial = numpy.empty(numpy.shape(part), array.dtype)
        if site.kind == "store_into":
            trial[...] = part
            value = getattr(operator, site.operator)(trial if trial.shape else part, value)
        trial[...] = value


def hidden_among(array: Any, others: Iterable[Any]) -> bool:
    """Whether some object is known to share memory with an array, or may do so unseen.

    What holds arrays in C, as a data frame does, isn't seen through.
    """
    numpy = sys.modules["numpy"]
    kinds = set(map(type, others)) - {numpy.ndarray}
    if any(kind.__module__.partition(".")[0] not in _SEEN_THROUGH for kind in kinds):
        return True
    return any(numpy.may_share_memory(array, one) for one in others if type(one) is numpy.ndarray)


_SEEN_THROUGH = {"builtins", "collections", "functools", "types", "__main__"}
