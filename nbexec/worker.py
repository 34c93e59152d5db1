"""The only code that runs inside a worker, the same on every backend.

`run_chunk` calls the function and measures; `run_packed` is what a worker in another
process or on another machine is asked to do: bytes in, bytes out, so that whatever
fails to pickle fails here, where it can be told which item it was.
"""

from __future__ import annotations

import asyncio
import functools
import os
import sys
import threading
import time
import traceback
from array import array
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from contextvars import ContextVar, copy_context
from typing import Any, NamedTuple, TypeVar

from . import wire
from .errors import PickleError
from .model import Chunk, Error, Outcome, Task

KEPT = 16  # loaded functions a worker keeps, least recently used out

depth: ContextVar[int] = ContextVar("nbexec_depth", default=0)  # runs around this code

T = TypeVar("T")

_clock = time.perf_counter


def worker_name() -> str:
    """Name this worker: its thread in the kernel, its process elsewhere."""
    thread = threading.current_thread()
    if thread is threading.main_thread():
        return f"process {os.getpid()}"
    return thread.name


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
    return _run_loop(value) if asyncio.iscoroutine(value) else value


def prepare(task: Task) -> Callable[[Any], Any]:
    """Run the task's setup, if it has one, and give its function of one item."""
    return calling(task, task.setup() if task.setup is not None else None)


class Leash:
    """How long a chunk may go on; pulled, it begins no further item."""

    __slots__ = ("pulled",)

    def __init__(self) -> None:
        self.pulled = False

    def pull(self) -> None:
        """Let nothing more begin."""
        self.pulled = True


def run_chunk(
    prepared: Callable[[], Callable[[Any], Any]],
    task: Task,
    chunk: Chunk,
    leash: Leash | None = None,
    cpu_clock: Callable[[], float] = time.thread_time,
    interrupt: Callable[[BaseException], None] | None = None,
) -> Outcome:
    """Call the function on each item until the chunk or its budget is used up.

    `prepared` gives the function of one item; what it raises is the first item's error.
    A `KeyboardInterrupt` in the main thread ends the chunk: the item that it hit counts
    as not begun, and `interrupt` is told.
    """
    leash = leash or Leash()
    if task.coroutine:
        return _run_loop(run_chunk_async(prepared, task, chunk, leash))
    values: list[Any] = []
    errors: dict[int, Error] = {}
    ends = array("d")
    budget = chunk.budget
    token = depth.set(task.depth + 1)
    started, cpu, begun = time.time(), cpu_clock(), _clock()
    try:
        call = prepared()
        for item in chunk.items:
            if leash.pulled:
                break
            try:
                value = call(item)
            except BaseException as error:
                if interrupts(error):
                    raise
                errors[len(values)] = failed(error)
                value = None
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
        depth.reset(token)
    cpu = cpu_clock() - cpu
    return Outcome(values, errors, started, ends, cpu, worker_name(), peak_rss())


async def run_chunk_async(
    prepared: Callable[[], Callable[[Any], Any]], task: Task, chunk: Chunk, leash: Leash
) -> Outcome:
    """Await the function on each item, one after the other; CPU time is not known here."""
    values: list[Any] = []
    errors: dict[int, Error] = {}
    ends = array("d")
    budget = chunk.budget
    token = depth.set(task.depth + 1)
    started, begun = time.time(), _clock()
    try:
        call = prepared()
        for item in chunk.items:
            if leash.pulled:
                break
            try:
                value = await call(item)
            except asyncio.CancelledError as error:
                if leash.pulled:
                    break
                errors[len(values)], value = failed(error), None  # the item's own doing
            except BaseException as error:
                errors[len(values)], value = failed(error), None
            values.append(value)
            end = _clock() - begun
            ends.append(end)
            if end > budget:
                break
    except BaseException as error:
        errors, values, ends = {0: failed(error)}, [None], array("d", [0.0])
    finally:
        depth.reset(token)
    return Outcome(values, errors, started, ends, 0.0, worker_name(), peak_rss())


def _run_loop(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end, also in a thread whose event loop is busy with us."""
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


def failed(error: BaseException) -> Error:
    """Describe what an item raised, without our own frames."""
    trace = error.__traceback__
    while trace and trace.tb_next and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    error.__traceback__ = trace
    return Error("error", error, "".join(traceback.format_exception(error)))


# ---------------------------------------------------------------- in another process

_loaded: OrderedDict[str, tuple[Task, Callable[[], Callable[[Any], Any]]]] = OrderedDict()


def run_packed(key: str, block: Any, count: int, items: bytes, budget: float, alone: bool) -> bytes:
    """Run `count` pickled `items` through the packed task `block` (a path or the bytes).

    `key` names the task and the run: each worker unpacks it, and runs its setup, once.
    `alone` says that nothing else runs in this process, so that its CPU time, threads of
    BLAS and all, is the chunk's.
    """
    try:
        task, prepared = _load(key, block)
        values = wire.loads(items)
    except BaseException as error:
        # of several items nobody knows which can't be unpickled: they come again one by one
        outcome = Outcome([], {}, time.time(), [], 0.0, "")
        if count == 1:
            outcome = Outcome([None], {0: failed(error)}, time.time(), [0.0], 0.0, "")
        return _send(outcome)
    chunk = Chunk(range(count), values, budget=budget)
    clock = time.process_time if alone else time.thread_time
    return _send(run_chunk(prepared, task, chunk, cpu_clock=clock))


def _load(key: str, block: Any) -> tuple[Task, Callable[[], Callable[[Any], Any]]]:
    if key not in _loaded:
        task: Task = (
            wire.unpack_file(block) if isinstance(block, str) else wire.unpack(bytearray(block))
        )
        _loaded[key] = task, functools.cache(functools.partial(prepare, task))
        while len(_loaded) > KEPT:
            _loaded.popitem(last=False)
    _loaded.move_to_end(key)
    return _loaded[key]


def _send(outcome: Outcome) -> bytes:
    errors = {at: _pack_error(error) for at, error in outcome.errors.items()}
    facts = (outcome.started, outcome.ends, outcome.cpu, f"process {os.getpid()}", outcome.peak_rss)
    try:
        return wire.dumps((outcome.values, errors, facts))
    except BaseException:
        values = [_sendable(at, value, errors) for at, value in enumerate(outcome.values)]
        return wire.dumps((values, errors, facts))


def _sendable(at: int, value: Any, errors: dict[int, Any]) -> Any:
    """Give the value, or None with an error in its place if it can't be pickled."""
    try:
        wire.dumps(value)
    except BaseException as error:
        sort = f"{type(value).__module__}.{type(value).__qualname__}"
        why = PickleError(f"the result, a {sort}, can't be sent back: {error}")
        errors[at] = _pack_error(failed(why))
        return None
    return value


def _pack_error(error: Error) -> tuple[str, bytes | None, str, str, Any]:
    """Pack an exception so that its text arrives even where it doesn't pickle itself."""
    from tblib import Traceback

    exception = error.exception
    text = f"{type(exception).__name__}: {exception}"
    frames = Traceback(exception.__traceback__).as_dict() if exception.__traceback__ else None
    try:
        data = wire.dumps(exception)
        wire.loads(data)
    except BaseException:
        data = None
    return error.kind, data, text, error.traceback, frames


def receive(data: bytes) -> Outcome:
    """Undo the packing of a chunk's outcome, in the kernel."""
    values, packed, facts = wire.loads(data)
    errors = {at: _unpack_error(*error) for at, error in packed.items()}
    return Outcome(values, errors, *facts)


def _unpack_error(kind: Any, data: bytes | None, text: str, trace: str, frames: Any) -> Error:
    exception: BaseException
    try:
        if data is None:
            raise ValueError("not sent")
        exception = wire.loads(data)
    except BaseException:
        exception = PickleError(f"the task raised {text} (the exception itself can't be sent)")
    if frames is not None:
        from tblib import Traceback

        exception.__traceback__ = Traceback.from_dict(frames).as_traceback()
    return Error(kind, exception, trace)
