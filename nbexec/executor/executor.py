"""Executor: a true `concurrent.futures.Executor` over the same Run loop."""

from __future__ import annotations

import concurrent.futures
import contextvars
import functools
import itertools
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any, TypeVar

from .. import observers
from ..backends.caller_thread import CallerThread
from ..errors import OptionError
from ..items.call_queue import CallQueue
from ..items.chunk_size import ChunkSizer
from ..model import Task
from ..options import resolve
from ..options.record import Options
from ..placement.auto import most_workers
from ..run.handle import Run
from ..run.preparing import check_teardown
from ..run.seeds import streams_for
from ..telemetry.observer import Observer
from ..telemetry.stats import Stats
from ..worker import execute
from ..worker.execute import Call
from ..worker.random_streams import InStream
from . import open_runs
from .computing import Computing
from .future import CallFuture
from .initializing import begin, call_begun, end
from .mapping import call_part, each_of, in_parts, taken
from .restarting import Restarting

T = TypeVar("T")


class Executor(Computing, Restarting, concurrent.futures.Executor):
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
    **options
        Others of `Options`.  `progress` is "off" unless it is given.

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
        **options: Any,
    ) -> None:
        given = {"progress": "off", **options, "backend": backend, "workers": workers}
        self._options = resolve(given)
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
        self._places = itertools.count()  # of submitted calls
        self._calls = CallQueue()
        caller_thread = CallerThread()
        self._run = Run(
            task,
            self._calls,
            self._calls.futures,
            self._options.updated({"on_error": "collect"}),  # a failed call is its future's alone
            caller_thread,
            watchers=functools.partial(self._watchers, self._options, task),
            sizer=self._sizer(),
            kernel_backend="threads",
        )
        self._run.start()
        open_runs.add(self._run, self._calls)
        caller_thread.serve_in_thread(contextvars.copy_context())
        self._finalizer = weakref.finalize(self, open_runs.close, self._calls, self._run)

    @staticmethod
    def _sizer() -> ChunkSizer:
        """Give what says how many calls travel together: they may wait for each other."""
        return ChunkSizer(fixed=1, prefetch=False)

    @staticmethod
    def _watchers(options: Options, task: Task) -> list[Observer]:
        """Give the observers that show it."""
        return observers.watchers(options, task)

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> CallFuture[T]:
        """Submit ``fn(*args, **kwargs)``, and give its future.

        Raises
        ------
        RuntimeError
            The executor was shut down, or made in a process that forked this one.
        concurrent.futures.BrokenExecutor
            The initializer raised in a worker.
        """
        future: CallFuture[T] = CallFuture()
        self._calls.add(Call(self._in_stream(fn), args, kwargs), future)
        self._run.wake()
        return future

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
            As for the built-in `map`.  They are consumed at once, unless `buffersize` is given;
            `nbexec.imap` is lazy.
        timeout : float or None
            Seconds from now within which each result must be there; None waits.
        chunksize : int or None
            Items that are sent together as one call; None is 1, as in `concurrent.futures`.
            `nbexec.map` adapts it.  With ``rate`` or ``budget``, which are about single calls, it
            is 1.
        buffersize : int or None
            Calls whose results have not been taken yet, at most, as since Python 3.14: the next
            item is pulled when a result is taken.  None consumes all at once.

        Raises
        ------
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
        if size == 1 or any(one is not None for one in single):
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
        futures = deque(self.submit(fn, *args) for args in itertools.islice(calls, buffersize))
        return taken(futures, due, fn, calls, weakref.ref(self))

    def _in_stream(self, fn: Callable[..., T]) -> Callable[..., T]:
        """Have a function draw its own random numbers, if it draws any."""
        place = next(self._places)
        if self._options.seed is None and self._options.backend in ("serial", "threads", "asyncio"):
            return fn
        streams = streams_for((fn,), self._options.seed, fresh=self._run.seed)
        return fn if streams is None else InStream(fn, streams, place)

    @property
    def _broken(self) -> bool:
        """As `_max_workers`."""
        return self._calls.broken

    @property
    def _max_workers(self) -> int:
        """What clients of the standard library's executors, such as Dask, ask for.

        So many calls they give at once; with "auto" that is known before it has chosen.
        """
        if self._options.backend != "auto":
            return self._run.workers
        return max(self._run.workers, most_workers(self._options.workers, self._run.task.depth))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Accept no further calls; with `wait`, return when the accepted ones are done.

        Parameters
        ----------
        wait : bool
            Whether to wait for submitted calls.
        cancel_futures : bool
            Whether to cancel pending calls, except those that a free worker is about to take.
        """
        self._calls.close(self._run.workers if cancel_futures else None)
        self._run.wake()
        if wait:
            self._run.wait()

    @property
    def stats(self) -> Stats:
        """Its calls in numbers, so far."""
        return self._run.stats

    @property
    def run(self) -> Run:
        """The run behind it."""
        return self._run
