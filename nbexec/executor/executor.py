"""Executor: a true `concurrent.futures.Executor` over the same Run loop."""

from __future__ import annotations

import concurrent.futures
import contextvars
import functools
import itertools
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from .. import observers
from ..backends.caller_thread import CallerThread
from ..errors import OptionError
from ..items.call_queue import CallQueue
from ..items.chunk_size import ChunkSizer
from ..model import Task
from ..observers.usage_on_demand import UsageOnDemand
from ..options import checks, resolve
from ..options.rates import Limit, Rate
from ..options.record import Options
from ..placement.auto import most_workers
from ..run.handle import Run
from ..run.preparing import check_teardown
from ..run.seeds import streams_for
from ..telemetry.observer import Observer
from ..worker import execute
from ..worker.execute import Call, TimedCall
from ..worker.random_streams import InStream
from . import open_runs, queueing
from .blocked_calls import called
from .computing import Computing
from .continuations import Continuing, futures_in
from .done_callbacks import DoneCallbacks
from .future import CallFuture
from .groups import GroupedCalls
from .initializing import begin, call_begun, end
from .lifecycle import Lifecycle
from .map_failures import MapFailures
from .mapping import call_part, each_of, in_parts, result_of, taken
from .restarting import Restarting
from .scheduling import Scheduling
from .view import Viewed
from .watching import Watching

T = TypeVar("T")


class Executor(
    Viewed,
    GroupedCalls,
    Continuing,
    Lifecycle,
    Computing,
    Scheduling,
    Watching,
    Restarting,
    concurrent.futures.Executor,
):
    """Run calls on any backend, behind the interface of `concurrent.futures`.

    Parameters
    ----------
    backend : str or object
        As in `Options`; "auto" times the first calls and chooses.
    workers : int or None
        How many calls run at once; None suits the backend and this machine.
    initializer : callable or None
        Called in each worker, once, before its first call.  If it raises, pending calls and
        all later ones fail with `concurrent.futures.BrokenExecutor`.
    initargs : tuple
        Its arguments.
    setup : callable or None
        Called in each worker, once, before its first call and after the initializer.  Its value
        is the last positional argument of every call: ``fn(*args, state, **kwargs)``.  If it
        raises, so does the call that it was for, and the next one tries again.
    teardown : callable or None
        Called once in each worker, after its last call, with setup's value; without `setup`,
        with nothing.
    max_queue : int or None
        How many calls may wait, beside those that a worker is free for; None is any number.
    on_full : {"block", "caller_runs", "reject", "discard", "discard_oldest"}
        What becomes of a call that is one too many.  "block": `submit` waits for room, but lets
        in what calls of this executor submit themselves, which might wait for ever;
        "caller_runs": the thread that submits it runs it; "reject": `submit` raises `QueueFull`;
        "discard": its future is cancelled; "discard_oldest": that of the call which has waited
        longest is, among those of the smallest priority.
    idle_timeout : float or None
        Seconds after which a worker without calls is given back: a process ends, a thread is
        free for other runs.  Another takes its place when there are calls again, and runs the
        initializer.  None keeps workers until the executor is shut down, as
        `concurrent.futures` does.
    **options
        Others of `Options`.  `progress` is "off" unless it is given.  `on_error` is about `map`:
        with "collect" it gives a `Failure` in the place of each call that fails, with "group" it
        gives the other results and raises all exceptions at its end.  A session's default of it
        doesn't count here, nor does it change futures.

    Raises
    ------
    OptionError, BackendError
        The backend or an option can't be used.

    Examples
    --------
    >>> import nbexec
    >>> with nbexec.Executor("threads", workers=2) as executor:
    ...     future = executor.submit(pow, 2, 10)
    ...     future.result(), list(executor.map(abs, [-1, -2]))
    (1024, [1, 2])
    """

    __module__ = "nbexec"

    _calling: Callable[[Call], Any] = staticmethod(execute.call)

    def __init__(
        self,
        backend: Any = "auto",
        workers: int | None = None,
        *,
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
        setup: Callable[[], Any] | None = None,
        teardown: Callable[..., Any] | None = None,
        max_queue: int | None = None,
        on_full: str = "block",
        idle_timeout: float | None = None,
        **options: Any,
    ) -> None:
        given = {"progress": "off", **options, "backend": backend, "workers": workers}
        self._options = resolve(given)
        self._on_error = options.get("on_error", "raise")  # not a session's: it is a standard one
        if initializer is not None and not callable(initializer):
            raise TypeError(f"initializer must be callable, not {initializer!r}")
        name = self._options.name or "Executor"
        task = Task(self._calling, name, depth=execute.depth.get())
        if setup is not None and not callable(setup):
            raise OptionError(f"setup must be a function without arguments, or None, not {setup!r}")
        check_teardown(teardown)
        if any(one is not None for one in (initializer, setup, teardown)):
            beginning = functools.partial(begin, initializer, initargs, setup)
            ending = None if teardown is None else functools.partial(end, teardown)
            task = replace(task, fn=call_begun, setup=beginning, teardown=ending)
        self._usage = UsageOnDemand()
        self._places = itertools.count()  # of submitted calls
        self._ref = weakref.ref(self)
        self._limits: dict[tuple[Rate, ...], Limit] = {}
        if idle_timeout is not None:
            checks.seconds("idle_timeout", idle_timeout)
        bound = queueing.bound_of(max_queue, on_full, self._options, setup)
        self._calls = CallQueue(name, bound)
        self._callbacks = DoneCallbacks()
        with queueing.marked(self._calls):
            self._run = self._started(task, idle_timeout)
        self._calls.wake = functools.partial(wake, weakref.ref(self._run))
        if bound is not None:
            self._calls.workers = functools.partial(most_at_once, self._run)
        self._finalizer = weakref.finalize(self, open_runs.close, self._calls, self._run)

    def _started(self, task: Task, idle_timeout: float | None) -> Run:
        caller_thread = CallerThread()
        run = Run(
            task,
            self._calls,
            self._calls.futures,
            self._options.updated({"on_error": "collect"}),  # a failed call is its future's alone
            caller_thread,
            watchers=functools.partial(self._watchers, self._options, task),
            sizer=self._sizer(self._options),
            kernel_backend="threads",
            idle_timeout=idle_timeout,
        )
        run.start()
        open_runs.add(run, self._calls, self._callbacks)
        caller_thread.serve_in_thread(contextvars.copy_context())
        return run

    @staticmethod
    def _sizer(options: Options) -> ChunkSizer:
        """Give what says how many calls travel together: they may wait for each other."""
        return ChunkSizer(fixed=1, prefetch=False)

    @staticmethod
    def _watchers(options: Options, task: Task) -> list[Observer]:
        """Give the observers that show it."""
        return observers.watchers(options, task)

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> CallFuture[T]:
        """Submit ``fn(*args, **kwargs)``, and give its future.

        Futures of `concurrent.futures`, such as another call's, may be among the arguments, and
        in plain lists, tuples and dicts that are arguments: the call begins once all have ended,
        and gets their results in their places.  It holds no worker until then.  When one fails,
        or is cancelled, the call ends at once as that one does: its future has the same
        exception.  To give a function a future itself, submit ``functools.partial(fn, future)``.

        Raises
        ------
        RuntimeError
            The executor was shut down, or made in a process that forked this one.
        QueueFull
            The executor has ``max_queue`` with ``on_full="reject"``.
        concurrent.futures.BrokenExecutor
            The initializer raised in a worker.
        """
        future: CallFuture[T] = CallFuture()
        self._name_future(future, fn)
        if self._own is not None:
            future._own = self._own  # what goes on from it has the same
        self._accept(Call(self._in_stream(fn), args, kwargs), future)
        return future

    def _accept(self, call: Call, future: CallFuture[Any]) -> None:
        """Take a call in, with the options of this view, or run it here where it is one too many.

        Raises what `submit` does.
        """
        own = self._own
        if own is not None and own.timed:
            call = TimedCall(*call)
        if awaited := futures_in(call.args, call.kwargs):
            self._when_done(awaited, call, future)
        elif self._calls.add(call, future, own):
            self._run.wake()
        else:
            queueing.run_here(call, future, own.options if own is not None else self._run.options)

    def map(
        self,
        fn: Callable[..., T],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int | None = None,
        buffersize: int | None = None,
    ) -> Iterator[T]:
        """Give an iterator over the results, in order; work begins at once.

        Parameters
        ----------
        fn, *iterables
            As for the built-in `map`.  They are consumed at once, unless `buffersize` is given,
            or the executor has ``max_queue``; `nbexec.imap` is lazy.
        timeout : float or None
            Seconds from now within which each result must be there, and room for the call in the
            queue; None waits.
        chunksize : int or None
            Items that are sent together as one call; None is 1, as in `concurrent.futures`.
            `nbexec.map` adapts it.  With ``rate`` or ``budget``, which are about single calls, and
            with an `on_error` of the executor's own it is 1.
        buffersize : int or None
            Calls whose results have not been taken yet, at most, as since Python 3.14: the next
            item is pulled when a result is taken.  None consumes all at once.

        Raises
        ------
        ExceptionGroup
            While it is iterated, where the executor was made with ``on_error="group"``: of what
            every call raised that failed, after the results of all others.
        TypeError
            `buffersize` is no int.
        ValueError
            `chunksize` or `buffersize` is less than 1.

        Examples
        --------
        >>> import itertools, nbexec
        >>> with nbexec.Executor("threads", workers=2) as executor:
        ...     squares = executor.map(lambda x: x * x, itertools.count(), buffersize=8)
        ...     list(itertools.islice(squares, 4))
        [0, 1, 4, 9]
        """
        size = 1 if chunksize is None else chunksize
        if size < 1:
            raise ValueError(f"chunksize must be at least 1, not {size}")
        if buffersize is not None and not isinstance(buffersize, int):
            raise TypeError(f"buffersize must be an int or None, not {buffersize!r}")
        if buffersize is not None and buffersize < 1:
            raise ValueError(f"buffersize must be at least 1, not {buffersize}")
        single = self._options.rate, self._options.budget, self._options.hedge_after
        limited = self._own is not None and self._own.limit is not None
        alone = limited or self._on_error != "raise"
        if size == 1 or alone or any(one is not None for one in single):
            return self._map(fn, zip(*iterables, strict=False), timeout, buffersize)
        parts = in_parts(zip(*iterables, strict=False), size)
        part = functools.partial(call_part, fn)
        return each_of(self._map(part, ((one,) for one in parts), timeout, buffersize))

    def _map(
        self,
        fn: Callable[..., Any],
        calls: Iterator[tuple[Any, ...]],
        timeout: float | None,
        buffersize: int | None,
    ) -> Iterator[Any]:
        due = None if timeout is None else time.monotonic() + timeout
        if self._on_error == "raise":
            return taken(
                self._begun(fn, calls, buffersize, due), due, fn, calls, self._weakly(), result_of
            )
        failures = MapFailures(self._on_error, called(fn), self._run.id)
        calls = failures.seen(calls)
        futures = self._begun(fn, calls, buffersize, due)
        return failures.given(taken(futures, due, fn, calls, self._weakly(), failures.result))

    def _begun(
        self,
        fn: Callable[..., Any],
        calls: Iterator[tuple[Any, ...]],
        buffersize: int | None,
        due: float | None,
    ) -> deque[CallFuture[Any]]:
        """Submit the first calls of `map`."""
        bound = self._calls.bound
        if buffersize is None and bound is not None:  # it would fill the queue by itself
            buffersize = bound.most + self._calls.workers()
        futures: deque[CallFuture[Any]] = deque()
        first = itertools.islice(calls, buffersize)
        try:
            with self._calls.room_until(due):
                futures.extend(self.submit(fn, *args) for args in first)
        except BaseException:  # the queue is full, it was shut down, or there is no further item
            for future in futures:
                future.cancel()
            raise
        return futures

    def _in_stream(self, fn: Callable[..., T]) -> Callable[..., T]:
        """Have a function draw its own random numbers, if it draws any."""
        place = next(self._places)
        if self._options.seed is None and self._options.backend in ("serial", "threads", "asyncio"):
            return fn
        streams = streams_for((fn,), self._options.seed, fresh=self._run.seed)
        return fn if streams is None else InStream(fn, streams, place)

    def _name_future(self, future: CallFuture[Any], fn: Any) -> None:
        """Have a future know its executor, and of what it is."""
        future._executor, future._called = self._ref, called(fn)
        future._callbacks = self._callbacks

    def _hurry(self, futures: Sequence[CallFuture[Any]]) -> None:
        """Have pending calls be the next ones."""
        for one in reversed(futures):
            self._calls.hurry(one)

    def _running(self) -> list[Any]:
        """Give the futures of calls that run."""
        return [*self._calls.futures.waiting.values()]

    @property
    def _broken(self) -> bool:
        """As `_max_workers`."""
        return self._calls.broken

    @property
    def _max_workers(self) -> int:
        """What clients of the standard library's executors, such as Dask, ask for.

        So many calls they give at once; with "auto" that is known before it has chosen.
        """
        return most_at_once(self._run)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Accept no further calls; with `wait`, return when the accepted ones are done.

        Jobs begin no further run: what is scheduled for later is cancelled.

        Parameters
        ----------
        wait : bool
            Whether to wait for submitted calls.
        cancel_futures : bool
            Whether to cancel pending calls, except those that a free worker is about to take.

        Raises
        ------
        RuntimeError
            A call of this executor would wait for its own end; it takes no further calls.
        """
        self._close_jobs()
        self._calls.close(self._run.workers if cancel_futures else None)
        self._run.wake()
        if wait:
            self._require_outside()
            self._run.wait()
            self._callbacks.join()


def most_at_once(run: Run) -> int:
    """Give how many calls of an executor's run may run at once, also before "auto" has chosen."""
    if run.options.backend != "auto":
        return run.workers
    return max(run.workers, most_workers(run.options.workers, run.task.depth))


def wake(run: weakref.ref[Run]) -> None:
    """Have an executor's run look at its queue, if it is still there."""
    there = run()
    if there is not None:
        there.wake()
