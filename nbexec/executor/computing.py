"""Numeric kernels over slices of one array, in parallel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..worker import reductions
from .initializing import WithoutState


class Computing:
    """What an executor does with arrays of numbers; it has the executor's `map`."""

    map: Callable[..., Any]

    @property
    def _max_workers(self) -> int:
        raise NotImplementedError

    def compute(
        self,
        kernel: str | Callable[[Any], Any],
        array: Any,
        *,
        combine: Callable[[list[Any]], Any] | None = None,
    ) -> Any:
        """Compute with an array of numbers: slices in parallel, joined in their order.

        Parameters
        ----------
        kernel : str, ufunc or callable
            A reduction of all numbers: "sum", "product", "square_sum", "min", "max", "mean", or
            "heavy_computation", which is PyFerris' one.  Or a ufunc: of two numbers, such as
            `numpy.add`, it reduces them all, as ``numpy.add.reduce(array, axis=None)``; of one
            number, such as `numpy.sqrt`, it gives an array.  Or a function of a slice, a NumPy
            array: one that numba has compiled with ``nogil=True`` runs in parallel on threads.
        array : array_like
            Numbers, of any shape.  A function is given slices of the rows, or of all numbers in
            one dimension where they lie together.  On threads slices are views; to processes
            they go through shared memory.
        combine : callable or None
            Makes the result from the list of a function's values, in order; None gives the list.
            Others have their own.

        Returns
        -------
        object
            As NumPy gives it, its type included, up to the rounding of floats; the same on every
            backend, for every number of workers.

        Raises
        ------
        TypeError, ValueError
            `array` holds no numbers, or is masked; there is no such kernel; a ufunc of two can't
            be reduced in parts, as `numpy.subtract`; or an empty array has no smallest number.

        Examples
        --------
        >>> import nbexec
        >>> with nbexec.Executor("threads", workers=2) as executor:
        ...     float(executor.compute("square_sum", [1.0, 2.0, 3.0]))
        14.0
        >>> import numpy
        >>> with nbexec.Executor("threads", workers=2) as executor:
        ...     executor.compute(numpy.sqrt, [[1.0, 4.0], [9.0, 16.0]]).tolist()
        [[1.0, 2.0], [3.0, 4.0]]
        """
        if combine is not None and (not callable(kernel) or reductions.is_ufunc(kernel)):
            raise ValueError(f"combine= is for functions: {kernel!r} has its own")
        numbers = reductions.numbers(array)
        if isinstance(kernel, str):
            return self._reduced(reductions.kernel(kernel), numbers)
        if not reductions.is_ufunc(kernel):
            return (combine or list)(list(self.map(kernel, reductions.slices(numbers))))
        reductions.compile_for(kernel, numbers)
        if reductions.is_ufunc(kernel, of=2):
            return self._reduced(reductions.of_ufunc(kernel), numbers)
        return self._each(kernel, numbers) if numbers.size > 1 else kernel(array)

    def _reduced(self, kernel: reductions.Kernel, numbers: Any) -> Any:
        """Reduce; an empty array, too: its type decides what that gives."""
        slices = reductions.slices(numbers) if numbers.size else [numbers]
        return kernel.join(list(self.map(WithoutState(kernel.part), slices)))

    def _each(self, ufunc: Any, numbers: Any) -> Any:
        """Apply a ufunc to each number; the slices are put together as they come."""
        some = 2 * self._max_workers
        parts = self.map(WithoutState(ufunc), reductions.slices(numbers), buffersize=some)
        return reductions.together(parts, numbers)
