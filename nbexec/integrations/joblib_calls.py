"""What a worker does for `joblib`: calls, with arguments as joblib's own workers have them."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable
from typing import Any

from ..serialize import block_files
from ..system import blas
from ..worker import execute


class PackedArguments:
    """Arguments of one call, pickled by themselves: what calls have in common each has a copy of.

    Parameters
    ----------
    data : bytes
        The pickle of the positional arguments and the others.
    label : str
        What the call is about, for who looks at it in the kernel.

    Examples
    --------
    >>> import pickle
    >>> PackedArguments(pickle.dumps(((2, 3), {})), "2 to the power of 3")
    <2 to the power of 3>
    """

    def __init__(self, data: bytes, label: str = "") -> None:
        self.data = data
        self.label = label

    def __repr__(self) -> str:
        return f"<{self.label or 'arguments'}>"

    def __reduce__(self) -> Any:
        return PackedArguments, (self.data,)


def mapped_array(path: str, dtype: Any, shape: tuple[int, ...], order: str, writable: bool) -> Any:
    """Give an array that the kernel has put into a file; what is written to it stays here.

    Parameters
    ----------
    path : str
        The file.
    dtype, shape, order : object
        As NumPy has them.
    writable : bool
        Whether the array may be written to.
    """
    import numpy as np

    array = np.frombuffer(block_files.mapped(path), dtype).reshape(shape, order=order)
    array.flags.writeable = writable
    return array


def make_call(it: execute.Call) -> Any:
    """Make a call of an executor that has taken along, once, what modules hold.

    That of other executors finds what they hold by then: to look costs some milliseconds, as long
    as a brief call takes, and joblib's own workers never know.
    """
    return execute.call(it)


def run_packed_call(
    function: Callable[..., Any],
    packed: PackedArguments,
    nested: Callable[[], Any],
    threads: int | None = None,
) -> Any:
    """Make a call in a worker process.

    Parameters
    ----------
    function : callable
        What is called.
    packed : PackedArguments
        Its arguments.
    nested : callable
        As in `run_call`.
    threads : int or None
        How many threads BLAS and OpenMP may use; None is the worker's share of the cores.
    """
    if threads is not None:
        blas.hold("joblib", (threads,) * len(blas.VARIABLES))
    args, kwargs = pickle.loads(packed.data)
    return run_call(function, args, kwargs, nested)


def run_call(
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    nested: Callable[[], Any],
) -> Any:
    """Make a call; `nested` gives the backend for a `joblib.Parallel` in it.

    Examples
    --------
    >>> from joblib.parallel import SequentialBackend
    >>> run_call(pow, (2,), {"exp": 3}, SequentialBackend)
    8
    """
    from joblib import parallel_config

    with parallel_config(backend=nested(), n_jobs=None):
        return function(*args, **kwargs)


def run_batch(items: list[tuple[Any, Any, Any]], nested: Any, n_jobs: Any) -> list[Any]:
    """Make the calls of a batch, as joblib's own workers do.

    Parameters
    ----------
    items : list of tuple
        Functions with their arguments.
    nested, n_jobs : object
        The backend for a `Parallel` in one of the functions.

    Examples
    --------
    >>> run_batch([(pow, (2, 3), {}), (abs, (-1,), {})], None, 1)
    [8, 1]
    """
    if nested is None or "joblib" not in sys.modules:
        return [function(*args, **kwargs) for function, args, kwargs in items]
    from joblib import parallel_config

    with parallel_config(backend=nested, n_jobs=n_jobs):
        return [function(*args, **kwargs) for function, args, kwargs in items]


def with_traceback(error: Exception, _: Any) -> Any:
    """Give what stands for an exception on its way, as joblib's own workers do."""
    from joblib.externals.loky.process_executor import _ExceptionWithTraceback

    return _ExceptionWithTraceback(error)
