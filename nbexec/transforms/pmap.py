"""pmap: each worker gets one slice of a batch, and what they give is joined."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from typing import Any

from ..api import map as run_map
from ..model import Failure
from ..options import resolve
from ..placement.auto import most_workers
from ..worker.random_streams import depth
from . import axes, batches
from .stacking import join
from .vmap import Transformed, calling, laid_out


class Sliced(Transformed):
    """A function of a batch, for whose slices it is called."""

    transform = "pmap"

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Call the function for a slice on each worker, and join the results."""
        found = axes.of_arguments(self.transform, self._fn, self._in_axes, args, kwargs)
        count = axes.common_size(self.transform, found)
        batched = [(_sliceable(leaf.value), axis) for leaf, axis in found if axis is not None]
        bounds = self._bounds(count)
        slices = [
            tuple(batches.part(value, axis, start, stop) for value, axis in batched)
            for start, stop in bounds
        ]
        call = calling(self._fn, laid_out(found, args, kwargs))
        results = run_map(call, slices, **{"chunk": 1, **self._options})
        if any(isinstance(one, Failure) and results.failed(one) for one in results):
            return results
        return join(self.transform, results, self._out_axes)

    def _bounds(self, count: int) -> list[tuple[int, int]]:
        """Give where slices begin and end: as many as workers, and at least one."""
        workers = resolve(self._options).workers
        most = max(1, min(count, most_workers(workers, depth.get())))
        edges = [position * count // most for position in range(most + 1)]
        return list(itertools.pairwise(edges))


def _sliceable(value: Any) -> Any:
    if batches.is_groups(value):
        raise ValueError("pmap can't slice what groupby gives: use vmap, which maps each group")
    return value


def pmap(
    fn: Callable[..., Any] | None = None, in_axes: Any = 0, out_axes: Any = 0, **options: Any
) -> Any:
    """Have each worker call a function of a batch with one slice of it, and join the results.

    Parameters
    ----------
    fn : callable
        A function of a batch that gives a batch.  None: a decorator.
    in_axes, out_axes : int, None, or trees of these
        The axes along which batches are sliced, and results joined, as for `vmap`.
    **options
        Any of `Options`.  There are as many slices as ``workers``.

    Returns
    -------
    callable
        Called with batches, it gives what `fn` gives for all of them, where `fn` treats items
        one by one.

    Raises
    ------
    OptionError, TypeError, ValueError
        As for `vmap`; or `fn` gives no batch.

    Examples
    --------
    >>> import nbexec
    >>> def doubled(numbers):
    ...     return [2 * number for number in numbers]
    >>> nbexec.pmap(doubled, workers=2, progress="off")([1, 2, 3])
    [2, 4, 6]
    """
    if fn is None:
        return functools.partial(pmap, in_axes=in_axes, out_axes=out_axes, **options)
    return Sliced(fn, in_axes, out_axes, options)
