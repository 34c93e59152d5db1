"""Calls that workers of nbexec could not do: the library does them after all."""

from __future__ import annotations

import functools
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

from .pool_run import PoolFuture


def passing_on(
    outer: Future[Any],
    spare: type[Executor],
    call: Any,
    returned_only: bool,
    inner: PoolFuture,
    sends: Callable[[Any], bool] = lambda _: True,
) -> None:
    """Give what a worker gave to the library's own future, or have the library call it again.

    Parameters
    ----------
    outer : Future
        The library's own.
    spare : type
        An executor of the library, made where it is needed: the pool may be closed by now.
    call : tuple
        The function, its arguments, and its named ones.
    returned_only : bool
        Whether the library makes a call that raised again.
    inner : PoolFuture
        The worker's, which is done.
    sends : callable
        Whether the library's workers could have sent such a value.

    Examples
    --------
    >>> from concurrent.futures import ThreadPoolExecutor
    >>> outer, inner = Future(), PoolFuture()
    >>> outer.set_running_or_notify_cancel()
    True
    >>> inner.set_exception(ValueError("it could not be sent"))
    >>> passing_on(outer, ThreadPoolExecutor, (max, (1, 2), {}), False, inner)
    >>> outer.result()
    2
    """
    if inner.cancelled() and outer.cancelled():
        return
    there = inner.answer is not None and (inner.answer[0] or not returned_only)
    if inner.answer is not None and there and sends(inner.answer[1]):
        returned, value, _ = inner.answer
        outer.set_result(value) if returned else outer.set_exception(value)
        return
    if inner.cancelled() and not outer.running() and not outer.set_running_or_notify_cancel():
        return
    function, args, kwargs = call
    executor = spare(1)  # type: ignore[call-arg]
    again = executor.submit(function, *args, **kwargs)
    again.add_done_callback(functools.partial(_copy, outer))
    executor.shutdown(wait=False)


def _copy(outer: Future[Any], again: Future[Any]) -> None:
    error = again.exception()
    outer.set_result(again.result()) if error is None else outer.set_exception(error)
