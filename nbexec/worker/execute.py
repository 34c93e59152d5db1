"""What runs inside a worker, the same on every backend: call the function, and measure."""

from __future__ import annotations

import functools
import os
import sys
import threading
import time
import traceback
from array import array
from collections.abc import Callable, Coroutine
from contextvars import ContextVar, copy_context
from typing import Any, Literal, NamedTuple, TypeVar

from ..model import Chunk, Error, Outcome, Task
from ..system import subinterpreter
from .capture import Capture, Hear, current
from .chunk_state import ChunkState, SharedChunkState

depth: ContextVar[int] = ContextVar("nbexec_depth", default=0)  # runs around this code

T = TypeVar("T")

_clock = time.perf_counter


def _nobody(offset: int, stream: str, said: Any) -> None:
    """Hear nothing."""


def worker_name() -> str:
    """Name this worker: its thread in the kernel, its interpreter or process elsewhere."""
    if subinterpreter.number:
        return subinterpreter.name()
    thread = threading.current_thread()
    if thread is threading.main_thread():
        return f"process {os.getpid()}"
    return thread.name


@functools.lru_cache(1)
def _peak_rss_at(tenth: int) -> int:
    return peak_rss()


def peak_rss() -> int:
    """Give the largest resident memory of this process so far, in bytes; 0 if unknown."""
    try:
        import resource
    except ImportError:  # Windows
        return 0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def calling(task: Task, state: Any) -> Callable[[Any], Any]:
    """Give the function of one item that `task` stands for."""
    fn = task.fn
    if task.setup is not None:
        if task.star:
            return lambda item: fn(*item, state)
        return lambda item: fn(item, state)
    if task.star:
        return lambda item: fn(*item)
    return fn


class Call(NamedTuple):
    """An item of an executor: a function of its own."""

    fn: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


def call(it: Call) -> Any:
    """Call the function of an executor's item, to its end if it is a coroutine function."""
    value = it.fn(*it.args, **it.kwargs)
    return _run_loop(value) if isinstance(value, Coroutine) else value


def prepare(task: Task) -> Callable[[Any], Any]:
    """Run the task's setup, if it has one, and give its function of one item."""
    return calling(task, task.setup() if task.setup is not None else None)


def replay(task: Task, item: Any) -> Any:
    """Run one item in this thread; what it raises passes through, from the user's frame on."""
    __tracebackhide__ = True
    try:
        value = prepare(task)(item)
        return _run_loop(value) if task.coroutine else value
    except BaseException as error:
        raised = _from_users(parted(error)[0])
    raise raised  # out here, so that it has no context but its own


class Partial(Exception):
    """Raised by a function that failed, and has something to hand over all the same.

    Attributes
    ----------
    left : object
        What `Failure.left` will be.
    error : BaseException
        Why it failed: the item's exception.
    """

    def __init__(self, left: Any, error: BaseException) -> None:
        super().__init__(left, error)
        self.left = left
        self.error = error


def parted(error: BaseException) -> tuple[BaseException, Any]:
    """Give what an item raised, and what it hands over."""
    return (error.error, error.left) if isinstance(error, Partial) else (error, None)


class StopFlag:
    """Stops a chunk: once set, no further item of it begins."""

    __slots__ = ("stopped",)

    def __init__(self) -> None:
        self.stopped = False

    def stop(self) -> None:
        """Let nothing more begin."""
        self.stopped = True

    def wanted(self) -> bool:
        """Whether what runs is still wanted."""
        return not self.stopped


def run_chunk(
    prepared: Callable[[], Callable[[Any], Any]],
    task: Task,
    chunk: Chunk,
    stop_flag: StopFlag | None = None,
    cpu_clock: Callable[[], float] = time.thread_time,
    interrupt: Callable[[BaseException], None] | None = None,
    starved: Callable[[int], float] = lambda thread: 0.0,
    hear: Hear = _nobody,
    through: bool = False,
    chunk_state: SharedChunkState | None = None,
) -> Outcome:
    """Call the function on each item until the chunk or its budget is used up.

    `prepared` gives the function of one item; what it raises is the first item's error.
    A `KeyboardInterrupt` in the main thread ends the chunk: the item that it hit counts
    as not begun, and `interrupt` is told.  What the items say goes to `hear`, and also
    `through` where it would have gone without us.  A `chunk_state` has the items.
    """
    stop_flag = stop_flag or StopFlag()
    if task.coroutine:
        return _run_loop(
            run_chunk_async(prepared, task, chunk, stop_flag, hear, chunk_state=chunk_state)
        )
    noted = chunk_state or ChunkState(chunk.items)
    values, errors, ends = noted.values, noted.errors, noted.ends
    budget = chunk.budget
    token = depth.set(task.depth + 1)
    capture = Capture(values, hear, stop_flag.wanted, through)
    listening = current.set(capture)
    thread = threading.get_native_id()
    without_core = starved(thread)
    noted.started, cpu, begun = time.time(), cpu_clock(), _clock()
    try:
        call = prepared()
        if task.timed:
            hear(0, "begun", "")
        for item in noted.items:
            if stop_flag.stopped:
                break
            try:
                value = call(item)
            except BaseException as error:
                if interrupts(error):
                    raise
                error, value = parted(error)
                errors[len(values)] = failed(error)
                budget = min(budget, noted.after_failure)
            values.append(value)
            end = _clock() - begun
            ends.append(end)
            if end > budget:
                break
    except BaseException as error:
        del values[len(ends) :]  # an interrupt may come between the two
        if interrupts(error) and interrupt is not None:
            interrupt(error)
        elif not values:
            errors, values, ends = {0: failed(error)}, [None], array("d", [0.0])
    finally:
        capture.end()
        current.reset(listening)
        depth.reset(token)
    cpu = cpu_clock() - cpu
    without_core = starved(thread) - without_core
    started, worker = noted.started, worker_name()
    return Outcome(values, errors, started, ends, cpu, worker, peak_rss(), without_core)


async def run_chunk_async(
    prepared: Callable[[], Callable[[Any], Any]],
    task: Task,
    chunk: Chunk,
    stop_flag: StopFlag,
    hear: Hear = _nobody,
    cpu: Callable[[], float] = float,
    chunk_state: SharedChunkState | None = None,
) -> Outcome:
    """Await the function on each item, one after the other.

    `cpu` gives the chunk's CPU seconds at its end: here they can't be told from others'.
    """
    from asyncio import CancelledError

    noted = chunk_state or ChunkState(chunk.items)
    values, errors, ends = noted.values, noted.errors, noted.ends
    budget = chunk.budget
    token = depth.set(task.depth + 1)
    capture = Capture(values, hear, stop_flag.wanted)
    listening = current.set(capture)
    noted.started, begun = time.time(), _clock()
    try:
        call = prepared()
        if task.timed:
            hear(0, "begun", "")
        for item in noted.items:
            if stop_flag.stopped:
                break
            try:
                value = await call(item)
            except CancelledError as error:
                if stop_flag.stopped:
                    break
                errors[len(values)], value = failed(error), None  # the item's own doing
                _forget_cancelling()
                budget = min(budget, noted.after_failure)
            except BaseException as error:
                error, value = parted(error)
                errors[len(values)] = failed(error)
                budget = min(budget, noted.after_failure)
            values.append(value)
            end = _clock() - begun
            ends.append(end)
            if end > budget:
                break
    except BaseException as error:
        errors, values, ends = {0: failed(error)}, [None], array("d", [0.0])
    finally:
        capture.end()
        current.reset(listening)
        depth.reset(token)
    rss = _peak_rss_at(int(10 * _clock()))
    return Outcome(values, errors, noted.started, ends, cpu(), worker_name(), rss)


def _forget_cancelling() -> None:
    """Let what an item did to its task not be the next item's, which asks `cancelling()`."""
    from asyncio import current_task

    task = current_task()
    while task is not None and task.uncancel():
        pass


def _run_loop(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end, also in a thread whose event loop is busy with us."""
    import asyncio  # 20 ms of a worker's start, for few

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(main)
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(copy_context().run, asyncio.run, main).result()


def interrupts(error: BaseException) -> bool:
    """Whether `error` is the user's Ctrl-C rather than something that an item raised."""
    in_main = threading.current_thread() is threading.main_thread()
    return isinstance(error, KeyboardInterrupt) and in_main


def failed(error: BaseException, unsent: Literal["", "item", "result"] = "") -> Error:
    """Describe what an item raised, or why what could not be sent, without our own frames."""
    _from_users(error)
    subinterpreter.note(error)
    return Error("error", error, "".join(traceback.format_exception(error)), unsent)


def _from_users(error: BaseException) -> BaseException:
    """Give an exception whose traceback begins behind our own frames."""
    trace = error.__traceback__
    while trace and trace.tb_next and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    error.__traceback__ = trace
    return error
