"""Meetings: single calls of a batched function, in this process, that go out together.

One of the threads that call waits a moment for the others, and calls for all of them.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Sequence
from concurrent.futures import CancelledError, Future
from typing import Any, Protocol

from ..errors import Cancelled
from ..system import after_fork
from . import running_chunks
from .chunk_batches import smaller

_clock = time.perf_counter
Waiter = tuple[Any, tuple[Any, ...], Any]  # an item, the state, and its future


class TakesBatches(Protocol):
    """What `nbexec.batched` makes, as far as a meeting needs it."""

    max_size: int
    max_wait: float

    def batch(self, items: Sequence[Any], *state: Any) -> Any:
        """Give, or await, the results of several items."""


class Meeting:
    """Where single calls of one batched function meet, in this process."""

    def __init__(self, fn: TakesBatches) -> None:
        self._held = weakref.ref(fn)  # who calls has it
        self._waiting: list[Waiter] = []
        self._changed = threading.Condition()
        self._loops: dict[Any, list[Waiter]] = {}  # by event loop

    @property
    def _fn(self) -> TakesBatches:
        fn = self._held()
        assert fn is not None
        return fn

    def call(self, item: Any, state: tuple[Any, ...]) -> Any:
        """Give the result of an item; the first that waits calls for all."""
        others = len(running_chunks.by_thread) - 1
        if others < 1:
            return self._fn.batch([item], *state)[0]
        future: Future[Any] = Future()
        with self._changed:
            self._waiting.append((item, state, future))
            first = len(self._waiting) == 1
            self._changed.notify_all()
        if first:
            self._call_all()
        try:
            return future.result()
        except CancelledError:
            if not future.cancelled():
                raise  # by the function
        return self._fn.batch([item], *state)[0]  # who should have called for it was interrupted

    def _call_all(self) -> None:
        """Wait for others, and call for all; whatever interrupts that, none of them waits on."""
        calls: list[Waiter] = []
        try:
            with self._changed:
                try:
                    self._wait_for_others()
                finally:
                    calls, self._waiting = self._waiting, []
            for part in parts_of(calls, self._fn.max_size):
                _settle(self._fn, part)
        except BaseException:  # an interrupt of this thread, which is not theirs
            for _, _, future in calls:
                future.cancel()
            raise

    def _wait_for_others(self) -> None:
        """Wait until enough are here, or all that run, or for long enough."""
        until = _clock() + self._fn.max_wait
        while len(self._waiting) < min(self._fn.max_size, len(running_chunks.by_thread)):
            left = until - _clock()
            if left <= 0 or not self._changed.wait(left):
                return

    async def call_async(self, item: Any, state: tuple[Any, ...]) -> Any:
        """Give the result of an item, of a coroutine function."""
        import asyncio

        loop = asyncio.get_running_loop()
        if loop not in self._loops:
            for known in [one for one in self._loops if one.is_closed()]:
                self._loops.pop(known, None)  # with calls that were given up
        waiting = self._loops.setdefault(loop, [])
        future = loop.create_future()
        waiting.append((item, state, future))
        if len(waiting) >= self._fn.max_size:
            self._go(loop)
        elif len(waiting) == 1:
            loop.call_later(self._fn.max_wait, self._go, loop)
        return await future

    def _go(self, loop: Any) -> None:
        calls = self._loops.pop(loop, [])
        fn = self._held()
        if fn is None:  # nobody waits any more
            return
        for part in parts_of(calls, fn.max_size):
            task = loop.create_task(_settle_async(fn, part))
            _tasks.add(task)
            task.add_done_callback(_tasks.discard)


_tasks: set[Any] = set()  # an event loop holds its tasks weakly


# By function, which may hold a model: it is gone when its run is.
_meetings: weakref.WeakKeyDictionary[TakesBatches, Meeting] = weakref.WeakKeyDictionary()
after_fork.add(_meetings.clear)


def meeting_of(fn: TakesBatches) -> Meeting:
    """Give where calls of a function meet."""
    found = _meetings.get(fn)
    return _meetings.setdefault(fn, Meeting(fn)) if found is None else found


def parts_of(calls: list[Any], most: int) -> list[list[Any]]:
    """Give calls in parts of at most `most`, all of one state.

    Examples
    --------
    >>> [len(part) for part in parts_of([("x", (), None)] * 5, 2)]
    [2, 2, 1]
    """
    parts: list[list[Any]] = []
    for one in calls:
        last = parts[-1] if parts else []
        if last and len(last) < most and _same_state(last[0][1], one[1]):
            last.append(one)
        else:
            parts.append([one])
    return parts


def _same_state(one: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    return len(one) == len(other) and all(a is b for a, b in zip(one, other, strict=True))


def _settle(fn: TakesBatches, calls: Sequence[Waiter]) -> None:
    """Call for these, and set their futures: where that raises, for each alone."""
    items, state = [item for item, _, _ in calls], calls[0][1]
    try:
        values = fn.batch(items, *state)
    except BaseException as error:
        if isinstance(error, Cancelled | KeyboardInterrupt):
            raise  # it is this thread's, not theirs: each calls for itself
        if len(calls) == 1:
            calls[0][2].set_exception(error)
            return
        for part in smaller(calls, error):
            _settle(fn, part)
        return
    for (_, _, future), value in zip(calls, values, strict=True):
        future.set_result(value)


async def _settle_async(fn: TakesBatches, calls: Sequence[Waiter]) -> None:
    import asyncio

    items, state = [item for item, _, _ in calls], calls[0][1]
    try:
        values = await fn.batch(items, *state)
    except Exception as error:
        if len(calls) == 1:
            if not calls[0][2].done():
                calls[0][2].set_exception(error)
            return
        for part in smaller(calls, error):
            await _settle_async(fn, part)
        return
    except BaseException as error:  # cancelled, or an exit: nobody else would tell those that wait
        open_ones = [future for _, _, future in calls if not future.done()]
        if isinstance(error, asyncio.CancelledError):
            for future in open_ones:
                future.cancel()
            raise
        for future in open_ones:
            future.set_exception(error)
        if not open_ones:
            raise
    for (_, _, future), value in zip(calls, values, strict=True):
        if not future.done():
            future.set_result(value)
