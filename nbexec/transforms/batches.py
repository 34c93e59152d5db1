"""Batches: what has items along an axis, and how one of them, or a slice, is taken.

Lists and other sequences, NumPy arrays, torch tensors, pandas' Series, DataFrames and groups.
No library is imported for it: an object of one that isn't loaded can't be there.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from typing import Any


def library(name: str) -> Any:
    """Give a library if it is loaded; None where it isn't."""
    return sys.modules.get(name)


def is_array(value: Any) -> bool:
    """Whether it is a NumPy array, or one of its numbers."""
    numpy = library("numpy")
    return numpy is not None and isinstance(value, numpy.ndarray | numpy.generic)


def is_tensor(value: Any) -> bool:
    """Whether it is a torch tensor."""
    torch = library("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def is_frame(value: Any) -> bool:
    """Whether it is a DataFrame of pandas."""
    pandas = library("pandas")
    return pandas is not None and isinstance(value, pandas.DataFrame)


def is_series(value: Any) -> bool:
    """Whether it is a Series of pandas."""
    pandas = library("pandas")
    return pandas is not None and isinstance(value, pandas.Series)


def is_groups(value: Any) -> bool:
    """Whether it is what ``groupby`` of pandas gives."""
    pandas = library("pandas")
    return pandas is not None and isinstance(value, pandas.api.typing.DataFrameGroupBy)


def is_list(value: Any) -> bool:
    """Whether it is a sequence of items: a text is none, and a tuple is several arguments."""
    return isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray | tuple)


def rank(value: Any, most: float = math.inf) -> int | None:
    """Give how many axes it has, as far as that is known; None where it has none at all.

    With `most`, lists are not looked into any further: each item would be looked at.

    Examples
    --------
    >>> rank([[1, 2], [3, 4]]), rank([1, 2]), rank("ab"), rank(3)
    (2, 1, None, None)
    """
    if is_array(value) or is_tensor(value):
        return int(value.ndim)
    if is_frame(value):
        return 2
    if is_series(value) or is_groups(value):
        return 1
    if not is_list(value):
        return None
    if most <= 1 or isinstance(value, range):
        return 1
    inner = [rank(one, most - 1) for one in value]
    return 1 + (min(0 if one is None else one for one in inner) if inner else 0)


def size(value: Any, axis: int) -> int:
    """Give how many items there are along an axis, from 0.

    Raises
    ------
    ValueError
        The lists in a list have different lengths.
    """
    if is_array(value) or is_tensor(value):
        return int(value.shape[axis])
    if is_frame(value):
        return len(value.index) if axis == 0 else len(value.columns)
    if axis == 0 or not is_list(value):
        return len(value)
    sizes = {size(one, axis - 1) for one in value}
    if len(sizes) > 1:
        raise ValueError(f"its lists have different lengths along axis {axis}: {sorted(sizes)}")
    return sizes.pop() if sizes else 0


def item(value: Any, axis: int, index: int) -> Any:
    """Give one item.

    Examples
    --------
    >>> item([[1, 2], [3, 4]], 1, 0)
    [1, 3]
    """
    if is_array(value):
        return value[(slice(None),) * axis + (index,)]
    if is_tensor(value):
        return value.select(axis, index)
    if is_frame(value):
        return value.iloc[index] if axis == 0 else value.iloc[:, index]
    if is_series(value):
        return value.iloc[index]
    return value[index] if axis == 0 else [item(one, axis - 1, index) for one in value]


def labels(value: Any, axis: int) -> Any:
    """Give the index of a Series, or that of the rows or of the columns of a DataFrame."""
    return value.columns if is_frame(value) and axis == 1 else value.index


def items(value: Any, axis: int) -> Sequence[Any]:
    """Give all items, as a sequence."""
    if is_groups(value):
        return [frame for _, frame in value]
    if axis == 0 and is_list(value):
        return list(value)
    return [item(value, axis, index) for index in range(size(value, axis))]


def part(value: Any, axis: int, start: int, stop: int) -> Any:
    """Give the items from `start` up to `stop`, as a batch of the same kind."""
    piece = slice(start, stop)
    if is_array(value) or is_tensor(value):
        return value[(slice(None),) * axis + (piece,)]
    if is_frame(value):
        return value.iloc[piece] if axis == 0 else value.iloc[:, piece]
    if is_series(value):
        return value.iloc[piece]
    if axis == 0:
        return value[piece]
    return [part(one, axis - 1, start, stop) for one in value]
