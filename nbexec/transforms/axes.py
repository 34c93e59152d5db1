"""Axes: which of what a function is given is mapped, and along which axis."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator, Mapping
from numbers import Integral
from typing import Any, NamedTuple

from . import batches
from .trees import Leaf, TreeShape, fields_of, leaves_of, shape_of

MAPPED_KINDS = "a list, a range, a NumPy array, a torch tensor, or a Series or DataFrame of pandas"


class LeafAxis(NamedTuple):
    """A leaf of the arguments, and the axis along which it is mapped; None: it is not."""

    leaf: Leaf
    axis: int | None


def of_arguments(
    name: str, fn: Callable[..., Any], in_axes: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> list[LeafAxis]:
    """Give each leaf of a call's arguments, in order, with its axis.

    Raises
    ------
    TypeError, ValueError
        `in_axes` doesn't fit the arguments, or an argument has no such axis.
    """
    names = [*_names(fn, len(args)), *kwargs]
    axes = _of_each(name, in_axes, names, len(args))
    found = []
    for argument, axis, value in zip(names, axes, [*args, *kwargs.values()], strict=True):
        spread = spread_over(axis, shape_of(value), f"{name}'s in_axes for {argument}")
        for leaf, one in zip(leaves_of(value, argument), spread, strict=True):
            if one is None or leaf.value is None:  # of None there is nothing to map
                found.append(LeafAxis(leaf, None))
            else:
                found.append(LeafAxis(leaf, _checked(name, leaf, one)))
    if all(one.axis is None for one in found):
        raise ValueError(f"{name} must have at least one non-None value in in_axes: {in_axes!r}")
    return found


def _names(fn: Callable[..., Any], count: int) -> list[str]:
    """Name the positional arguments of a call, for messages."""
    try:
        parameters = [*inspect.signature(fn).parameters.values()]
    except (TypeError, ValueError):  # it is built in
        parameters = []
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    names = [one.name for one in parameters if one.kind in kinds][:count]
    return names + [f"argument {position}" for position in range(len(names), count)]


def _of_each(name: str, in_axes: Any, names: list[str], positional: int) -> list[Any]:
    """Give the axes of each argument: what is said of it, or 0 for one given by keyword."""
    keywords = len(names) - positional
    if in_axes is None or _is_axis(in_axes):
        return [in_axes] * positional + [0] * keywords
    if isinstance(in_axes, dict):
        unknown = [key for key in in_axes if key not in names]
        if unknown:
            raise ValueError(
                f"{name} in_axes names {', '.join(map(repr, unknown))}, but the arguments of this "
                f"call are {', '.join(names) or 'none'}"
            )
        return [in_axes.get(one, 0) for one in names]
    if not isinstance(in_axes, tuple | list):
        raise TypeError(
            f"{name} in_axes must be an int, None, a tuple of entries corresponding to the "
            f"positional arguments passed to the function, or a dict by their names, but got "
            f"{in_axes!r}"
        )
    if len(in_axes) != positional:
        raise ValueError(
            f"{name} in_axes must be an int, None, or a tuple of entries corresponding to the "
            f"positional arguments passed to the function, but got len(in_axes)={len(in_axes)}, "
            f"len(args)={positional}"
        )
    return [*in_axes] + [0] * keywords


def _is_axis(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def spread_over(axes: Any, shape: TreeShape | None, what: str) -> Iterator[int | None]:
    """Give the axis of each leaf of a tree, from an axis for all of it or a tree of axes.

    Examples
    --------
    >>> tree = {"a": 1, "b": (2, 3)}
    >>> list(spread_over({"a": None, "b": 1}, shape_of(tree), "in_axes"))
    [None, 1, 1]
    """
    if axes is None or _is_axis(axes):
        yield from [axes] * _count(shape)
        return
    given: Any = dict(enumerate(axes)) if isinstance(axes, list | tuple) else axes
    if not isinstance(given, Mapping):
        given = fields_of(axes)  # a dataclass
    if shape is None or given is None or set(given) != set(shape.keys):
        there = "one value" if shape is None else f"a {shape}"
        raise ValueError(
            f"{what} must be an int, None, or a tree like its value, {there}: {axes!r}"
        )
    for key, child in zip(shape.keys, shape.children, strict=True):
        yield from spread_over(given[key], child, f"{what}[{key!r}]")


def _count(shape: TreeShape | None) -> int:
    return 1 if shape is None else sum(_count(child) for child in shape.children)


def _checked(name: str, leaf: Leaf, axis: int) -> int:
    """Give an axis from 0, or raise where the value has none such."""
    rank = batches.rank(leaf.value, axis + 1 if axis >= 0 else math.inf)
    kind = type(leaf.value).__name__
    if rank is None:
        hint = ""
        if isinstance(leaf.value, Mapping):
            hint = f": give dict({leaf.where})"
        elif hasattr(leaf.value, "__iter__") and not isinstance(leaf.value, str | bytes):
            hint = f": give list({leaf.where})"
        raise ValueError(
            f"{name} was requested to map {leaf.where} along axis {axis}, but it is of type "
            f"{kind}, which has no axes{hint}. What has some is {MAPPED_KINDS}; in_axes=None "
            "keeps it whole"
        )
    if not -rank <= axis < rank:
        shape = getattr(leaf.value, "shape", None)
        of = f" (its shape is {tuple(shape)})" if shape is not None else ""
        least = axis + 1 if axis >= 0 else -axis
        raise ValueError(
            f"{name} was requested to map its argument {leaf.where} along axis {axis}, which "
            f"implies that its rank should be at least {least}, but is only {rank}{of}"
        )
    return axis % rank


def common_size(name: str, mapped: list[LeafAxis]) -> int:
    """Give how many items there are.

    Raises
    ------
    ValueError
        Of some there are more than of others.
    """
    sizes: dict[int, list[str]] = {}
    for (where, value), axis in mapped:
        if axis is None:
            continue
        try:
            count = batches.size(value, axis)
        except ValueError as error:
            raise ValueError(f"{name} can't map {where}: {error}") from None
        sizes.setdefault(count, []).append(f"axis {axis} of {where}")
    if len(sizes) > 1:
        said = "\n".join(f"  * {', '.join(of)}: {count:,}" for count, of in sizes.items())
        raise ValueError(f"{name} got inconsistent sizes for array axes to be mapped:\n{said}")
    return next(iter(sizes))
