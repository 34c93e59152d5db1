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
    """

    def __init__(self) -> None:
        self.futures = Futures(self._failed)
        self.closed = False
        self._refusal: BaseException | None = None  # what every call gets from now on
        self._taken = 0
        self._pending: deque[tuple[Any, Future[Any]]] = deque()
        self._lock = threading.Lock()
        after_fork.watch(self)

    def after_fork(self) -> None:
        """Refuse calls in a forked child, and tell those who wait there for one."""
        self._lock = threading.Lock()
        if not self.closed:
            for _, future in self._pending:
                renew(future)
            self.refuse(
                RuntimeError(
                    f"this executor is process {os.getppid()}'s, which forked this one: make "
                    "another one here"
                )
            )
            self.closed = True

    def refuse(self, why: BaseException) -> None:
        """Raise `why` for every call from now on; it is what pending ones get."""
        with self._lock:
            self._refusal = self._refusal or why
            pending, self._pending = self._pending, deque()
        for _, future in pending:
            if future.set_running_or_notify_cancel():
                future.set_exception(why)

    def end(self, error: BaseException | None) -> None:
        """Refuse calls from now on, the run having ended early; cancel those of a cancelled one."""
        if isinstance(error, RunCancelled):
            with self._lock:
                pending, self._pending = self._pending, deque()
                self._refusal = self._refusal or error
            for _, future in pending:
                future.cancel()
                future.set_running_or_notify_cancel()  # tells those who wait for several
        elif error is not None:
            self.refuse(error)

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
            if self._refusal is not None:
                raise type(self._refusal)(*self._refusal.args)
            if self.closed:
                raise RuntimeError("cannot schedule new futures after shutdown")
            self._pending.append((call, future))

    def close(self, workers: int | None = None) -> None:
        """Accept no more; with `workers`, cancel the calls that no worker is free for."""
        with self._lock:
            self.closed = True
            if workers is None:
                return
            free = max(0, workers - len(self.futures.waiting))
            for _, future in list(self._pending)[free:]:
                future.cancel()

    @property
    def total(self) -> int | None:
        return self._taken + len(self._pending) if self.closed else None

    @property
    def left(self) -> int | None:
        return len(self._pending) if self.closed else None

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
