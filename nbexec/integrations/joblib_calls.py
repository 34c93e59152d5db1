"""What a worker does for `joblib`: it imports joblib only where a function has done so."""

from __future__ import annotations

import sys
from typing import Any


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
