"""PoolRun: calls that were made for another library's pool, as a run of ours."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from ...executor.calls_executor import CallsExecutor
from ...options.record import Options
from ...telemetry.stats import Stats
from ...worker.contained_call import contained
from ...worker.execute import Call
from .pool_account import Account


class PoolFuture(Future[Any]):
    """The future of a call that goes to a worker.

    Parameters
    ----------
    outer : Future or None
        The library's own future of the call, which begins and is cancelled with this one.
    fits : callable
        Whether a value may be given to the user in place of what the function itself gives.

    Attributes
    ----------
    answer : tuple or None
        Whether the function returned, what it gave or raised, and the seconds; None where no
        worker could call it.
    """

    def __init__(
        self, outer: Future[Any] | None = None, fits: Callable[[Any], bool] = lambda _: True
    ) -> None:
        super().__init__()
        self._fits = fits
        self._process = os.getpid()
        self.answer: tuple[bool, Any, float] | None = None
        self._outer = outer

    def set_running_or_notify_cancel(self) -> bool:
        outer, self._outer = self._outer, None
        if outer is not None and not outer.set_running_or_notify_cancel():
            self.cancel()
        return super().set_running_or_notify_cancel()

    def set_exception(self, exception: BaseException | None) -> None:
        if os.getpid() == self._process:  # else a fork ends what it has of the run
            super().set_exception(exception)

    def set_result(self, result: Any) -> None:
        if self._fits(result[1]):
            self.answer = result
        super().set_result(None)


class PoolRun:
    """A run of a pool's calls on worker processes.

    Parameters
    ----------
    what : str
        The run's name.
    workers : int
        How many calls run at once.
    options : Options
        The options in force.
    account : Account
        Takes in what its calls cost.
    """

    def __init__(self, what: str, workers: int, options: Options, account: Account) -> None:
        self._began = time.perf_counter()
        shown = {"progress": options.progress, "name": what}
        self._executor = CallsExecutor("processes", workers, **shown)
        self.workers = workers
        self._lock = threading.Lock()
        self._account = account
        self._left = self._ever = 0
        self._longest = self._sum = 0.0

    def submit(
        self,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        wrapped: Callable[[Exception, Any], Any],
        future: PoolFuture,
    ) -> None:
        """Have a worker call a function.

        Raises
        ------
        RuntimeError
            The run was closed.
        """
        call = Call(contained, (function, args, kwargs, wrapped), {})
        self._executor.hand([(call, future)])
        with self._lock:
            if not self._left and self._ever:
                self._began = time.perf_counter()
            self._left += 1
            self._ever += 1
        future.add_done_callback(self._ended)

    def _ended(self, future: Future[Any]) -> None:
        answer = getattr(future, "answer", None)
        took = 0.0 if answer is None else answer[2]
        with self._lock:
            self._left -= 1
            self._sum += took
            self._longest = max(self._longest, took)
            if not self._left:
                least = max(self._longest, self._sum / self.workers)
                self._account.add(time.perf_counter() - self._began, least)
                self._longest = self._sum = 0.0

    def get_stats(self) -> Stats:
        """Give its calls in numbers."""
        return self._executor.stats

    def close(self) -> None:
        """Accept no more calls; wait for the end of the run where no call is left."""
        self._executor.shutdown(wait=not self._left)

    def cancel(self) -> None:
        """End the calls that have not ended."""
        if self._left:
            self._executor.run.cancel()
