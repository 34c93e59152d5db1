"""vmap: a function of one item becomes a function of many."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from ..api import map as run_map
from ..errors import OptionError
from ..model import Failure
from ..options import resolve
from ..run.preparing import is_coroutine
from ..serialize.importable import own_name
from . import axes, batches
from .stacking import of_none, stack
from .trees import TreeShape, build, shape_of


class Layout(NamedTuple):
    """How the arguments of a call are made of what is mapped and what is not."""

    shapes: tuple[TreeShape | None, ...]  # of the positional arguments, then of the others
    names: tuple[str, ...]  # of the others
    fixed: tuple[Any, ...]  # of each leaf, in order; of a mapped one None
    mapped: tuple[int, ...]  # which leaves are

    def arguments(self, mapped: Sequence[Any]) -> tuple[list[Any], dict[str, Any]]:
        """Give the arguments of the call for one item, or one slice."""
        leaves = list(self.fixed)
        for position, value in zip(self.mapped, mapped, strict=True):
            leaves[position] = value
        flow: Iterator[Any] = iter(leaves)
        values = [build(shape, flow) for shape in self.shapes]
        positional = len(values) - len(self.names)
        return values[:positional], dict(zip(self.names, values[positional:], strict=True))


def call(fn: Callable[..., Any], layout: Layout, mapped: Sequence[Any]) -> Any:
    """Call a function for one item, or one slice."""
    args, kwargs = layout.arguments(mapped)
    return fn(*args, **kwargs)


async def call_async(fn: Callable[..., Any], layout: Layout, mapped: Sequence[Any]) -> Any:
    """Await a function for one item, or one slice."""
    return await call(fn, layout, mapped)


def calling(fn: Callable[..., Any], layout: Layout) -> Callable[[Sequence[Any]], Any]:
    """Give the function of what is mapped."""
    return functools.partial(call_async if is_coroutine(fn) else call, fn, layout)


def laid_out(found: list[axes.LeafAxis], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Layout:
    """Give how a call's arguments are put together again."""
    shapes = tuple(shape_of(value) for value in [*args, *kwargs.values()])
    fixed = tuple(leaf.value if axis is None else None for leaf, axis in found)
    mapped = tuple(at for at, one in enumerate(found) if one.axis is not None)
    return Layout(shapes, tuple(kwargs), fixed, mapped)


class Transformed:
    """A function that was made of another one."""

    transform = "vmap"

    def __init__(self, fn: Callable[..., Any], in_axes: Any, out_axes: Any, options: Any) -> None:
        if not callable(fn):
            raise OptionError(f"{self.transform}() takes a function, not {fn!r}")
        functools.update_wrapper(self, fn)
        self._fn, self._in_axes, self._out_axes = fn, in_axes, out_axes
        self._options = {"name": getattr(fn, "__name__", self.transform), **options}
        resolve(self._options)  # what is wrong with them is said now

    def __reduce__(self) -> Any:
        given = self._fn, self._in_axes, self._out_axes, self._options
        return own_name(self) or (type(self), given)

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """Bind it, as a method is."""
        return self if instance is None else types.MethodType(self, instance)

    def __repr__(self) -> str:
        return f"<{self.transform} of {getattr(self._fn, '__qualname__', self._fn)}>"

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Call the function for each item, and give one batch of the results."""
        found = axes.of_arguments(self.transform, self._fn, self._in_axes, args, kwargs)
        count = axes.common_size(self.transform, found)
        columns = [batches.items(leaf.value, axis) for leaf, axis in found if axis is not None]
        layout = laid_out(found, args, kwargs)
        like, along = next((leaf.value, axis) for leaf, axis in found if axis is not None)
        results = run_map(calling(self._fn, layout), zip(*columns, strict=True), **self._options)
        if any(isinstance(one, Failure) and results.failed(one) for one in results):
            return results
        if not count:
            return of_none(results, like, along)
        return stack(self.transform, results, self._out_axes, like, along)


def vmap(
    fn: Callable[..., Any] | None = None, in_axes: Any = 0, out_axes: Any = 0, **options: Any
) -> Any:
    """Make a function of many items of a function of one, as ``jax.vmap`` does.

    Parameters
    ----------
    fn : callable
        A function of one item, also a coroutine function.  None: a decorator,
        ``@nbexec.vmap(workers=4)``.
    in_axes : int, None, tuple, dict, or trees of these
        The axis of each positional argument along which its items are; None gives it whole to
        each call.  One for all, or one for each in a tuple, or in a dict by the arguments'
        names.  Where an argument is a dict, a tuple or a dataclass, its axis may be such a
        container, too.  Arguments given by keyword have axis 0, unless a dict names them.
    out_axes : int, None or tree
        The axis of the result along which the items are; None for what is the same for all.
    **options
        Any of `Options`: ``backend``, ``workers``, ``on_error`` and so on.

    Returns
    -------
    callable
        Called with batches, it gives a batch.  Batches are lists and other sequences (axis 1 is
        that of the lists in a list), NumPy arrays, torch tensors, Series, DataFrames (axis 0 are
        the rows) and ``df.groupby(...)`` of pandas; dicts, tuples and dataclasses hold them.
        Lists give a list, and one array where each result is an array of the same shape; arrays
        and tensors give one of these; a Series or a DataFrame gives one with its index.  With
        ``on_error="collect"``, and failures, it is the list of results that `map` gives.

    Raises
    ------
    OptionError
        `fn` can't be called, or an option can't be used.
    TypeError, ValueError
        Of a call: `in_axes` doesn't fit the arguments, an argument has no such axis, or lengths
        differ; the message names argument, axis and lengths.

    Notes
    -----
    Signature and meaning are those of ``jax.vmap``, with one difference: JAX takes a list for a
    container, this for a batch.  A ``vmap`` of a ``vmap`` runs as any run within a run.

    Examples
    --------
    >>> import nbexec
    >>> def area(shape, scale):
    ...     return shape["w"] * shape["h"] * scale
    >>> areas = nbexec.vmap(area, in_axes=(0, None), progress="off")
    >>> areas({"w": [1, 2], "h": [3, 4]}, 10)
    [30, 80]
    """
    if fn is None:
        return functools.partial(vmap, in_axes=in_axes, out_axes=out_axes, **options)
    return Transformed(fn, in_axes, out_axes, options)
