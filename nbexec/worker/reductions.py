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
    if _flattened(array):
        array = array.reshape(-1)
    rows = max(1, SLICE * len(array) // max(1, array.size))
    for start in range(0, len(array), rows):
        yield array[start : start + rows]


def of_ufunc(ufunc: Any) -> Kernel:
    """Give the kernel that reduces by a ufunc of two numbers.

    Raises
    ------
    ValueError
        It gives something else where it is applied to slices first.
    """
    import numpy as np

    free = (np.minimum, np.maximum, np.fmin, np.fmax)  # without an identity, but of any order
    if ufunc.nin != 2 or (ufunc.identity is None and ufunc not in free):
        raise ValueError(
            f"{ufunc.__name__} is neither a ufunc of one number nor one of two that can be reduced "
            "in parts, as add, multiply, minimum and logical_or: give a function of a slice, and "
            "combine="
        )
    reduce = functools.partial(_reduce_by, ufunc)
    return Kernel(reduce, reduce)


def is_ufunc(kernel: Any, of: int | None = None) -> bool:
    """Whether it is a function `of` so many single numbers: NumPy's, or numba has compiled it."""
    takes, gives = getattr(kernel, "nin", None), getattr(kernel, "nout", None)
    if (takes, gives) not in ((1, 1), (2, 1)) or getattr(kernel, "signature", None) is not None:
        return False
    return True if of is None else bool(takes == of)


def compile_for(ufunc: Any, numbers: Any) -> None:
    """Have numba compile a ufunc for an array's type, before several threads call it at once."""
    import numpy as np

    if not isinstance(ufunc, np.ufunc):
        ufunc(*[numbers[:0]] * ufunc.nin)


def together(parts: Iterator[Any], array: Any) -> Any:
    """Put slices of which each number was replaced into one array of the given one's shape."""
    import numpy as np

    result = flat = None
    start = 0
    for part in parts:
        if result is None or flat is None:
            result = np.empty(array.shape, part.dtype)
            flat = result.reshape(-1) if _flattened(array) else result
        flat[start : start + len(part)] = part
        start += len(part)
    return result


def numbers(array: Any) -> Any:
    """Give what was given as an array of numbers.

    Raises
    ------
    TypeError
        It holds something else.
    """
    import numpy as np

    if isinstance(array, np.ma.MaskedArray):
        raise TypeError(
            "compute needs plain numbers, not a masked array: give array.compressed(), or "
            "array.filled(value)"
        )
    array = np.asarray(array)
    if array.dtype.kind not in "biufc":
        raise TypeError(f"compute needs an array of numbers, not of {array.dtype}")
    return array.reshape(1) if array.ndim == 0 else array


def _flattened(array: Any) -> bool:
    return bool(array.flags.c_contiguous) or array.ndim == 1


def _reduce_by(ufunc: Any, part: Any) -> Any:
    return ufunc.reduce(part, axis=None)


def _sum_and_size(part: Any) -> tuple[Any, int, Any]:
    """Add up in the type in which NumPy's mean does; give that of the mean, too."""
    import numpy as np

    mean = np.dtype(np.float64 if part.dtype.kind in "biu" else part.dtype.type)
    wide = np.float32 if mean == np.float16 else mean
    return np.sum(part, dtype=wide), part.size, mean


def _mean(parts: list[tuple[Any, int, Any]]) -> Any:
    import numpy as np

    totals, sizes, (mean, *_) = zip(*parts, strict=True)
    return (np.sum(np.array(totals)) / sum(sizes)).astype(mean)


STEPS = sum(range(10)) * sum(range(100_000))  # what the loops of PyFerris multiply a number by


def _heavy_computation(part: Any) -> Any:
    """Give what that kernel of PyFerris does, without its loops."""
    import numpy as np

    if part.dtype.kind == "c":
        raise TypeError(f"heavy_computation needs real numbers, not {part.dtype}")
    return np.sum(np.fmod(part.astype(np.float64) * float(STEPS), 1e6))


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
_KERNELS["mean"] = Kernel(_sum_and_size, _mean)
_KERNELS["heavy_computation"] = Kernel(_heavy_computation, functools.partial(_join, "sum"))
_KERNELS["square_sum"] = Kernel(_square_sum, functools.partial(_join, "sum"))
