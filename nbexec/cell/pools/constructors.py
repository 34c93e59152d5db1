"""Which calls make a pool that may be taken over, and what makes it in their place."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Callable, Mapping
from typing import Any

from ..analysis.analysis import Refusal
from .pool_notes import around, user_line

_NAMES = {"Pool", "ThreadPool", "ThreadPoolExecutor", "ProcessPoolExecutor", "Parallel"}
# Of these a pool has what only the library can give to its workers.
_TELLING = ("initializer", "maxtasksperchild", "max_tasks_per_child", "mp_context", "context")


def makes_pool(node: ast.Call, scope: Mapping[str, Any]) -> bool:
    """Whether a call may be one that makes a pool.

    Examples
    --------
    >>> import concurrent.futures
    >>> made = ast.parse("mp.Pool(4)", mode="eval").body
    >>> renamed = ast.parse("Threads(4)", mode="eval").body
    >>> makes_pool(made, {}), makes_pool(renamed, {})
    (True, False)
    >>> makes_pool(renamed, {"Threads": concurrent.futures.ThreadPoolExecutor})
    True
    """
    match node.func:
        case ast.Attribute(_, name):
            return name in _NAMES
        case ast.Name(name):
            known = scope.get(name)
            return name in _NAMES if known is None else getattr(known, "__name__", "") in _NAMES
    return False


def recognise_pool(
    callee: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Callable[..., Any] | None:
    """Give what makes a pool in place of `callee`; None to have the library make its own.

    Parameters
    ----------
    callee : object
        What is called.
    args, kwargs : tuple and dict
        Its arguments.
    """
    name = getattr(callee, "__name__", "")
    if name not in _NAMES:
        return None
    try:
        found = _maker(name, callee)
        if found is None:
            return None
        make, what = found
        given = inspect.signature(callee).bind(*args, **kwargs).arguments
    except Exception:  # the library says what is wrong with it
        return None
    step = around()
    if step is None:
        return None
    for one in _TELLING:
        if given.get(one) is not None:
            reason = f"is made with `{one}`, which its own workers need"
            step.pools.decline(f"`{what}`", Refusal(user_line().line, reason))
            return None
    sizes = [given.get(one) for one in ("processes", "max_workers", "n_jobs")]
    if 1 in sizes:
        return None  # one worker, which does all in order
    return make


def _maker(name: str, callee: Any) -> tuple[Callable[..., Any], str] | None:
    if name == "Pool" and "multiprocessing.context" in sys.modules:
        import multiprocessing.context as contexts

        function = getattr(callee, "__func__", None)
        default = getattr(contexts, "_default_context")  # noqa: B009  (it is not typed)
        if function is contexts.BaseContext.Pool and callee.__self__ is default:
            from .process_pools import make_pool

            return make_pool, "Pool"
        return None
    if name == "ProcessPoolExecutor" and "concurrent.futures.process" in sys.modules:
        from concurrent.futures import ProcessPoolExecutor

        if callee is ProcessPoolExecutor:
            from .process_executors import ProcessExecutor

            return ProcessExecutor, name
    if name == "ThreadPoolExecutor" and "concurrent.futures.thread" in sys.modules:
        from concurrent.futures import ThreadPoolExecutor

        if callee is ThreadPoolExecutor:
            from .thread_pools import ThreadExecutor

            return ThreadExecutor, name
    if name == "ThreadPool" and "multiprocessing.pool" in sys.modules:
        from multiprocessing import pool

        if callee is pool.ThreadPool:
            from .thread_pools import ThreadPool

            return ThreadPool, name
    if name == "Parallel" and "joblib" in sys.modules:
        import joblib

        if callee is joblib.Parallel:
            from .joblib_pools import JoblibParallel

            return JoblibParallel, name
    return None
