"""A `ProcessPoolExecutor` whose calls may go to worker processes of nbexec."""

from __future__ import annotations

import concurrent.futures
import concurrent.futures.process
import functools
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from typing import Any

from .deciding import PoolDecider
from .pool_calls import Agreed, Arguments, sendable
from .pool_run import PoolFuture, PoolRun
from .spare import passing_on

library: Any = concurrent.futures.process  # the stubs lack what is private


class ProcessExecutor(ProcessPoolExecutor):
    """An executor of the library that a cell made.

    Its own processes begin with the first call that is left to them.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        own: Any = self
        self._nbexec = PoolDecider("ProcessPoolExecutor", own._max_workers)
        self._nbexec_mapping = threading.local()
        self._nbexec_open: set[Future[Any]] = set()
        self._nbexec_first: Agreed | None = None

    def map(self, fn: Any, *iterables: Any, **how: Any) -> Iterator[Any]:
        if how.get("buffersize") is not None:
            return super().map(fn, *iterables, **how)
        calls = list(zip(*iterables, strict=False))
        run = None
        if calls and not self._nbexec_refuses():
            given: list[Arguments] = [(one, {}) for one in calls]
            run = self._nbexec.decide("map", fn, lambda: given, self._nbexec_allows)
        self._nbexec_mapping.run = [run]
        try:
            parts = zip(*calls, strict=True) if calls else [[] for _ in iterables]
            return super().map(fn, *parts, **how)
        finally:
            self._nbexec_mapping.run = None

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        mapped = getattr(self._nbexec_mapping, "run", None)
        run: PoolRun | None = None
        if mapped is not None:
            run = mapped[0]
        elif not self._nbexec_refuses():
            calls = [(args, kwargs)]
            run = self._nbexec.decide("submit", fn, lambda: calls, self._nbexec_allows)
        if run is None or self._nbexec_refuses():
            return super().submit(fn, *args, **kwargs)
        return self._nbexec_submit(run, fn, args, kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        left = [*self._nbexec_open]
        if cancel_futures:
            for one in left:
                one.cancel()
        super().shutdown(wait, cancel_futures=cancel_futures)
        if wait:
            concurrent.futures.wait(left)

    def _nbexec_refuses(self) -> bool:
        """Whether the library raises, whatever is submitted."""
        own: Any = self
        return bool(own._shutdown_thread or own._broken or library._global_shutdown)

    def _nbexec_allows(self, agreed: Agreed) -> bool:
        own: Any = self
        if own._processes:  # they have what there was when they began
            return False
        first = self._nbexec_first = self._nbexec_first or agreed
        return first.holds and (first is agreed or not agreed.captured)

    def _nbexec_submit(
        self, run: PoolRun, fn: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Future[Any]:
        future: Future[Any] = Future()
        inner = PoolFuture(future)
        self._nbexec_open.add(future)
        future.add_done_callback(self._nbexec_open.discard)
        call = fn, args, kwargs
        passed = functools.partial(
            passing_on, future, ProcessPoolExecutor, call, False, sends=sendable
        )
        inner.add_done_callback(passed)
        run.submit(fn, args, kwargs, library._ExceptionWithTraceback, inner)
        return future


ProcessExecutor.__name__ = ProcessExecutor.__qualname__ = "ProcessPoolExecutor"
ProcessExecutor.__module__ = "concurrent.futures.process"
