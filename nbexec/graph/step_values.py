"""How a step is called: a generator function gives a list, a batched one takes several items."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from ..worker.batching import AsyncBatched, Batched


def values_of(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Give a function whose value can be taken by any number of steps, in any process.

    Examples
    --------
    >>> def letters(word):
    ...     yield from word
    >>> values_of(letters)(word="bee")
    ['b', 'e', 'e']
    >>> values_of(len) is len
    True
    """
    called = fn, type(fn).__call__
    if any(map(inspect.isasyncgenfunction, called)):
        return AsyncListed(fn)
    return Listed(fn) if any(map(inspect.isgeneratorfunction, called)) else fn


class Listed:
    """A generator function that gives a list."""

    def __init__(self, fn: Callable[..., Any]) -> None:
        functools.update_wrapper(self, fn, updated=())
        self._fn = fn

    def __reduce__(self) -> Any:
        return type(self), (self._fn,)

    def __call__(self, /, **given: Any) -> Any:
        return list(self._fn(**given))


class AsyncListed(Listed):
    """The same of an asynchronous one."""

    async def __call__(self, /, **given: Any) -> Any:
        return [one async for one in self._fn(**given)]


def batch_of(fn: Any) -> Callable[..., Any] | None:
    """Give a function of several items, where a step's function is one of `nbexec.batched`.

    Examples
    --------
    >>> import nbexec
    >>> def lengths(words):
    ...     return [len(one) for one in words]
    >>> batch_of(nbexec.batched(lengths))(["bee", "tree"])
    [3, 4]
    >>> batch_of(lengths) is None
    True
    """
    if isinstance(fn, AsyncBatched):
        return AsyncBatchOf(fn)
    return BatchOf(fn) if isinstance(fn, Batched) else None


class BatchOf:
    """A function of a list of items, for a batched one of a single item."""

    def __init__(self, fn: Batched) -> None:
        functools.update_wrapper(self, fn, updated=())
        self._fn = fn

    def __reduce__(self) -> Any:
        return type(self), (self._fn,)

    def __call__(self, items: list[Any]) -> Any:
        return self._fn.batch(items)


class AsyncBatchOf(BatchOf):
    """The same of a coroutine function."""

    async def __call__(self, items: list[Any]) -> Any:
        return await self._fn.batch(items)
