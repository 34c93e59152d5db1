"""What a step of a pipeline gives: of a generator function, a list of all that it yields."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any


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
        self._fn = fn
        functools.update_wrapper(self, fn)

    def __reduce__(self) -> Any:
        return type(self), (self._fn,)

    def __call__(self, **given: Any) -> Any:
        return list(self._fn(**given))


class AsyncListed(Listed):
    """The same of an asynchronous one."""

    async def __call__(self, **given: Any) -> Any:
        return [one async for one in self._fn(**given)]
