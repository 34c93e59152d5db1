"""Executor: a true `concurrent.futures.Executor` over the same Run loop."""

from __future__ import annotations

import concurrent.futures
import contextvars
import functools
import itertools
import math
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from typing import Any, TypeVar

from . import observers
from .backends.caller_thread import CallerThread
from .items.chunk_size import ChunkSizer
from .items.feed import Feed
from .items.sinks import Futures
from .model import Chunk, Task
from .options import resolve
from .run.handle import Run
from .system import at_exit
from .telemetry.stats import Stats
from .worker import execute, reductions
from .worker.execute import Call

T = TypeVar("T")


class Executor(concurrent.futures.Executor):
    """Run calls on any backend, behind the interface of `concurrent.futures`.

    Parameters
    ----------
    backend : str or object
        As in `Options`; "auto" times the first calls and chooses.
    workers : int or None
        How many calls run at once; None suits the backend and this machine.
    initializer : callable or None
        Called in each worker, once, before its first call.  Where it raises, what that
        worker is given fails with `concurrent.futures.BrokenExecutor`.
    initargs : tuple
        Its arguments.
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

    def __init__(
        self,
        backend: Any = "auto",
        workers: int | None = None,
        *,
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
        **options: Any,
    ) -> None:
        given = {"progress": "off", **options, "backend": backend, "workers": workers}
        self.options = resolve(given)
        if initializer is not None and not callable(initializer):
            raise TypeError(f"initializer must be callable, not {initializer!r}")
        name = self.options.name or "Executor"
        task = Task(execute.call, name, depth=execute.depth.get())
        if initializer is not None:
            setup = functools.partial(_initialize, initializer, initargs)
            task = replace(task, fn=_call, setup=setup)
        self._calls = CallQueue()
        caller_thread = CallerThread()
        self._run = Run(
            task,
            self._calls,
            self._calls.futures,
            self.options.updated({"on_error": "collect"}),  # a failed call is its future's alone
            caller_thread,
            watchers=functools.partial(observers.watchers, self.options, task),
            sizer=ChunkSizer(fixed=1, prefetch=False),  # calls may wait for each other
            kernel_backend="threads",
        )
        self._run.start()
        _open[self._run] = self._calls
        self._run.add_done_callback(_over)
        at_exit.add(_finish)
        caller_thread.serve_in_thread(contextvars.copy_context())
        self._finalizer = weakref.finalize(self, _close, self._calls, self._run)

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Have ``fn(*args, **kwargs)`` called, and give its future.

        Raises
        ------
        RuntimeError
            The executor was shut down.
        """
        future: Future[T] = Future()
        self._calls.add(Call(fn, args, kwargs), future)
        self._run.wake()
        return future

    def map(
        self,
        fn: Callable[..., T],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int | None = None,
    ) -> Iterator[T]:
        """Give an iterator over the results, in order; work begins at once.

        Parameters
        ----------
        fn, *iterables
            As for the built-in `map`.  They are consumed at once; `nbexec.imap` is lazy.
        timeout : float or None
            Seconds from now within which each result must be there; None waits.
        chunksize : int or None
            Items that are sent together as one call; None is 1, as in `concurrent.futures`.
            `nbexec.map` adapts it.

        Raises
        ------
        ValueError
            `chunksize` is less than 1.
        """
        size = 1 if chunksize is None else chunksize
        if size < 1:
            raise ValueError(f"chunksize must be at least 1, not {size}")
        if size == 1:
            return super().map(fn, *iterables, timeout=timeout)
        parts = _parts(zip(*iterables, strict=False), size)
        return _each(super().map(functools.partial(_part, fn), parts, timeout=timeout))

    def compute(
        self,
        kernel: str | Callable[[Any], Any],
        array: Any,
        *,
        combine: Callable[[list[Any]], Any] | None = None,
    ) -> Any:
        """Reduce one array of numbers: its slices at the same time, joined in their order.

        Parameters
        ----------
        kernel : {"sum", "product", "square_sum", "min", "max"} or callable
            What is computed; or a function of a slice, a NumPy array (one that numba has
            compiled with ``nogil=True`` runs at once on threads).
        array : array_like
            Numbers.  On threads slices are views; to processes they go through shared memory.
        combine : callable or None
            Makes the result of the list of what a function gave, in order; None gives the list.
            A kernel that has a name has its own.

        Returns
        -------
        object
            As NumPy gives it, up to the rounding of floats; the same on every backend, for
            every number of workers.

        Raises
        ------
        TypeError, ValueError
            `array` holds no numbers; there is no such kernel, or nothing to take the smallest
            or largest of.

        Examples
        --------
        >>> import nbexec
        >>> with nbexec.Executor("threads", workers=2) as executor:
        ...     float(executor.compute("square_sum", [1.0, 2.0, 3.0]))
        14.0
        """
        part, join = (kernel, combine or list) if callable(kernel) else reductions.kernel(kernel)
        if combine is not None and not callable(kernel):
            raise ValueError(f"combine= is for functions: {kernel!r} has its own")
        return join(list(self.map(part, reductions.slices(reductions.numbers(array)))))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no further calls; with `wait`, return when those before are done.

        Parameters
        ----------
        wait : bool
            Whether to wait for what was submitted.
        cancel_futures : bool
            Whether to cancel what is not running, nor about to since a worker is free.
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


def _initialize(initializer: Callable[..., object], initargs: tuple[Any, ...]) -> None:
    try:
        initializer(*initargs)
    except Exception as error:
        why = f"the initializer raised {type(error).__name__}: {error}"
        raise concurrent.futures.BrokenExecutor(why) from error


def _call(it: Call, state: None) -> Any:
    return execute.call(it)


def _parts(items: Iterator[tuple[Any, ...]], size: int) -> Iterator[list[tuple[Any, ...]]]:
    while part := list(itertools.islice(items, size)):
        yield part


def _part(fn: Callable[..., T], part: list[tuple[Any, ...]]) -> list[T]:
    return [fn(*args) for args in part]


def _each(parts: Iterator[list[T]]) -> Iterator[T]:
    """Give the results of every part, and keep none of them."""
    for part in parts:
        part.reverse()
        while part:
            yield part.pop()


def _close(calls: CallQueue, run: Run) -> None:
    calls.close()
    run.wake()


_open: dict[Run, CallQueue] = {}  # runs of executors, till they are over


def _over(run: Run) -> None:
    _open.pop(run, None)


def _finish() -> None:
    """Take no further calls, and wait for those before: Python is at its end."""
    runs = list(_open.items())
    for run, calls in runs:
        _close(calls, run)
    for run, _ in runs:
        run.wait()


class CallQueue(Feed):
    """The calls that were submitted and not yet taken: a source without an end of its own."""

    def __init__(self) -> None:
        self.futures = Futures()
        self.closed = False
        self._taken = 0
        self._waiting: deque[tuple[Call, Future[Any]]] = deque()
        self._lock = threading.Lock()

    def add(self, call: Call, future: Future[Any]) -> None:
        with self._lock:
            if self.closed:
                raise RuntimeError("cannot schedule new futures after shutdown")
            self._waiting.append((call, future))

    def close(self, workers: int | None = None) -> None:
        """Take no more; where `workers` is given, cancel what none of them is free for."""
        with self._lock:
            self.closed = True
            if workers is None:
                return
            free = max(0, workers - len(self.futures.waiting))
            for _, future in list(self._waiting)[free:]:
                future.cancel()

    @property
    def total(self) -> int | None:
        return self._taken + len(self._waiting) if self.closed else None

    @property
    def left(self) -> int | None:
        return len(self._waiting) if self.closed else None

    @property
    def at_hand(self) -> int:
        return len(self._waiting)

    @property
    def taken(self) -> int:
        return self._taken

    def take(self, size: int, budget: float = math.inf) -> Chunk:
        items: list[Call] = []
        start = self._taken
        while len(items) < size:
            with self._lock:
                if not self._waiting:
                    break
                call, future = self._waiting.popleft()
            if future.set_running_or_notify_cancel():
                self.futures.waiting[self._taken] = future
                self._taken += 1
                items.append(call)
        return Chunk(range(start, self._taken), items, budget=budget)
