"""Numeric kernels: one array reduced a slice at a time, for `Executor.compute`.

Slices are cut by the array alone, never by the number of workers, and what comes of them is
joined in their order: the result is the same to the last bit wherever it is computed.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

SLICE = 1 << 22  # elements: 32 MB of doubles take some 4 ms, a call of an executor 0.1


class Kernel(NamedTuple):
    """A reduction in two steps."""

    part: Callable[[Any], Any]  # of a slice
    join: Callable[[list[Any]], Any]  # of what came of the slices, in order


def kernel(name: str) -> Kernel:
    """Give a kernel by name.

    Raises
    ------
    ValueError
        There is none of that name.
    """
    if name not in _KERNELS:
        raise ValueError(
            f"there is no kernel {name!r}: the kernels are {', '.join(_KERNELS)}; "
            "or give a function of a slice, and combine="
        )
    return _KERNELS[name]


def slices(array: Any) -> Iterator[Any]:
    """Cut an array into views: of its elements in memory where they lie together, or of rows."""
    if array.flags.c_contiguous or array.ndim == 1:
        array = array.reshape(-1)
    rows = max(1, SLICE * len(array) // max(1, array.size))
    for start in range(0, len(array), rows):
        yield array[start : start + rows]


def numbers(array: Any) -> Any:
    """Give what was given as an array of numbers.

    Raises
    ------
    TypeError
        It holds something else.
    """
    import numpy as np

    array = np.asarray(array)
    if array.dtype.kind not in "biufc":
        raise TypeError(f"compute needs an array of numbers, not of {array.dtype}")
    return array.reshape(1) if array.ndim == 0 else array


def _reduce(name: str, part: Any) -> Any:
    """Reduce as NumPy's function of that name."""
    import numpy as np

    return getattr(np, name)(part)


def _square_sum(part: Any) -> Any:
    """The dot product: it needs no array for the squares; small types are widened as in a sum."""
    import numpy as np

    flat = part.reshape(-1)
    wide = {"b": np.int64, "i": np.int64, "u": np.uint64}.get(flat.dtype.kind, flat.dtype)
    flat = flat.astype(np.float32 if flat.dtype == np.float16 else wide, copy=False)
    return np.dot(flat, flat)


def _join(name: str, parts: list[Any]) -> Any:
    """Join parts as slices are reduced; of no parts it is what NumPy says."""
    import numpy as np

    return _reduce(name, np.array(parts))


_KERNELS = {
    ours: Kernel(functools.partial(_reduce, name), functools.partial(_join, name))
    for ours, name in (("sum", "sum"), ("product", "prod"), ("min", "min"), ("max", "max"))
}
_KERNELS["square_sum"] = Kernel(_square_sum, functools.partial(_join, "sum"))
