"""Calls of an executor's `map` that fail: in their places, or all at the end."""

from __future__ import annotations

import itertools
import traceback
from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import CancelledError
from typing import Any

from ..errors import RunCancelled, WorkerDied
from ..items.feed import Chosen
from ..model import ErrorKind, Failure
from ..run.failure_group import failure_group
from .future import CallFuture

LEFT_OUT = object()  # the place of a call that failed, where the others are given


class MapFailures:
    """The failures of one `map`.

    Parameters
    ----------
    on_error : {"collect", "group"}
        Whether a `Failure` is given in its place, or all exceptions are raised at the end.
    name : str
        The function.
    run : str
        The `Run.id`.
    """

    def __init__(self, on_error: str, name: str, run: str) -> None:
        self._on_error = on_error
        self._name = name
        self._run = run
        self._places = itertools.count()
        self._items: deque[tuple[Any, ...]] = deque()  # of calls whose results were not given
        self._failures: list[Failure] = []

    def seen(self, calls: Iterator[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
        """Give the arguments of calls, which are submitted in this order."""
        for args in calls:
            self._items.append(args)
            yield args

    def result(self, future: CallFuture[Any]) -> Any:
        """Give what stands for the next call, which is done."""
        index, args = next(self._places), self._items.popleft()
        error: BaseException | None
        try:
            error = future.exception()
        except CancelledError as cancelled:
            error = cancelled
        if error is None:
            return future.result()
        kind = _kind(error)
        if kind == "cancelled" and self._on_error == "group":  # it did not fail: the map ends
            raise error
        item = args[0] if len(args) == 1 else args
        text = "".join(traceback.format_exception(error))
        failure = Failure(index, item, error, text, kind=kind, run=self._run)
        if self._on_error == "collect":
            return failure
        self._failures.append(failure)
        return LEFT_OUT

    def given(self, results: Generator[Any, None, None]) -> Iterator[Any]:
        """Give results, and raise at the end what is to be raised there."""
        try:
            for value in results:
                if value is not LEFT_OUT:
                    yield value
                del value  # it is the consumer's alone
        finally:
            results.close()
        group = failure_group(self._name, self._failures, _Counted(next(self._places)))
        if group is not None:
            raise group


class _Counted(Chosen):
    """Says how many calls there were."""

    def __init__(self, count: int) -> None:
        super().__init__(())
        self._count = count

    @property
    def total(self) -> int:
        return self._count


def _kind(error: BaseException) -> ErrorKind:
    if isinstance(error, CancelledError | RunCancelled):
        return "cancelled"
    return "lost" if isinstance(error, WorkerDied) else "error"
