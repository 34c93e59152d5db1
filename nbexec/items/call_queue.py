"""CallQueue: the feed of an executor, whose items are submitted one by one."""

from __future__ import annotations

import math
import os
import threading
from collections import deque
from concurrent.futures import Future
from typing import Any

from ..errors import RunCancelled
from ..model import Chunk
from ..system import after_fork
from .awaiting_calls import AwaitingCall, AwaitingCalls, cancel, fail
from .feed import Feed
from .sinks import Futures, renew


class CallQueue(Feed):
    """Submitted calls that are pending: a feed that ends when the executor is shut down.

    Attributes
    ----------
    futures : Futures
        The sink: futures of the calls that were taken.
    closed : bool
        Whether no further call is accepted.
    waiting : AwaitingCalls
        Calls that were accepted, and wait for futures: the run goes on until they have ended.
    """

    def __init__(self) -> None:
        self.futures = Futures(self._failed, self._ended)
        self.waiting = AwaitingCalls()
        self.closed = False
        self._refusal: BaseException | None = None  # what every call gets from now on
        self._over: BaseException | None = None  # what a call gets that the run has not begun
        self._taken = 0
        self._pending: deque[tuple[Any, Future[Any]]] = deque()
        self._lock = threading.Lock()
        after_fork.watch(self)

    def after_fork(self) -> None:
        """Refuse calls in a forked child, and tell those who wait there for one."""
        self._lock = threading.Lock()
        if not self.closed or self.waiting:
            for one in self.waiting:
                renew(one.future)
            for _, future in self._pending:
                renew(future)
            why = RuntimeError(
                f"this executor is process {os.getppid()}'s, which forked this one: make "
                "another one here"
            )
            self.refuse(why)
            for one in self.waiting:  # it was on its way to the others
                if not one.future.done():
                    fail(one.future, why)
            self.waiting = AwaitingCalls()
            self.closed = True

    def refuse(self, why: BaseException) -> None:
        """Raise `why` for every call from now on; it is what pending ones get."""
        with self._lock:
            self._refusal = self._refusal or why
        self._fail_pending(why)

    def _fail_pending(self, why: BaseException) -> None:
        with self._lock:
            pending, self._pending = self._pending, deque()
        cancelled = isinstance(why, RunCancelled)
        for _, future in pending:
            if cancelled:
                cancel(future)
            else:
                fail(future, why)
        if cancelled:
            self.waiting.cancel()
        else:
            self.waiting.end(why)

    def _ended(self, why: BaseException) -> None:
        """Leave nobody waiting for a call: the run has ended."""
        with self._lock:
            self.closed, self._over = True, why
        self._fail_pending(why)

    def end(self, error: BaseException | None) -> None:
        """Raise the error for every call from now on, the run having ended early."""
        with self._lock:
            self._refusal = self._refusal or error

    def _failed(self, error: BaseException) -> None:
        if getattr(error, "of_initializer", False):
            self.refuse(error)

    @property
    def broken(self) -> bool:
        """Whether calls are refused, for another reason than that it was closed."""
        return self._refusal is not None

    def add(self, call: Any, future: Future[Any]) -> None:
        """Accept a call.

        Raises
        ------
        RuntimeError
            The executor was shut down, or is a forking parent's.
        BrokenExecutor
            Its initializer raised, in a worker.
        """
        with self._lock:
            self._require_open()
            self._pending.append((call, future))

    def _require_open(self) -> None:
        if self._refusal is not None:
            raise type(self._refusal)(*self._refusal.args)
        if self.closed:
            raise RuntimeError("cannot schedule new futures after shutdown")

    def hurry(self, future: Future[Any]) -> None:
        """Have a call be the next one, if it is pending."""
        with self._lock:
            for one in self._pending:
                if one[1] is future:
                    self._pending.remove(one)
                    self._pending.appendleft(one)
                    return

    def expect(self, one: AwaitingCall) -> None:
        """Accept a call that waits for futures; it raises what `add` raises."""
        with self._lock:
            self._require_open()
            self.waiting.add(one)

    def arrive(self, one: AwaitingCall, call: Any) -> None:
        """Have a call be pending that has waited, also where no others are accepted any more."""
        with self._lock:
            refusal = self._refusal or self._over
            if refusal is None:
                self._pending.append((call, one.future))
        if refusal is not None:
            fail(one.future, refusal)

    def close(self, workers: int | None = None) -> None:
        """Accept no more; with `workers`, cancel the calls that no worker is free for."""
        with self._lock:
            self.closed = True
            if workers is None:
                return
            free = max(0, workers - len(self.futures.waiting))
            unwanted = [future for _, future in self._pending][free:]
        for future in unwanted:  # without the lock: callbacks may submit
            future.cancel()
        self.waiting.cancel()

    @property
    def total(self) -> int | None:
        left = self.left
        return None if left is None else self._taken + left

    @property
    def known(self) -> int:
        return self._taken + len(self._pending)

    @property
    def left(self) -> int | None:
        # in this order: a call leaves those that wait once it is pending
        waiting, pending = len(self.waiting), len(self._pending)
        return waiting + pending if self.closed else None

    @property
    def at_hand(self) -> int:
        return len(self._pending)

    @property
    def taken(self) -> int:
        return self._taken

    def take(self, size: int, budget: float = math.inf) -> Chunk:
        items: list[Any] = []
        start = self._taken
        while len(items) < size:
            with self._lock:
                if not self._pending:
                    break
                call, future = self._pending.popleft()
            if future.set_running_or_notify_cancel():
                self.futures.waiting[self._taken] = future
                self._taken += 1
                items.append(call)
        return Chunk(range(start, self._taken), items, budget=budget)
