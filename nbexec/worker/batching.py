"""Batched calls: a function of a list of items that is called with one.

Where a run maps it, a worker calls it with the items of a chunk.  Other calls of single items, in
loops and in functions that run in parallel, meet here: one of the threads that call waits a moment
for the others, and calls for all of them.
"""

from __future__ import annotations

import functools
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence, Set
from concurrent.futures import CancelledError, Future
from typing import Any

from ..errors import OptionError
from ..model import Error
from ..serialize.importable import own_name
from ..system import after_fork
from . import running_chunks
from .blocks import BATCH
from .chunk_state import ChunkState

MAX_SIZE, MAX_WAIT = 64, 0.01

_clock = time.perf_counter
RunOne = Callable[[Callable[[Any], Any], Any], bool]  # runs one item; gives whether it failed
Failed = Callable[[BaseException], Error]
Waiter = tuple[Any, tuple[Any, ...], Any]  # an item, the state, and its future


def batched(
    fn: Callable[..., Any] | None = None,
    *,
    max_size: int = MAX_SIZE,
    max_wait: float = MAX_WAIT,
) -> Any:
    """Make a function of a list of items one of a single item, whose calls go out together.

    Parameters
    ----------
    fn : callable
        Takes a list, and gives as many results, in the same order.  It may be a coroutine
        function.  With ``setup=`` of a run it gets the state as its second argument.  None: a
        decorator.
    max_size : int
        Most items in a call.
    max_wait : float
        Seconds that a single call waits for others, where others run at the same time.

    Returns
    -------
    callable
        Takes one item.  Its attribute `batch` takes a list.

    Raises
    ------
    OptionError
        `fn` can't be called, or a number can't be used.
    ValueError
        Of a call: `fn` gave another number of results than it got items.

    Notes
    -----
    `nbexec.map` and its kin call it with as many items as pay: the number doubles, up to
    `max_size`, while an item takes less time for it.  Where a call runs out of memory its halves
    are tried; where it raises, each of its items alone, so that only those fail that are to
    blame: items may be tried twice.  Outside of a run a call is a batch of one.  With ``seed=``,
    where `fn` draws random numbers, items are called one by one.

    Examples
    --------
    >>> import nbexec
    >>> @nbexec.batched(max_size=8)
    ... def lengths(texts):
    ...     return [len(text) for text in texts]
    >>> lengths("abc"), nbexec.map(lengths, ["a", "bb"], progress="off")
    (3, [1, 2])
    """
    if fn is None:
        return functools.partial(batched, max_size=max_size, max_wait=max_wait)
    import inspect

    kind = AsyncBatched if inspect.iscoroutinefunction(fn) else Batched
    return kind(fn, max_size, max_wait)


class Batched:
    """A function of one item, over one of a list of them."""

    def __init__(self, fn: Callable[..., Any], max_size: int, max_wait: float) -> None:
        if not callable(fn):
            raise OptionError(f"batched() takes a function of a list, not {fn!r}")
        if not isinstance(max_size, int) or isinstance(max_size, bool) or max_size < 1:
            raise OptionError(f"max_size must be an integer, 1 or more, not {max_size!r}")
        if not isinstance(max_wait, int | float) or not 0 <= max_wait < float("inf"):
            raise OptionError(f"max_wait must be seconds, 0 or more, not {max_wait!r}")
        functools.update_wrapper(self, fn)
        self.__dict__.pop("batch", None)  # an attribute of an object that can be called
        self._fn, self.max_size, self.max_wait = fn, max_size, max_wait

    def __reduce__(self) -> Any:
        return own_name(self) or (type(self), (self._fn, self.max_size, self.max_wait))

    def batch(self, items: Sequence[Any], *state: Any) -> Any:
        """Call the function with a list of items; of a coroutine function, await that."""
        given = list(items)
        return self._checked(self._fn(given, *state), len(given))

    def _checked(self, result: Any, count: int) -> list[Any]:
        # What it raises itself, as a generator may, is no matter of how many results there are.
        values = list(result) if _in_order(result) else None
        if values is None or len(values) != count:
            gave = f"{type(result).__name__}" if values is None else f"{len(values)}"
            raise ValueError(
                f"{getattr(self, '__name__', 'the function')} must give a result for each of its "
                f"{count} items, but gave {gave}"
            )
        return values

    def __nbexec_batch__(self, items: Sequence[Any]) -> Any:
        return self.batch(items)

    def __call__(self, /, *args: Any, **named: Any) -> Any:
        """Give the result of one item, which may go out with those of other calls."""
        item, *state = self._positional(args, named)
        return meeting_of(self).call(item, tuple(state))

    def _positional(self, args: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, ...]:
        """Give the arguments in order: also those by the names that `fn` has, as in pipelines."""
        if named or not args:
            import inspect

            return inspect.signature(self._fn).bind(*args, **named).args
        return args


class AsyncBatched(Batched):
    """The same of a coroutine function."""

    async def batch(self, items: Sequence[Any], *state: Any) -> Any:
        given = list(items)
        return self._checked(await self._fn(given, *state), len(given))

    async def __call__(self, /, *args: Any, **named: Any) -> Any:
        """Await the result of one item, which may go out with those of other calls."""
        item, *state = self._positional(args, named)
        return await meeting_of(self).call_async(item, tuple(state))


def _in_order(result: Any) -> bool:
    """Whether what a function gave has results in order: keys, columns and letters are none."""
    if isinstance(result, Mapping | Set | str | bytes):
        return False
    pandas = sys.modules.get("pandas")
    if pandas is not None and isinstance(result, pandas.DataFrame):
        return False
    try:
        iter(result)
    except TypeError:
        return False
    return True


class WithState:
    """A batched function, and the state that each of its calls gets."""

    def __init__(self, fn: Any, state: Any) -> None:
        self._fn, self._state = fn, state

    def __call__(self, item: Any) -> Any:
        return self._fn(item, self._state)

    def __nbexec_batch__(self, items: Sequence[Any]) -> Any:
        return self._fn.batch(items, self._state)


class Meeting:
    """Where single calls of one batched function meet, in this process."""

    def __init__(self, fn: Batched) -> None:
        self._fn = fn
        self._waiting: list[Waiter] = []
        self._changed = threading.Condition()
        self._loops: dict[Any, list[Waiter]] = {}  # by event loop

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
        for part in parts_of(calls, self._fn.max_size):
            task = loop.create_task(_settle_async(self._fn, part))
            _tasks.add(task)
            task.add_done_callback(_tasks.discard)


_tasks: set[Any] = set()  # an event loop holds its tasks weakly
_meetings: dict[int, tuple[Batched, Meeting]] = {}
after_fork.add(_meetings.clear)


def meeting_of(fn: Batched) -> Meeting:
    """Give where calls of a function meet."""
    found = _meetings.get(id(fn))
    if found is None or found[0] is not fn:
        found = _meetings[id(fn)] = fn, Meeting(fn)
    return found[1]


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


def _settle(fn: Batched, calls: Sequence[Waiter]) -> None:
    """Call for these, and set their futures: where that raises, for each alone."""
    items, state = [item for item, _, _ in calls], calls[0][1]
    try:
        values = fn.batch(items, *state)
    except Exception as error:
        if len(calls) == 1:
            calls[0][2].set_exception(error)
            return
        for part in _smaller(calls, error):
            _settle(fn, part)
        return
    except BaseException as error:  # nobody else would tell those that wait
        for _, _, future in calls:
            future.set_exception(error)
        return
    for (_, _, future), value in zip(calls, values, strict=True):
        future.set_result(value)


async def _settle_async(fn: Batched, calls: Sequence[Waiter]) -> None:
    import asyncio

    items, state = [item for item, _, _ in calls], calls[0][1]
    try:
        values = await fn.batch(items, *state)
    except Exception as error:
        if len(calls) == 1:
            if not calls[0][2].done():
                calls[0][2].set_exception(error)
            return
        for part in _smaller(calls, error):
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


def _smaller(items: Sequence[Any], error: BaseException) -> list[Sequence[Any]]:
    """Give the parts that are tried after a batch has raised: halves, or each alone."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return [items[: len(items) // 2], items[len(items) // 2 :]]
    return [[one] for one in items]


def run_in_batches(
    stop_flag: Any,
    chunk_state: ChunkState,
    budget: float,
    begun: float,
    call: Any,
    run_one: RunOne,
) -> None:
    """Call the function for the items of a chunk; `begun` is when it began, by this clock."""
    while not stop_flag.stopped:
        items = chunk_state.take(getattr(call, "max_size", MAX_SIZE))
        if not items:
            return
        if _run_batch(chunk_state, begun, call, items, run_one):
            budget = min(budget, chunk_state.after_failure)
        if chunk_state.ends and chunk_state.ends[-1] > budget:
            return


def _run_batch(
    chunk_state: ChunkState,
    begun: float,
    call: Any,
    items: Sequence[Any],
    run_one: RunOne,
) -> bool:
    """Call the function for some items, or for fewer; give whether one of them failed."""
    if len(items) == 1:
        return run_one(lambda item: getattr(call, BATCH)([item])[0], items[0])
    try:
        values = getattr(call, BATCH)(items)
    except Exception as error:
        failed = False
        for part in _smaller(items, error):
            failed |= _run_batch(chunk_state, begun, call, part, run_one)
        return failed
    _ended(chunk_state, values, begun)
    return False


def _ended(chunk_state: ChunkState, values: list[Any], begun: float) -> None:
    ends = chunk_state.ends
    before, now = ends[-1] if ends else 0.0, _clock() - begun
    step = (now - before) / len(values)
    chunk_state.values += values
    ends.extend([before + step * at for at in range(1, len(values))] + [now])


async def await_batches(
    stop_flag: Any, chunk_state: ChunkState, budget: float, begun: float, call: Any, failed: Failed
) -> None:
    """Await the function for the items of a chunk."""
    while not stop_flag.stopped:
        items = chunk_state.take(getattr(call, "max_size", MAX_SIZE))
        if not items:
            return
        if await _await_batch(chunk_state, begun, call, items, failed):
            budget = min(budget, chunk_state.after_failure)
        if chunk_state.ends and chunk_state.ends[-1] > budget:
            return


async def _await_batch(
    chunk_state: ChunkState, begun: float, call: Any, items: Sequence[Any], failed: Failed
) -> bool:
    try:
        values = await getattr(call, BATCH)(items)
    except Exception as error:
        if len(items) > 1:
            parts = _smaller(items, error)
            ends = [await _await_batch(chunk_state, begun, call, one, failed) for one in parts]
            return any(ends)
        chunk_state.errors[len(chunk_state.values)] = failed(error)
        _ended(chunk_state, [None], begun)
        return True
    _ended(chunk_state, values, begun)
    return False
