"""Sinks: where the outcomes of a run go: a list of results, a stream of them, or futures."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from typing import Any, Protocol

from ..errors import BudgetExceeded, DeadlineExceeded, RunCancelled
from ..model import Chunk, Failure, Outcome
from ..system import machine

EVERY = 0.05  # seconds after which a waiting consumer looks for clicks


class Sink(Protocol):
    """What a run does with outcomes; called from the run's loop alone."""

    def room(self, pulled: int, window: int) -> int | None:
        """Give how many more items may be pulled from the input; None: any number.

        `pulled` were so far, and a `window` of them keeps the workers busy.
        """

    def put(self, chunk: Chunk, outcome: Outcome, failures: dict[int, Failure]) -> None:
        """Take in the end of a chunk's items; `failures` are by offset in the chunk."""

    def end(self, error: BaseException | None) -> None:
        """Take in that nothing more comes, and the error, if it ended early."""


def _merge(outcome: Outcome, failures: dict[int, Failure]) -> list[Any]:
    values = outcome.values
    for offset, failure in failures.items():
        values[offset] = failure
    return values


class Merge:
    """Merges results of items that run once more into those of the run before.

    Parameters
    ----------
    before : list
        All results of the run before.
    first : int
        Index of the first of them.
    """

    def __init__(self, before: list[Any], first: int = 0) -> None:
        self.values = before
        self.first = first

    def room(self, pulled: int, window: int) -> int | None:
        return None

    def put(self, chunk: Chunk, outcome: Outcome, failures: dict[int, Failure]) -> None:
        for index, value in zip(chunk.indices, _merge(outcome, failures), strict=True):
            self.values[index - self.first] = value

    def end(self, error: BaseException | None) -> None:
        """Leave the earlier failures where nothing ended now."""


class _NotRun:
    """Marks the place of an item that has not ended."""


class _LeftOut:
    """Marks the place of an item that failed, in a stream of the others."""


NOT_RUN = _NotRun()
LEFT_OUT = _LeftOut()


class Gather:
    """Every result in its place in one list.

    Attributes
    ----------
    origin : str
        The run, in the failures of items that have not run.
    """

    origin = ""

    first = 0  # index of the first item

    def __init__(self, total: int | None) -> None:
        self.values: list[Any] = [NOT_RUN] * (total or 0)
        self._placed = 0

    def room(self, pulled: int, window: int) -> int | None:
        return None

    def put(self, chunk: Chunk, outcome: Outcome, failures: dict[int, Failure]) -> None:
        values, indices = _merge(outcome, failures), chunk.indices
        self._placed += len(indices)
        first = self.first
        missing = indices[-1] + 1 - first - len(self.values)
        if missing > 0:
            self.values.extend([NOT_RUN] * missing)
        if isinstance(indices, range):
            self.values[indices.start - first : indices.stop - first] = values
        else:
            for index, value in zip(indices, values, strict=True):
                self.values[index - first] = value

    def end(self, error: BaseException | None) -> None:
        if self._placed == len(self.values):
            return
        why: BaseException = RunCancelled("the run ended before this item did")
        if isinstance(error, DeadlineExceeded | BudgetExceeded):
            why = error
        for index, value in enumerate(self.values):
            if value is NOT_RUN:
                self.values[index] = Failure(index, None, why, kind="cancelled", run=self.origin)


class Stream:
    """Results one by one, with at most `window` items pulled and not yet consumed.

    Parameters
    ----------
    ordered : bool
        Whether they come in the order of the items.
    window : int or None
        None is a few chunks a worker.
    on_error : {"raise", "collect", "group"}
        Whether a failure ends them, is one of them, or is left out, until the run raises all.
    """

    def __init__(self, ordered: bool, window: int | None, on_error: str = "raise") -> None:
        self.ordered = ordered
        self._window = window
        self._on_error = on_error
        self._ready: deque[Any] = deque()
        self._held: dict[int, Any] = {}  # results that wait for an earlier one
        self._next = 0  # the index that is due
        self._consumed = 0
        self._left_out = 0
        self._ended = False
        self._error: BaseException | None = None
        self._changed = threading.Condition()
        self._clock: int | None = None  # the CPU clock of the thread that consumes
        self._thread = 0
        self._begun = self._used = 0.0
        self.woken: Callable[[], None] | None = None  # called when there is something to take

    def room(self, pulled: int, window: int) -> int | None:
        return max(0, (self._window or window) - (pulled - self._consumed - self._left_out))

    def put(self, chunk: Chunk, outcome: Outcome, failures: dict[int, Failure]) -> None:
        # Nothing from these on is given: the run's own exception comes there.
        stops = self._on_error == "raise"
        blocked = {at for at, one in failures.items() if stops or one.kind == "cancelled"}
        values = _merge(outcome, failures)
        if self._on_error == "group":
            for at in failures.keys() - blocked:
                values[at] = LEFT_OUT
        with self._changed:
            if blocked:
                kept = [at for at in range(len(values)) if at not in blocked]
                self._give([chunk.indices[at] for at in kept], [values[at] for at in kept])
            else:
                self._give(chunk.indices, values)
            self._changed.notify()
        if self.woken is not None:
            self.woken()

    def _give(self, indices: Sequence[int], values: list[Any]) -> None:
        if self.ordered and not self._held and isinstance(indices, range):
            if indices.start != self._next:
                self._held.update(zip(indices, values, strict=True))
                return
            self._next = indices.stop  # nothing waits: they are given as they are
        elif self.ordered:
            self._held.update(zip(indices, values, strict=True))
            values = []
            while self._next in self._held:
                values.append(self._held.pop(self._next))
                self._next += 1
        if self._on_error == "group":
            given = [value for value in values if value is not LEFT_OUT]
            self._left_out += len(values) - len(given)
            values = given
        self._ready.extend(values)

    def after_fork(self) -> None:
        """Have a lock that nobody holds."""
        self._changed = threading.Condition()

    def end(self, error: BaseException | None) -> None:
        with self._changed:
            self._ended, self._error = True, error
            self._changed.notify()
        if self.woken is not None:
            self.woken()

    def take(self) -> deque[Any] | None:
        """Give the results that are there; none: it has ended; None: there are none yet."""
        with self._changed:
            if not self._ready and not self._ended:
                return None
            batch, self._ready = self._ready, deque()
        return batch

    def batch(self, idle: Callable[[], None]) -> deque[Any]:
        """Wait for results, calling `idle` meanwhile, and give them; none: it has ended."""
        with self._changed:
            while not self._ready and not self._ended:
                self._changed.wait(EVERY)
                idle()
            batch, self._ready = self._ready, deque()
        return batch

    def consumed_here(self) -> None:
        """Note that this thread consumes the results."""
        if hasattr(time, "pthread_getcpuclockid"):
            self._clock = time.pthread_getcpuclockid(threading.get_ident())
            self._thread = threading.get_native_id()
            self._begun = time.clock_gettime(self._clock) + machine.starved(self._thread)

    def consuming(self) -> float:
        """Give the seconds in which who consumes the results was ready to run, since it began.

        That is on a core, or without one, perhaps with the GIL.
        """
        if self._clock is not None:
            with contextlib.suppress(OSError):  # that thread has ended
                now = time.clock_gettime(self._clock) + machine.starved(self._thread)
                self._used = max(self._used, now - self._begun)
        return self._used

    def consume(self, count: int = 1) -> None:
        """Note that results were given away: as many items more may be pulled."""
        self._consumed += count

    @property
    def error(self) -> BaseException | None:
        """What ended it; None where every result was given, or before that."""
        return self._error


def renew(future: Future[Any]) -> None:
    """Give a parent's future in a forked child a lock that nobody holds, and no callbacks.

    What those do is the parent's: one may wake an event loop, which is there.
    """
    future._condition = threading.Condition()
    future._done_callbacks = []  # type: ignore[attr-defined]


def _ignore(error: BaseException) -> None:
    """Do nothing about a call that failed: it is its future's alone."""


class Futures:
    """Results set on the futures that `Executor.submit` gave out."""

    def __init__(
        self,
        failed: Callable[[BaseException], None] = _ignore,
        ended: Callable[[BaseException], None] = _ignore,
    ) -> None:
        self.waiting: dict[int, Future[Any]] = {}
        self._failed = failed  # is told what a call raised, before its future is
        self._ended = ended  # is told what calls get that the run has not begun

    def room(self, pulled: int, window: int) -> int | None:
        return None

    def put(self, chunk: Chunk, outcome: Outcome, failures: dict[int, Failure]) -> None:
        # First: whoever gets a result may drop the call's arguments and expect them to be freed
        # at once, while threads that brought the result still hold the chunk.
        if isinstance(chunk.items, list):
            chunk.items.clear()
        for offset, index in enumerate(chunk.indices):
            future = self.waiting.pop(index)
            if offset in failures:
                self._failed(failures[offset].exception)
                future.set_exception(failures[offset].exception)
            else:
                future.set_result(outcome.values[offset])

    def after_fork(self) -> None:
        """Have futures whose locks nobody holds."""
        self._ended = _ignore  # who has the other calls sees to them
        for future in self.waiting.values():
            renew(future)

    def end(self, error: BaseException | None) -> None:
        why = error
        if why is None:
            why = RunCancelled("the executor was shut down before this call ended")
        for future in self.waiting.values():
            try:
                future.set_exception(why)
            except InvalidStateError:  # it was cancelled, while it waited for a limit
                future.set_running_or_notify_cancel()
        self.waiting.clear()
        self._ended(why)
