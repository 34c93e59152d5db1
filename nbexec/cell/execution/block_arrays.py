"""Stores into arrays by the iterations of a block, done at once; never imports NumPy."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

from ..analysis import arrays
from ..analysis.accumulators import Site
from ..analysis.object_facts import dotted

SAFE, LARGE = 1 << 62, 1e300  # sums of integers, and of floats, stay below that


def rehearsed(namespace: dict[str, Any], site: Site, made: Any) -> Callable[[], Any]:
    """Give the function that does the stores, in order.

    Raises
    ------
    Exception
        One of them would raise, or may do so.
    """
    array, (keys, values) = namespace[site.name], made
    if not len(keys):
        return lambda: None
    index = _index(array, keys)
    operands = None if index is None else _operands(array, values)
    if operands is None:
        return _one_by_one(namespace, site, keys, values)
    if site.kind == "store":
        return functools.partial(array.__setitem__, index, operands)
    numpy = sys.modules["numpy"]
    method = {"iadd": numpy.add, "isub": numpy.subtract}.get(site.operator)
    if method is None or not _bounded(array[index], operands):
        return _one_by_one(namespace, site, keys, values)
    return functools.partial(method.at, array, index, operands)


def _index(array: Any, keys: list[Any]) -> Any:
    """Give an index for all keys, where they are positions of elements."""
    numpy = sys.modules["numpy"]
    columns = [*zip(*keys, strict=True)] if type(keys[0]) is tuple else [keys]
    if len(columns) != array.ndim:
        return None
    found = []
    for column, size in zip(columns, array.shape, strict=True):
        if not set(map(type, column)) <= {int, numpy.int64}:
            return None
        one = numpy.array(column, numpy.intp)
        if one.min() < -size or one.max() >= size:
            raise IndexError("an index is out of bounds")
        found.append(numpy.where(one < 0, one + size, one))
    return tuple(found)


def _operands(array: Any, values: Any) -> Any:
    """Give the values as an array of the same type, where that changes none of them."""
    numpy = sys.modules["numpy"]
    exact = {
        "float64": {float, int, bool, numpy.float64},
        "int64": {int, bool, numpy.int64},
        "bool": {bool, numpy.bool_},
    }.get(str(array.dtype), set())
    kinds = {values.dtype.type} if dotted(type(values)) == "numpy.ndarray" else {*map(type, values)}
    return numpy.array(values, array.dtype) if kinds <= exact else None


def _bounded(before: Any, operands: Any) -> bool:
    """Whether no sum can leave the range of its type, which a single one would warn of."""
    if before.dtype.kind == "f":
        return bool(abs(before).max() < LARGE and abs(operands).max() * len(operands) < LARGE)
    if before.dtype.kind != "i":
        return False
    most = max(abs(int(before.max())), abs(int(before.min())))
    largest = max(abs(int(operands.max())), abs(int(operands.min())))
    return most + largest * len(operands) < SAFE


def _one_by_one(
    namespace: dict[str, Any], site: Site, keys: Any, values: Any
) -> Callable[[], None]:
    array = namespace[site.name]
    for pair in zip(keys, values, strict=True):
        arrays.rehearse(array, site, pair)
    apply = arrays.store if site.kind == "store" else arrays.store_into

    def do() -> None:
        for pair in zip(keys, values, strict=True):
            apply(namespace, site, pair)

    return do
