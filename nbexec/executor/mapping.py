"""What `Executor.map` gives: results in order, and room for another call for each one taken."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import CancelledError
from typing import Any, TypeVar

from .future import CallFuture

T = TypeVar("T")


class CallsTogether(list[tuple[Any, ...]]):
    """The arguments of several calls that travel together."""


def in_parts(items: Iterator[tuple[Any, ...]], size: int) -> Iterator[list[tuple[Any, ...]]]:
    """Give the items in lists of at most `size`."""
    while part := CallsTogether(itertools.islice(items, size)):
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
    executor: Callable[[], Any],
    result: Callable[[CallFuture[T]], T],
) -> Generator[T, None, None]:
    """Give the results in order; each that is taken makes room for another call.

    The executor is let go of where nobody else holds it: then no further calls are made.
    """
    try:
        while futures:
            within = None if due is None else max(0.0, due - time.monotonic())
            _wait(futures[0], within)
            submit = executor()
            if submit is not None:
                with submit._calls.room_until(due):
                    futures.extend(submit.submit(fn, *args) for args in itertools.islice(calls, 1))
            del submit
            yield result(futures.popleft())
    finally:
        for future in futures:
            future.cancel()


def _wait(future: CallFuture[Any], within: float | None) -> None:
    """Wait for a call, and don't tie what it raises to the frame of who waits."""
    with contextlib.suppress(CancelledError):
        future.exception(within)


def result_of(future: CallFuture[T]) -> T:
    """Give a result, and keep nothing of it."""
    try:
        return future.result()
    finally:
        del future  # else its exception, by its traceback, would hold itself
