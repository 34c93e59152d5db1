"""Stacking: one batch of what a function gave for each item, or for each slice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from . import batches
from .axes import spread_over
from .trees import TreeShape, build, leaves_in, shape_of, unordered


def stack(name: str, values: Sequence[Any], out_axes: Any, like: Any, along: int = 0) -> Any:
    """Give one tree of batches of the trees that the items gave.

    Parameters
    ----------
    name : str
        The transform's, for messages.
    values : sequence
        One of each item.
    out_axes : int, None or tree
        Where the items go in the result.  None takes one for all: they must be equal.
    like : object
        The first batch that was mapped: lists give lists, arrays arrays, a Series one with its
        index.
    along : int
        The axis of `like` that was mapped: of a DataFrame, 1 are the columns.
    """
    shape = shape_of(values[0])
    if len({unordered(shape_of(value)) for value in values}) > 1:
        shapes = {shape_of(value) for value in values}
        said = " and ".join(sorted("no container" if one is None else str(one) for one in shapes))
        if out_axes != 0 or not batches.is_list(like):
            raise ValueError(f"{name} can't stack results of different shapes: {said}")
        return values  # as the plain loop has them
    axes = spread_over(out_axes, shape, f"{name}'s out_axes")
    columns = zip(*(leaves_in(shape, value) for value in values), strict=True)
    if shape is None and out_axes == 0 and _as_they_are(values, like):
        return values
    pairs = zip(columns, axes, strict=True)
    return build(shape, (_stacked(name, column, axis, like, along) for column, axis in pairs))


def of_none(values: Sequence[Any], like: Any, along: int) -> Any:
    """Give the batch of no results: of what, nobody knows."""
    if batches.is_array(like):
        return batches.library("numpy").empty(0)
    if batches.is_series(like) or batches.is_frame(like):
        index = batches.labels(like, along)
        return batches.library("pandas").Series([], index=index, dtype=object)
    return values


def _as_they_are(values: Sequence[Any], like: Any) -> bool:
    """Whether results stay a list: those of a list do, but arrays and tensors of one shape."""
    return batches.is_list(like) and not (_of_one_shape(values))


def _of_one_shape(values: Sequence[Any]) -> bool:
    kinds = [batches.is_array(one) or batches.is_tensor(one) for one in values]
    return all(kinds) and len({tuple(one.shape) for one in values}) == 1


def _stacked(name: str, column: Sequence[Any], axis: int | None, like: Any, along: int) -> Any:
    if axis is None:
        return _same(name, column)
    if all(batches.is_tensor(one) for one in column):
        return batches.library("torch").stack(list(column), axis)
    if batches.is_series(like) or batches.is_frame(like):
        return _in_frame(name, column, axis, batches.labels(like, along))
    numpy = batches.library("numpy")
    if all(batches.is_array(one) for one in column) and _of_one_shape(column):
        return _arrays_of(column).stack(column, axis)
    if axis < 0:
        axis += 1 + min(batches.rank(one) or 0 for one in column)
    numbers = all(isinstance(one, int | float | complex) for one in column)
    if axis == 0:
        return numpy.array(column) if batches.is_array(like) and numbers else list(column)
    return _nested(name, [_list_of(name, one, axis) for one in column], axis)


def _same(name: str, column: Sequence[Any]) -> Any:
    first = column[0]
    for other in column[1:]:
        if not _equal(first, other):
            raise ValueError(
                f"{name} has mapped output but out_axes is None: items gave {first!r} and {other!r}"
            )
    return first


def _equal(one: Any, other: Any) -> bool:
    """Whether two results are the same; nan is nan here."""
    if type(one) is not type(other):
        return not hasattr(one, "shape") and not hasattr(other, "shape") and bool(one == other)
    if batches.is_frame(one) or batches.is_series(one):
        return bool(one.equals(other))
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_equal, one, other))
    if getattr(one, "shape", None) != getattr(other, "shape", None):
        return False
    same = (one == other) | ((one != one) & (other != other))  # the latter where both are nan
    return bool(same.all() if hasattr(same, "all") else same)


def _arrays_of(column: Sequence[Any]) -> Any:
    """Give the module that joins these arrays: NumPy's own functions would lose masks."""
    numpy = batches.library("numpy")
    return numpy.ma if any(isinstance(one, numpy.ma.MaskedArray) for one in column) else numpy


def _in_frame(name: str, column: Sequence[Any], axis: int, index: Any) -> Any:
    """Give a Series of values, or a DataFrame of rows, with the index of what was mapped."""
    pandas = batches.library("pandas")
    if all(batches.is_series(one) for one in column):
        made = pandas.DataFrame(list(column))
        made.index = index
        if axis not in (0, 1, -1, -2):
            raise ValueError(f"{name} out_axes={axis}: a DataFrame has axes 0 and 1")
        return made if axis in (0, -2) else made.T
    if axis not in (0, -1):
        raise ValueError(f"{name} out_axes={axis}: results of one value each have axis 0 alone")
    if _of_one_shape(column) and column[0].ndim:
        return batches.library("numpy").stack(column)
    return pandas.Series(list(column), index=index)


def _list_of(name: str, value: Any, axis: int) -> Any:
    rank = batches.rank(value, axis)
    if axis < 0 or rank is None or rank < axis:
        raise ValueError(
            f"{name}'s out_axes, axis {axis} of the result, needs results of more axes, but one "
            f"is {type(value).__name__} of {rank or 0}"
        )
    return value


def _nested(name: str, values: list[Any], axis: int) -> list[Any]:
    """Have the items along an axis further in: what was [item][i] is [i][item]."""
    sizes = {len(one) for one in values}
    if len(sizes) > 1:
        raise ValueError(f"{name} can't stack lists of different lengths: {sorted(sizes)}")
    turned = [list(row) for row in zip(*values, strict=True)]
    return turned if axis == 1 else [_nested(name, row, axis - 1) for row in turned]


def join(name: str, values: Sequence[Any], out_axes: Any) -> Any:
    """Give one tree of batches of what slices gave, one after the other."""
    shape = _common(name, values)
    axes = spread_over(out_axes, shape, f"{name}'s out_axes")
    columns = zip(*(leaves_in(shape, value) for value in values), strict=True)
    return build(shape, (_joined(name, *one) for one in zip(columns, axes, strict=True)))


def _common(name: str, values: Sequence[Any]) -> TreeShape | None:
    if len({unordered(shape_of(value)) for value in values}) > 1:
        raise ValueError(f"{name} can't join results of different shapes")
    return shape_of(values[0])


def _joined(name: str, column: Sequence[Any], axis: int | None) -> Any:
    if axis is None:
        return _same(name, column)
    first = column[0]
    if all(batches.is_tensor(one) for one in column):
        return batches.library("torch").cat(list(column), axis)
    if all(batches.is_array(one) and one.ndim for one in column):
        return _arrays_of(column).concatenate(column, axis)
    if all(batches.is_series(one) or batches.is_frame(one) for one in column):
        return batches.library("pandas").concat(list(column), axis=axis)
    if axis == 0 and all(batches.is_list(one) for one in column):
        return [item for one in column for item in one]
    raise ValueError(
        f"{name} joins what the function gives for slices along axis {axis}, but it gave "
        f"{type(first).__name__}: give a batch, or out_axes=None for what is the same for all"
    )
