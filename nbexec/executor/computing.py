"""Numeric kernels over slices of one array, in parallel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..worker import reductions
from .initializing import WithoutState


class Computing:
    """What an executor does with arrays of numbers; it has the executor's `map`."""

    map: Callable[..., Any]

    def compute(
        self,
        kernel: str | Callable[[Any], Any],
        array: Any,
        *,
        combine: Callable[[list[Any]], Any] | None = None,
    ) -> Any:
        """Reduce an array of numbers: slices in parallel, joined in their order.

        Parameters
        ----------
        kernel : {"sum", "product", "square_sum", "min", "max"} or callable
            The reduction, or a function of a slice, a NumPy array (one that numba has
            compiled with ``nogil=True`` runs in parallel on threads).
        array : array_like
            Numbers.  On threads slices are views; to processes they go through shared memory.
        combine : callable or None
            Makes the result from the list of a function's values, in order; None gives the list.
            A named kernel has its own.

        Returns
        -------
        object
            As NumPy gives it, up to the rounding of floats; the same on every backend, for
            every number of workers.

        Raises
        ------
        TypeError, ValueError
            `array` holds no numbers; there is no such kernel; or an empty array has no smallest
            or largest number.

        Examples
        --------
        >>> import nbexec
        >>> with nbexec.Executor("threads", workers=2) as executor:
        ...     float(executor.compute("square_sum", [1.0, 2.0, 3.0]))
        14.0
        """
        part, join = (kernel, combine or list) if callable(kernel) else reductions.kernel(kernel)
        if combine is not None and not callable(kernel):
            raise ValueError(f"combine= is for functions: {kernel!r} has its own")
        if not callable(kernel):
            part = WithoutState(part)
        return join(list(self.map(part, reductions.slices(reductions.numbers(array)))))
