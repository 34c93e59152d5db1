"""CallFuture: what `Executor.submit` gives."""

from __future__ import annotations

import functools
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, NoReturn, TypeVar

from ..items.queue_bound import inside
from ..options.call_options import CallOptions
from .blocked_calls import BlockedCall
from .done_callbacks import DoneCallbacks

T = TypeVar("T")


def _gone() -> None:
    """Give no executor."""


class CallFuture(Future[T]):
    """The future of a submitted call.

    A `concurrent.futures.Future` that can be continued with `then`, and given to other calls as
    an argument.

    Examples
    --------
    >>> import nbexec
    >>> with nbexec.Executor("threads", workers=2) as executor:
    ...     three = executor.submit(len, "abc")
    ...     executor.submit(pow, 2, three).result()
    8
    """

    __module__ = "nbexec"

    _executor: Callable[[], Any] = staticmethod(_gone)  # that made it, while somebody holds that
    _called = "a call"  # what it is of, for errors
    _own: CallOptions | None = None  # of the view that it was submitted by
    _callbacks: DoneCallbacks | None = None  # of its executor
    _when_done = Future.add_done_callback  # for what is ours: see `when_done`

    def then(
        self, fn: Callable[[T], Any] | None, on_error: Callable[[Any], Any] | None = None
    ) -> CallFuture[Any]:
        """Go on with the result: give the future of another call, which begins when this ends.

        Nothing waits in a worker until then.

        Parameters
        ----------
        fn : callable or None
            Called with the result, on the same executor.  None gives the result on.
        on_error : callable or None
            Called with the exception instead, where this failed with an `Exception`; what it
            gives is the result.  It is not called for what `fn` raises: ``then(fn).then(None,
            on_error)`` is.  None gives the same exception on.

        Returns
        -------
        CallFuture
            Of what `fn` or `on_error` gives, with the options of the view by which this was
            submitted.  Where that is a future, in the kernel, of what that
            one gives: nothing waits in a worker for that either.  It is cancelled when this is.
            To cancel it doesn't cancel this, which others may wait for.

        Raises
        ------
        RuntimeError
            The executor was shut down, or let go of.
        TypeError
            `fn` or `on_error` can't be called.

        Examples
        --------
        >>> import nbexec
        >>> with nbexec.Executor("threads", workers=2) as executor:
        ...     half = executor.submit(divmod, 1, 0).then(sum, on_error=repr)
        ...     half.result()
        "ZeroDivisionError('integer division or modulo by zero')"
        """
        executor = self._executor()
        if executor is None:
            raise RuntimeError("cannot schedule new futures after shutdown")
        future: CallFuture[Any] = executor._then(self, fn, on_error)
        return future

    def result(self, timeout: float | None = None) -> T:
        """Wait for the call, and give what it returned, or raise what it raised.

        In a call of the same executor, on threads or asyncio, another worker is added while it
        waits, so that it does not wait for ever.

        Parameters
        ----------
        timeout : float or None
            Seconds to wait, at most; None waits for as long as it takes.

        Raises
        ------
        TimeoutError
            It is not done by then.
        concurrent.futures.CancelledError
            It was cancelled.
        BackendError
            This is in a call of the same executor, and no worker can be added there.
        """
        try:
            if not inside.get() or self.done():
                value = super().result(timeout)
            else:
                with BlockedCall([self], timeout) as blocked:
                    value = super().result(blocked.left())
            if self._exception is not None:  # one that is false, which Python may take for none
                raise self._exception
            return value
        finally:
            self = None  # type: ignore[assignment]  # or what it raises would hold itself

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Wait for the call, and give what it raised; None where it returned.

        Parameters
        ----------
        timeout : float or None
            As for `result`, which says what is raised, too.
        """
        if not inside.get() or self.done():
            return super().exception(timeout)
        with BlockedCall([self], timeout) as blocked:
            return super().exception(blocked.left())

    def add_done_callback(self, fn: Callable[[Future[T]], object]) -> None:
        """Have ``fn(future)`` called when this is done, or now if it is.

        The callbacks of an executor are called one after the other, in a thread of their own, and
        have all been called when its `shutdown` returns.  They may submit calls, and wait for
        them.  Where this is cancelled, or done already, who does so calls them, or who asks.

        Parameters
        ----------
        fn : callable
            Is given this future.  An exception that it raises is logged.

        Examples
        --------
        >>> import nbexec
        >>> with nbexec.Executor("threads", workers=1) as executor:
        ...     future = executor.submit(pow, 2, 5)
        ...     future.add_done_callback(lambda it: print(it.result()))
        32
        """
        callbacks = self._callbacks
        if callbacks is not None:
            fn = functools.partial(callbacks.call, fn)
        super().add_done_callback(fn)

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled."""
        raise TypeError(
            "a future stays in the process that made it: give it to submit() as an argument, and "
            "the function gets its result"
        )
