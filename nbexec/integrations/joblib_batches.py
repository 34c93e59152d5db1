"""Batches of calls, as joblib takes their results: together, or the first exception."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pickle import PicklingError
from typing import Any

from ..errors import PickleError
from ..items.sinks import NOT_RUN


class UnsentCall(PickleError, PicklingError):
    """A call can't be sent to a worker; what joblib's own workers raise, too."""


class CallBatch:
    """Calls whose results joblib takes together.

    Parameters
    ----------
    count : int
        How many.
    done : callable
        Called once: when all have ended, or one has failed.

    Attributes
    ----------
    dropped : bool
        Whether nobody waits for them: those that have not begun never do.
    """

    def __init__(self, count: int, done: Callable[[CallBatch], None]) -> None:
        self.dropped = False
        self._values: list[Any] = [NOT_RUN] * count
        self._left = count
        self._done: Callable[[CallBatch], None] | None = done
        self._error: BaseException | None = None
        self._lock = threading.Lock()

    def set(self, place: int, value: Any) -> None:
        """Take in what a call gave."""
        self._values[place] = value
        with self._lock:
            self._left -= 1
            done = self._take_done() if not self._left else None
        if done is not None:
            done(self)

    def fail(self, error: BaseException) -> None:
        """Take in what a call raised: nobody waits for the others."""
        with self._lock:
            done = self._take_done()
            if done is not None:
                self._error = error
        if done is not None:
            done(self)

    def _take_done(self) -> Callable[[CallBatch], None] | None:
        done, self._done = self._done, None
        return done

    def result(self) -> list[Any]:
        """Give the results, or raise what a call has raised."""
        if isinstance(self._error, PickleError):
            raise UnsentCall(str(self._error)) from self._error
        if self._error is not None:
            raise self._error
        return self._values

    def so_far(self) -> list[Any]:
        """Give the results, and `NOT_RUN` for each that is not there."""
        return list(self._values)


class BatchCall:
    """What an executor has for a future: one call of a batch."""

    def __init__(self, batch: CallBatch, place: int) -> None:
        self._batch = batch
        self._place = place

    def running(self) -> bool:
        """Whether it runs: that is asked of one that has not begun."""
        return False

    def set_running_or_notify_cancel(self) -> bool:
        """Whether the call is wanted still."""
        return not self._batch.dropped

    def set_result(self, value: Any) -> None:
        """Take in what the call gave."""
        self._batch.set(self._place, value)

    def set_exception(self, error: BaseException) -> None:
        """Take in what it raised."""
        self._batch.fail(error)

    def cancel(self) -> None:
        """Drop it, with its batch."""
        self._batch.dropped = True
