"""Pools of threads whose waiting calls may go to worker processes of nbexec."""

from __future__ import annotations

import concurrent.futures
import functools
import queue
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing import pool as library
from typing import Any

from .pool_run import PoolFuture
from .spare import passing_on
from .waiting_calls import ThreadWatcher, WaitingCall


class ThreadExecutor(ThreadPoolExecutor):
    """An executor of the library that a cell made."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._nbexec_open: set[Future[Any]] = set()
        self._nbexec = ThreadWatcher(self, "ThreadPoolExecutor")

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future = super().submit(fn, *args, **kwargs)
        self._nbexec.calls("submit")
        return future

    def map(self, fn: Any, *iterables: Any, **how: Any) -> Iterator[Any]:
        self._nbexec.calls("map")
        return super().map(fn, *iterables, **how)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        if cancel_futures:
            for one in [*self._nbexec_open]:
                one.cancel()
        super().shutdown(False, cancel_futures=cancel_futures)
        if wait:
            self._nbexec.calls("shutdown")
            super().shutdown(True)
            concurrent.futures.wait([*self._nbexec_open])

    def nbexec_threads(self) -> list[threading.Thread]:
        """Give its threads."""
        return [*self._threads]

    def nbexec_waiting(self) -> int:
        """Give how many calls wait."""
        return self._work_queue.qsize()

    def nbexec_take(self) -> list[WaitingCall]:
        """Take all calls that wait."""
        own: Any = self
        found: list[WaitingCall] = []
        with own._shutdown_lock:
            for item in _drained(own._work_queue):
                future = item.future
                call = getattr(item, "task", None) or (item.fn, item.args, item.kwargs)
                self._nbexec_open.add(future)
                future.add_done_callback(self._nbexec_open.discard)
                passed = functools.partial(passing_on, future, ThreadPoolExecutor, call, True)
                put_back = functools.partial(own._work_queue.put, item)
                given = call[0], [(call[1], call[2])], call, future
                found.append(WaitingCall(*given, passed, put_back))
        return found


class ThreadPool(library.ThreadPool):
    """A pool of threads that a cell made."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._nbexec = ThreadWatcher(self, "ThreadPool")

    def apply_async(self, *args: Any, **kwargs: Any) -> Any:
        self._nbexec.calls("apply_async")
        return super().apply_async(*args, **kwargs)

    def _map_async(self, *args: Any, **kwargs: Any) -> Any:
        self._nbexec.calls("map")
        return super()._map_async(*args, **kwargs)  # type: ignore[misc]

    def imap(self, *args: Any, **kwargs: Any) -> Any:
        self._nbexec.calls("imap")
        return super().imap(*args, **kwargs)

    def imap_unordered(self, *args: Any, **kwargs: Any) -> Any:
        self._nbexec.calls("imap_unordered")
        return super().imap_unordered(*args, **kwargs)

    def join(self) -> None:
        self._nbexec.calls("join")
        super().join()

    def terminate(self) -> None:
        self._nbexec.cancel()
        super().terminate()

    def nbexec_threads(self) -> list[threading.Thread]:
        """Give its threads."""
        return [one for one in [*self._pool] if isinstance(one, threading.Thread)]  # type: ignore[attr-defined]

    def nbexec_waiting(self) -> int:
        """Give how many tasks wait."""
        own: Any = self
        waiting: int = own._inqueue.qsize()
        return waiting

    def nbexec_take(self) -> list[WaitingCall]:
        """Take all tasks that wait."""
        own: Any = self
        found: list[WaitingCall] = []
        for task in _drained(own._inqueue):
            job, place, function, args, kwargs = task
            put_back = functools.partial(own._inqueue.put, task)
            ended = functools.partial(_answer, own._outqueue, job, place, put_back)
            inner, calls = _unfolded(function, args, kwargs)
            whole = function, args, kwargs
            found.append(WaitingCall(inner, calls, whole, None, ended, put_back))
        return found


for made, name, module in (
    (ThreadExecutor, "ThreadPoolExecutor", "concurrent.futures.thread"),
    (ThreadPool, "ThreadPool", "multiprocessing.pool"),
):
    made.__name__ = made.__qualname__ = name
    made.__module__ = module


def _drained(waiting: Any) -> Iterator[Any]:
    """Take what waits in a queue, up to what tells the threads to end."""
    for _ in range(waiting.qsize()):
        try:
            one = waiting.get_nowait()
        except queue.Empty:
            return
        if one is None:
            waiting.put(None)
            return
        yield one


def _unfolded(function: Any, args: Any, kwargs: Any) -> tuple[Any, list[Any]]:
    """Give the user's function of a task, and the arguments of its calls."""
    if function is library.mapstar:  # type: ignore[attr-defined]
        inner, items = args[0]
        return inner, [((one,), {}) for one in items]
    if function is library.starmapstar:  # type: ignore[attr-defined]
        inner, items = args[0]
        return inner, [(tuple(one), {}) for one in items]
    return function, [(args, kwargs)]


def _answer(answers: Any, job: int, place: int, put_back: Any, inner: PoolFuture) -> None:
    """Give a value to the library; what raised, or could not be sent, its own threads do."""
    if inner.cancelled():
        return
    if inner.answer is not None and inner.answer[0]:
        answers.put((job, place, inner.answer[:2]))
    else:
        put_back()
