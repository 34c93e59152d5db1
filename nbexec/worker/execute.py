"""Execution of a chunk in a worker, the same on every backend: calls, errors, measurements."""

from __future__ import annotations

import functools
import os
import sys
import threading
import time
from array import array
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, NamedTuple, TypeVar

from ..model import Error, Outcome, Task
from ..system import after_fork, machine, subinterpreter
from .blocks import BATCH
from .capture import Capture, Report, capturing, current
from .chunk_state import ChunkState
from .event_loop import forget_cancelling, run_to_end
from .item_calls import call_items
from .item_errors import ended, failed, from_users, interrupts, parted
from .random_streams import ChunkStreams
from .random_streams import depth as depth
from .running_chunks import by_thread
from .setup_once import SetupOnce
from .stop_flag import StopFlag as StopFlag

T = TypeVar("T")

_clock = time.perf_counter


def _end_chunk() -> None:
    """Begin no further item of this chunk in a forked child: they are the parent's."""
    chunk_state = by_thread.get(threading.get_ident())
    if chunk_state is not None:
        chunk_state.take_back(sys.maxsize)


after_fork.add(_end_chunk)


def _ignore(offset: int, stream: str, content: Any) -> None:
    """Drop a report."""


def _never_starved(thread: int) -> float:
    """Measure nothing."""
    return 0.0


def worker_name() -> str:
    """Name this worker: its thread in the kernel, its interpreter or process elsewhere."""
    if subinterpreter.number:
        return subinterpreter.name()
    thread = threading.current_thread()
    if thread is threading.main_thread():
        return f"process {os.getpid()}"
    return thread.name


class Call(NamedTuple):
    """An item of an executor: a function of its own."""

    fn: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    def __repr__(self) -> str:
        """Give the call as it would be written: what the panel shows for an item."""
        name = getattr(self.fn, "__name__", None) or repr(self.fn)
        given = [*map(repr, self.args), *(f"{key}={value!r}" for key, value in self.kwargs.items())]
        return f"{name}({', '.join(given)})"


class TimedCall(Call):
    """A call of which the kernel is to know when it begins, as of all items of a timed task.

    It says so when its function is asked for, not in `call`: journals know that by its code.
    """

    __slots__ = ()

    @property
    def fn(self) -> Callable[..., Any]:
        """Its function, which is to be called now."""
        if (capture := capturing()) is not None:
            capture.begun()
        return self[0]

    def __nbexec_content__(self) -> tuple[Any, ...]:
        """Give the reduction of the call itself, which a journal may have without a timeout."""
        return Call(*self).__reduce_ex__(5)  # type: ignore[return-value]  # no string


def call(it: Call) -> Any:
    """Call the function of an executor's item, to its end if it is a coroutine function."""
    value = it.fn(*it.args, **it.kwargs)
    return _run_loop(value) if isinstance(value, Coroutine) else value


def replay(task: Task, item: Any) -> Any:
    """Run one item in this thread; its exception passes through, from the user's frame on."""
    __tracebackhide__ = True
    once = SetupOnce(task)
    try:
        value = once()(item)
        return _run_loop(value) if task.coroutine else value
    except BaseException as error:
        raised = from_users(parted(error)[0])
    finally:
        ended = once.tear_down()
        if isinstance(ended, Coroutine):
            _run_loop(ended)
    raise raised  # out here, so that it has no context but its own


class ExecutionSpec(NamedTuple):
    """How a worker runs a chunk: the same for each of its items."""

    task: Task
    prepared: Callable[[], Callable[[Any], Any]]  # gives the function of one item, as `SetupOnce`
    stop_flag: StopFlag
    report: Report = _ignore
    passthrough: bool = False  # whether output also goes where it would have gone without us
    cpu_clock: Callable[[], float] = time.thread_time
    starved: Callable[[int], float] = _never_starved  # seconds without a core, of a thread
    interrupt: Callable[[BaseException], None] | None = None  # given Ctrl-C of the main thread
    streams: ChunkStreams | None = None  # of random numbers, if the items draw any
    hold: Callable[[int, Any], bool] | None = None  # takes records that wait for an item's turn


def run_chunk(
    spec: ExecutionSpec, chunk_state: ChunkState, budget: float = float("inf")
) -> Outcome:
    """Call the function on each item until the items or `budget` (seconds) are used up.

    An exception of `spec.prepared` counts as the first item's.  A `KeyboardInterrupt` in the
    main thread ends the chunk and goes to `spec.interrupt`; the item that it hit is not begun.
    """
    if spec.task.coroutine:
        return _run_loop(run_chunk_async(spec, chunk_state, budget))
    values, errors, ends = chunk_state.values, chunk_state.errors, chunk_state.ends
    entered = _enter(spec, values)
    thread = threading.get_native_id()
    starved = spec.starved(thread)
    forks, me = after_fork.count, threading.get_ident()
    around, by_thread[me] = by_thread.get(me), chunk_state
    chunk_state.started, cpu, begun = time.time(), spec.cpu_clock(), _clock()
    try:
        call_items(spec, chunk_state, budget, begun)
    except BaseException as error:
        chunk_state.settle(_clock() - begun)  # an interrupt may come before an end was noted
        errors.pop(len(values), None)  # or amid a failure
        if interrupts(error) and spec.interrupt is not None:
            spec.interrupt(error)
        elif not values:
            errors, values, ends = _first_failed(error, spec.stop_flag)
    finally:
        _leave(entered)
        by_thread.pop(me)
        if around is not None:
            by_thread[me] = around
        if after_fork.count != forks:
            _end_child(chunk_state)
    cpu, starved = spec.cpu_clock() - cpu, spec.starved(thread) - starved
    started, worker = chunk_state.started, worker_name()
    return Outcome(values, errors, started, ends, cpu, worker, machine.peak_rss(), starved)


def tear_down(
    task: Task, set_up: SetupOnce, report: Report, passthrough: bool = False
) -> BaseException | None:
    """Call the task's teardown, if its function was given here; give what it raises.

    What it writes is reported as that of an item at offset 0.
    """
    entered = _enter(ExecutionSpec(task, set_up, StopFlag(), report, passthrough), [])
    try:
        value = set_up.tear_down()
        if isinstance(value, Coroutine):
            _run_loop(value)
    except BaseException as error:
        return error
    finally:
        _leave(entered)
    return None


async def tear_down_async(task: Task, set_up: SetupOnce, report: Report) -> BaseException | None:
    """Do so on the event loop where items were awaited, which is teardown's, too."""
    entered = _enter(ExecutionSpec(task, set_up, StopFlag(), report), [])
    try:
        value = set_up.tear_down()
        if isinstance(value, Awaitable):
            await value
    except Exception as error:
        return error
    finally:
        _leave(entered)
    return None


def _end_child(chunk_state: ChunkState) -> None:
    """End a process that an item has forked, and that came back from it."""
    del chunk_state.values[-1:]  # what it still writes is that item's output
    error = chunk_state.errors.get(len(chunk_state.values))
    after_fork.end_child(error.exception if error is not None else None)


async def run_chunk_async(
    spec: ExecutionSpec,
    chunk_state: ChunkState,
    budget: float = float("inf"),
    cpu: Callable[[], float] = float,
) -> Outcome:
    """Await the function on each item, one after the other.

    `cpu` gives the chunk's CPU seconds at its end: those of coroutines on one thread can't be
    measured one by one, so `spec.cpu_clock` is not used.
    """
    values, errors, ends = chunk_state.values, chunk_state.errors, chunk_state.ends
    entered = _enter(spec, values)
    chunk_state.started, begun = time.time(), _clock()
    try:
        await _await_items(spec, chunk_state, budget, begun)
    except BaseException as error:
        errors, values, ends = _first_failed(error, spec.stop_flag)
    finally:
        _leave(entered)
    rss = machine.recent_peak_rss()
    return Outcome(values, errors, chunk_state.started, ends, cpu(), worker_name(), rss)


async def _await_items(
    spec: ExecutionSpec, chunk_state: ChunkState, budget: float, begun: float
) -> None:
    """Await the function on each item.  Long, because a call more for each item would show."""
    from asyncio import CancelledError

    values, errors, ends = chunk_state.values, chunk_state.errors, chunk_state.ends
    stop_flag, call = spec.stop_flag, spec.prepared()
    if spec.streams is not None:
        call = spec.streams.each_awaited(call, spec.task.depth)
    forks = after_fork.count
    if spec.task.timed:
        spec.report(0, "begun", "")
    if hasattr(type(call), BATCH):
        from .chunk_batches import await_batches

        described = functools.partial(ended, stop_flag=stop_flag)
        await await_batches(stop_flag, chunk_state, budget, begun, call, described)
        return
    for item in chunk_state.items:
        if stop_flag.stopped:
            break
        try:
            value = await call(item)
        except CancelledError as error:
            if stop_flag.stopped:
                break
            errors[len(values)], value = failed(error), None  # the item's own doing
            forget_cancelling()
            budget = min(budget, chunk_state.after_failure)
        except BaseException as error:
            error, value = parted(error)
            why = errors[len(values)] = ended(error, stop_flag)
            # the rest of a chunk waits where a server asks to slow down
            budget = min(budget, 0.0 if why.asked else chunk_state.after_failure)
        values.append(value)
        if after_fork.count != forks:
            _end_child(chunk_state)
        end = _clock() - begun
        ends.append(end)
        if end > budget:
            break


def _enter(spec: ExecutionSpec, values: list[Any]) -> tuple[Any, ...]:
    """Have output and nested runs belong to this chunk; give the argument of `_leave`."""
    token = depth.set(spec.task.depth + 1)
    capture = Capture(values, spec.report, spec.stop_flag.wanted, spec.passthrough)
    capture.wait, capture.awaits = spec.stop_flag.wait, spec.task.coroutine
    around = current.get()
    capture.hold = spec.hold or (around.within() if around is not None else None)
    return capture, token, current.set(capture)


def _leave(entered: tuple[Any, ...]) -> None:
    capture, token, before = entered
    capture.end()
    current.reset(before)
    depth.reset(token)


def _first_failed(
    error: BaseException, stop_flag: StopFlag
) -> tuple[dict[int, Error], list[Any], array[float]]:
    """Give the errors, values and ends of a chunk that failed before its first item."""
    return {0: ended(error, stop_flag)}, [None], array("d", [0.0])


def _run_loop(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end; fingerprints of executors' calls have this name."""
    return run_to_end(main)
