"""SlotLines: chunks of one slot go to somebody else's pool one after the other.

The pool may have more workers than the run may use, and would run two of a slot at once.
"""

from __future__ import annotations

import functools
import math
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

Waiting = tuple[Future[Any], Callable[..., Any], tuple[Any, ...]]


class SlotLines:
    """One line for each slot of a session.

    Parameters
    ----------
    executor : Executor
        The pool.
    workers : int
        How many slots there are.

    Examples
    --------
    >>> from concurrent.futures import ThreadPoolExecutor
    >>> with ThreadPoolExecutor(8) as pool:
    ...     lines = SlotLines(pool, 1)
    ...     futures = [lines.submit(0, pow, 2, n) for n in range(3)]
    ...     [future.result() for future in futures]
    [1, 2, 4]
    """

    def __init__(self, executor: Executor, workers: int) -> None:
        self._executor = executor
        self._lines: dict[int, _Line] = {}
        self.resize(workers)

    def resize(self, workers: int) -> None:
        """Note how many slots there are: a pool without more workers needs no lines."""
        self._needed = getattr(self._executor, "_max_workers", math.inf) > workers

    def submit(self, slot: int, fn: Callable[..., Any], /, *args: Any) -> Future[Any]:
        """Have ``fn(*args)`` run in the pool, once what was given for this slot before has ended.

        Raises
        ------
        RuntimeError
            The pool was shut down, as far as is seen now.
        """
        line = self._lines.get(slot)
        if line is None:
            line = self._lines[slot] = _Line(self._executor)
        return line.submit(fn, args, behind=self._needed)

    def abort(self, slot: int) -> bool:
        """Have nothing more of a slot begin; give whether nothing of it runs either."""
        line = self._lines.pop(slot, None)
        return line is None or line.abort()

    def clear(self) -> None:
        """Keep nothing."""
        self._lines.clear()


class _Line:
    """What a slot has in the pool, and what waits for that."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._lock = threading.Lock()
        self._there: Future[Any] | None = None  # in the pool
        self._waiting: deque[Waiting] = deque()

    def submit(self, fn: Callable[..., Any], args: tuple[Any, ...], behind: bool) -> Future[Any]:
        with self._lock:
            if behind and self._there is not None:
                future: Future[Any] = Future()
                self._waiting.append((future, fn, args))
                return future
            self._there = there = self._executor.submit(fn, *args)
        there.add_done_callback(self._go_on)
        return there

    def _go_on(self, ended: Future[Any]) -> None:
        """Give the pool what is next."""
        refused: list[tuple[Future[Any], BaseException]] = []
        with self._lock:
            if ended is not self._there:  # it was given another one meanwhile
                return
            self._there = there = None
            while self._waiting and there is None:
                future, fn, args = self._waiting.popleft()
                try:
                    self._there = there = self._executor.submit(fn, *args)
                except RuntimeError as error:  # it was shut down
                    refused.append((future, error))
        for one, why in refused:
            one.set_exception(why)
        if there is not None:
            there.add_done_callback(functools.partial(_copy, future))
            there.add_done_callback(self._go_on)

    def abort(self) -> bool:
        with self._lock:
            waiting, self._waiting, there = self._waiting, deque(), self._there
        for future, _, _ in waiting:
            future.cancel()
        return there is None or there.cancel()  # one that runs can't be stopped from here


def _copy(future: Future[Any], there: Future[Any]) -> None:
    """Have a future end as that of the pool has."""
    if there.cancelled():
        future.cancel()
        return
    error = there.exception()
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(there.result())
