"""Executor: a true `concurrent.futures.Executor` over the same Run loop."""

from __future__ import annotations

import concurrent.futures
import contextvars
import functools
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from typing import Any, TypeVar

from . import worker
from .api import imap, watchers
from .hands import Hands
from .model import Chunk, Task
from .options import resolve
from .plan import Feed, Pace
from .results import Futures
from .run import Run
from .state import Stats
from .worker import Call

T = TypeVar("T")


class Executor(concurrent.futures.Executor):
    """Run calls on any backend, behind the interface of `concurrent.futures`.

    Parameters
    ----------
    backend : str or object
        As in `Options`; "auto" times the first calls and chooses.
    workers : int or None
        How many calls run at once; None suits the backend and this machine.
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

    def __init__(self, backend: Any = "auto", workers: int | None = None, **options: Any) -> None:
        given = {"progress": "off", **options, "backend": backend, "workers": workers}
        self.options = resolve(given)
        task = Task(worker.call, self.options.name or "Executor", depth=worker.depth.get())
        self._calls = Calls()
        hands = Hands()
        self._run = Run(
            task,
            self._calls,
            self._calls.futures,
            self.options.updated({"on_error": "collect"}),  # a failed call is its future's alone
            hands,
            watchers=functools.partial(watchers, self.options, task),
            pace=Pace(fixed=1, ahead=False),  # calls may wait for each other
            kernel_backend="threads",
        )
        self._run.start()
        hands.serve_in_thread(contextvars.copy_context())
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
            As for the built-in `map`.
        timeout : float or None
            Seconds from now within which each result must be there; None waits.
        chunksize : int or None
            Items sent at a time; None adapts it.
        """
        if self._calls.closed:
            raise RuntimeError("cannot schedule new futures after shutdown")
        knobs = {**vars(self.options), "chunk": chunksize, "on_error": "raise"}
        items = list(zip(*iterables, strict=False))  # all of the input is consumed at once
        knobs["window"] = max(1, len(items))
        results = imap(fn, *zip(*items, strict=True), **knobs) if items else iter(())
        return results if timeout is None else _within(timeout, results, len(items))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no further calls; with `wait`, return when those before are done."""
        self._calls.close(cancel_futures)
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


def _within(timeout: float, results: Iterator[T], count: int) -> Iterator[T]:
    """Give results that come before the time is up."""
    import time

    end = time.monotonic() + timeout
    pool: concurrent.futures.ThreadPoolExecutor = concurrent.futures.ThreadPoolExecutor(1)
    try:
        for _ in range(count):
            yield pool.submit(next, results).result(max(0.0, end - time.monotonic()))
    finally:
        pool.shutdown(wait=False)


def _close(calls: Calls, run: Run) -> None:
    calls.close(cancel=False)
    run.wake()


class Calls(Feed):
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

    def close(self, cancel: bool) -> None:
        with self._lock:
            self.closed = True
            if cancel:
                for _, future in self._waiting:
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

    def take(self, size: int) -> Chunk:
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
        return Chunk(range(start, self._taken), items)
