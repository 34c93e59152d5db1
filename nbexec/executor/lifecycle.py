"""How an executor ends: what never began, whether it still takes calls, when it is over."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any

from ..items.queue_bound import inside
from ..worker.execute import Call
from ..worker.random_streams import InStream

if TYPE_CHECKING:
    from ..items.call_queue import CallQueue
    from ..run.handle import Run
    from .done_callbacks import DoneCallbacks


@dataclass(frozen=True, slots=True)
class UnstartedCall:
    """A submitted call that never began: what `Executor.shutdown_now` gives.

    Attributes
    ----------
    fn, args, kwargs : object
        What was submitted.
    future : CallFuture
        Its future, which is cancelled.
    """

    __module__ = "nbexec"

    fn: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    future: Future[Any]


class Lifecycle:
    """What can be asked of an executor about its end, and done about it."""

    _calls: CallQueue
    _run: Run
    _callbacks: DoneCallbacks
    shutdown: Callable[..., None]
    _close_jobs: Callable[[], None]

    @property
    def is_active(self) -> bool:
        """Whether it accepts calls: it was not shut down, and its initializer did not raise."""
        return not (self._calls.closed or self._calls.broken)

    def shutdown_now(self) -> list[UnstartedCall]:
        """Accept no further calls, stop those that run, and give those that never began.

        It does not wait: `join` does.  In calls that run `nbexec.cancelled` becomes true; those
        that haven't ended soon after are left behind or, in worker processes, stopped, and their
        futures have a `RunCancelled`.

        Returns
        -------
        list of UnstartedCall
            In the order in which they would have begun, each with `fn`, `args`, `kwargs` and its
            `future`, which is cancelled.  Calls that wait to be tried again have begun.

        Examples
        --------
        >>> import nbexec, threading
        >>> executor = nbexec.Executor("threads", workers=1)
        >>> began, end = threading.Event(), threading.Event()
        >>> running = executor.submit(lambda: (began.set(), end.wait()))
        >>> waiting = executor.submit(pow, 2, 10)
        >>> began.wait()
        True
        >>> [(call.fn, call.args) for call in executor.shutdown_now()], waiting.cancelled()
        ([(<built-in function pow>, (2, 10))], True)
        >>> end.set()
        >>> executor.join()
        True
        """
        self._close_jobs()
        pending = self._calls.drain()
        self._run.cancel()
        return [UnstartedCall(*_as_submitted(one.call), one.future) for one in pending]

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Wait for the calls, as `concurrent.futures` does; an interrupt stops them."""
        try:
            if kind is None or not issubclass(kind, KeyboardInterrupt):
                self.shutdown(wait=True)
                return
        except KeyboardInterrupt:
            self._stop_all()
            raise
        self._stop_all()

    def _stop_all(self) -> None:
        """Stop what runs, which is soon over, and drop the rest."""
        self.shutdown_now()
        if not self._within():
            self._run.wait()

    def join(self, timeout: float | None = None) -> bool:
        """Wait until every accepted call has ended, after `shutdown` or `shutdown_now`.

        Parameters
        ----------
        timeout : float or None
            Seconds to wait, at most; None waits for as long as it takes.

        Returns
        -------
        bool
            Whether all have ended.

        Raises
        ------
        RuntimeError
            The executor still accepts calls, or this is in one of its calls: it would wait for
            ever.

        Examples
        --------
        >>> import nbexec
        >>> executor = nbexec.Executor("threads", workers=2)
        >>> future = executor.submit(pow, 2, 10)
        >>> executor.shutdown(wait=False)
        >>> executor.join(timeout=60), future.done()
        (True, True)
        """
        if not self._calls.closed and not self._run.done:
            raise RuntimeError(
                f"{self._run.name} still accepts calls: shut it down before you join it, or wait "
                "for the futures"
            )
        if timeout is None:
            self._require_outside()
        due = None if timeout is None else time.monotonic() + timeout
        if not self._run.wait(timeout):
            return False
        return self._callbacks.join(None if due is None else max(0.0, due - time.monotonic()))

    def _require_outside(self) -> None:
        """Refuse to wait for ever in a call, or where one tells that it is done, for the end."""
        if self._within():
            raise RuntimeError(
                f"a call of {self._run.name} or a callback of one can't wait for the executor's "
                "end, which waits for it: use shutdown(wait=False)"
            )

    def _within(self) -> bool:
        """Whether the executor's end waits for what this thread is in: a call, or a callback."""
        within = self._calls.mark in inside.get() and not self._run.done
        return within or self._callbacks.here


def _as_submitted(call: Call) -> Call:
    """Give a call with its own function, where that was to draw from a stream of its own."""
    return call._replace(fn=call.fn.__wrapped__) if isinstance(call.fn, InStream) else call
