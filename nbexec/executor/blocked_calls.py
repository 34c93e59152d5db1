"""Blocked calls: those that wait, in a worker, for other calls of their executor.

In a pool that is full of them nothing could begin that they wait for.  So each lends its place:
another worker is added while it waits, and what it waits for is next.  Where none can be added,
the last one of them is told.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ALL_COMPLETED, FIRST_COMPLETED, FIRST_EXCEPTION, Future
from typing import Any, Self

from ..errors import BackendError
from ..items.awaiting_calls import when_done
from ..items.queue_bound import inside
from ..run import own_threads
from ..run.lending import Loan


def called(fn: Any) -> str:
    """Give what a call is called in an error: its function."""
    name = getattr(fn, "__qualname__", None) or type(fn).__name__
    return f"{name}()"


class BlockedCall:
    """Waits for futures in a call, and lends its place meanwhile.

    Parameters
    ----------
    futures : sequence of Future
        What is waited for.
    timeout : float or None
        Seconds to wait, at most.
    until : str
        As `return_when` of `concurrent.futures.wait`.

    Raises
    ------
    BackendError
        No worker can be added, and every one there is waits.
    RuntimeError
        This is in the thread of the run, which they need.
    """

    def __init__(
        self, futures: Sequence[Future[Any]], timeout: float | None, until: str = ALL_COMPLETED
    ) -> None:
        self._futures = list(dict.fromkeys(futures))
        self._timeout = timeout
        self._until = until
        self._due = None if timeout is None else time.monotonic() + timeout
        self._enough = threading.Event()
        self._lock = threading.Lock()
        self._left = len(self._futures)
        self._why: BackendError | None = None
        self._loans: list[tuple[Any, Loan]] = []

    def __enter__(self) -> Self:
        executors: dict[Any, list[Any]] = {}
        marks = inside.get()
        for one in self._futures:
            executor = getattr(one, "_executor", _none)()
            if executor is None or executor._calls.mark not in marks:
                continue
            if one.cancelled():  # no worker may come by to say so to those who wait
                executor._calls.tell_cancelled()
            elif not one.done():
                if own_threads.run() is executor._run:
                    raise RuntimeError(
                        f"{_name_of(one)} can't end while the thread of its executor's run waits "
                        "for it: that calls on_event= and the like, which mustn't wait. Go on with "
                        "future.then(), or future.add_done_callback()"
                    )
                executors.setdefault(executor, []).append(one)
        if not executors:
            return self
        for one in self._futures:
            when_done(one, self._on_done)
        for executor, awaited in executors.items():
            self._loans.append((executor._run, Loan(self._refusal(executor, awaited[0]))))
            executor._hurry(awaited)
        try:
            for run, loan in self._loans:
                run.lend(loan)
            self._enough.wait(self._timeout)
            if self._why is not None:
                raise self._why
        except BaseException:
            self.__exit__()
            raise
        return self

    def left(self) -> float | None:
        """Give the seconds that are left to wait."""
        return None if self._due is None else max(0.0, self._due - time.monotonic())

    def __exit__(self, *_: object) -> None:
        if self._loans:
            self._give_back()
            for one in self._futures:
                with one._condition, contextlib.suppress(ValueError):
                    one._done_callbacks.remove(self._on_done)  # type: ignore[attr-defined]

    def _on_done(self, future: Future[Any]) -> None:
        with self._lock:
            self._left -= 1
            over = self._left == 0
        executor = getattr(future, "_executor", _none)()
        if future.cancelled() and executor is not None:
            executor._calls.tell_cancelled()
        failed = not future.cancelled() and future.exception() is not None
        first = self._until == FIRST_COMPLETED or (self._until == FIRST_EXCEPTION and failed)
        if over or first:
            self._give_back()  # before the run, whose thread this may be, begins another call
            self._enough.set()

    def _give_back(self) -> None:
        for run, loan in self._loans:
            run.give_back(loan)

    def _refusal(self, executor: Any, awaited: Any) -> Callable[[str], None]:
        def refuse(backend: str) -> None:
            """Say which calls have the workers; in the run's loop."""
            begun = [_name_of(one) for one in executor._running()]
            names = ", ".join(dict.fromkeys(begun))
            only = "the only worker" if len(begun) == 1 else f"all {len(begun)} workers"
            self._why = BackendError(
                f"{awaited._called} can't begin while a call of the same executor waits for it: "
                f"{names} has {only} of backend={backend!r}, which can't add one. Use "
                "backend='threads', which does; or don't wait in a call: give the future to "
                "submit() as an argument, or go on with future.then()"
            )
            self._enough.set()

        return refuse


def _name_of(future: Any) -> str:
    name: str = getattr(future, "_called", "a call")
    return name


def _none() -> None:
    """Give no executor."""
