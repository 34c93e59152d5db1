"""What `Executor.map` gives: results in order, and room for another call for each one taken."""

from __future__ import annotations

import itertools
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from .future import CallFuture

T = TypeVar("T")


def in_parts(items: Iterator[tuple[Any, ...]], size: int) -> Iterator[list[tuple[Any, ...]]]:
    """Give the items in lists of at most `size`."""
    while part := list(itertools.islice(items, size)):
        yield part


def call_part(fn: Callable[..., T], part: list[tuple[Any, ...]], *state: Any) -> list[T]:
    """Call a function with each item of a part, and with what setup gave, if there is one."""
    return [fn(*args, *state) for args in part]


def each_of(parts: Iterator[list[T]]) -> Iterator[T]:
    """Give the results of every part, and keep none of them."""
    for part in parts:
        part.reverse()
        while part:
            yield part.pop()


def taken(
    futures: deque[CallFuture[T]],
    due: float | None,
    fn: Callable[..., T],
    calls: Iterator[tuple[Any, ...]],
    executor: weakref.ref[Any],
) -> Iterator[T]:
    """Give the results in order; each that is taken makes room for another call.

    The executor is let go of where nobody else holds it: then no further calls are made.
    """
    try:
        while futures:
            within = None if due is None else max(0.0, due - time.monotonic())
            futures[0].exception(within)  # waits, and doesn't tie what it raises to this frame
            submit = executor()
            if submit is not None:
                futures.extend(submit.submit(fn, *args) for args in itertools.islice(calls, 1))
            del submit
            yield _result(futures.popleft())
    finally:
        for future in futures:
            future.cancel()


def _result(future: CallFuture[T]) -> T:
    """Give a result, and keep nothing of it."""
    try:
        return future.result()
    finally:
        del future  # else its exception, by its traceback, would hold itself
