"""Groups of calls: several submitted at once, and waited for together."""

from __future__ import annotations

import concurrent.futures
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ALL_COMPLETED, FIRST_COMPLETED, Future
from typing import Any

from ..items.call_queue import CallQueue, drop
from ..items.queue_bound import NoRoom, inside
from .blocked_calls import BlockedCall
from .future import CallFuture

GroupCall = Callable[[], Any] | tuple[Any, ...]  # a function; (fn, args); (fn, args, kwargs)


class GroupedCalls:
    """What an executor does with several calls; it has the executor's `submit`."""

    submit: Callable[..., CallFuture[Any]]
    _calls: CallQueue

    def submit_batch(self, calls: Iterable[GroupCall]) -> list[CallFuture[Any]]:
        """Submit several calls, and give their futures in order.

        Parameters
        ----------
        calls : iterable
            Of each call its function, or ``(fn, args)`` or ``(fn, args, kwargs)``, with `args` a
            tuple or a list.  All are looked at before the first one is submitted.

        Raises
        ------
        TypeError
            One of them is no call.
        RuntimeError
            As for `submit`; those that were submitted before are cancelled then.

        Examples
        --------
        >>> import nbexec
        >>> with nbexec.Executor("threads", workers=2) as executor:
        ...     futures = executor.submit_batch([(pow, (2, 3)), (int, ("ff",), {"base": 16}), dict])
        ...     [future.result() for future in futures]
        [8, 255, {}]
        """
        futures: list[CallFuture[Any]] = []
        try:
            self._submit_until(None, calls, futures)
        except BaseException:
            _cancel(futures)
            raise
        return futures

    def _submit_until(
        self, due: float | None, calls: Iterable[GroupCall], futures: list[CallFuture[Any]]
    ) -> bool:
        """Submit calls while there is time, and add the futures of all; give whether all went in.

        Those for which there was no room in time are cancelled.
        """
        waiting = [_call(place, one) for place, one in enumerate(calls)]
        with self._calls.room_until(due):
            try:
                for fn, args, kwargs in waiting:
                    futures.append(self.submit(fn, *args, **kwargs))
            except NoRoom:
                for _ in waiting[len(futures) :]:
                    futures.append(CallFuture())
                    drop(futures[-1])
                return False
        return True

    def invoke_all(
        self, calls: Iterable[GroupCall], timeout: float | None = None
    ) -> list[CallFuture[Any]]:
        """Run several calls, wait for all, and give their futures in order.

        Parameters
        ----------
        calls : iterable
            As for `submit_batch`.
        timeout : float or None
            Seconds to wait, at most, for room in the queue, too.  Calls that have not begun by
            then are cancelled.  Those that run go on, since a call can't be stopped in its
            middle: their futures are not done.

        Raises
        ------
        TypeError, RuntimeError
            As for `submit_batch`.
        KeyboardInterrupt
            While it waited; calls that have not begun are cancelled.

        Examples
        --------
        >>> import nbexec
        >>> with nbexec.Executor("threads", workers=2) as executor:
        ...     done = executor.invoke_all([(abs, (-1,)), (divmod, (1, 0))])
        ...     [future.exception() or future.result() for future in done]
        [1, ZeroDivisionError('integer division or modulo by zero')]
        """
        due = None if timeout is None else time.monotonic() + timeout
        futures: list[CallFuture[Any]] = []
        try:
            self._submit_until(due, calls, futures)
            self.wait(futures, _left(due))
        finally:
            _cancel(futures)
        return futures

    def invoke_any(self, calls: Iterable[GroupCall], timeout: float | None = None) -> Any:
        """Run several calls, and give the value of the first one that succeeds.

        The others are cancelled, but for those that run, which go on: `nbexec.ensemble` leaves
        these behind, or ends their processes.

        Parameters
        ----------
        calls : iterable
            As for `submit_batch`; at least one.
        timeout : float or None
            Seconds to wait, at most.

        Raises
        ------
        ExceptionGroup
            Of what each call raised, in the order of the calls: none succeeded.
        TimeoutError
            None has succeeded by then, and not all have failed; the rest is cancelled.
        ValueError
            There are no calls.
        TypeError, RuntimeError, KeyboardInterrupt
            As for `invoke_all`.

        Examples
        --------
        >>> import nbexec
        >>> with nbexec.Executor("threads", workers=2) as executor:
        ...     executor.invoke_any([(int, ("x",)), (int, ("7",))])
        7
        """
        due = None if timeout is None else time.monotonic() + timeout
        futures: list[CallFuture[Any]] = []
        try:
            all_in = self._submit_until(due, calls, futures)
            if not futures:
                raise ValueError("invoke_any() needs at least one call")
            for one in self.as_completed(futures, _left(due)):
                if not one.cancelled() and one.exception() is None:
                    return one.result()
        finally:
            _cancel(futures)
        if not all_in:
            raise TimeoutError("no call succeeded, and some found no room in the queue in time")
        raise _all_failed(futures)

    def wait(
        self,
        futures: Iterable[Future[Any]],
        timeout: float | None = None,
        return_when: str = ALL_COMPLETED,
    ) -> concurrent.futures._base.DoneAndNotDoneFutures[Any]:
        """Wait for futures, as `concurrent.futures.wait` does.

        In a call of this executor it adds a worker while it waits, as `CallFuture.result` does,
        which that function can't do: there it may wait for ever.

        Parameters
        ----------
        futures : iterable of Future
            Of this executor or others.
        timeout : float or None
            Seconds to wait, at most.
        return_when : str
            ``FIRST_COMPLETED``, ``FIRST_EXCEPTION`` or ``ALL_COMPLETED``.

        Returns
        -------
        tuple of two sets
            `done` and `not_done`.

        Examples
        --------
        >>> import nbexec
        >>> with nbexec.Executor("threads", workers=2) as executor:
        ...     done, not_done = executor.wait([executor.submit(abs, -1)])
        >>> len(done), len(not_done)
        (1, 0)
        """
        futures = list(futures)
        if not inside.get():
            return concurrent.futures.wait(futures, timeout, return_when)
        with BlockedCall(futures, timeout, return_when) as blocked:
            return concurrent.futures.wait(futures, blocked.left(), return_when)

    def as_completed(
        self, futures: Iterable[Future[Any]], timeout: float | None = None
    ) -> Iterator[Future[Any]]:
        """Give futures as they end, as `concurrent.futures.as_completed` does; see `wait`.

        Parameters
        ----------
        futures : iterable of Future
            Of this executor or others.
        timeout : float or None
            Seconds from now until the last one, at most.

        Raises
        ------
        TimeoutError
            While it is iterated: not all have ended by then.

        Examples
        --------
        >>> import nbexec
        >>> with nbexec.Executor("threads", workers=2) as executor:
        ...     futures = [executor.submit(abs, x) for x in (-1, -2)]
        ...     sorted(future.result() for future in executor.as_completed(futures))
        [1, 2]
        """
        futures = list(dict.fromkeys(futures))
        if not inside.get():
            return concurrent.futures.as_completed(futures, timeout)
        return self._as_completed(futures, timeout)

    def _as_completed(
        self, futures: list[Future[Any]], timeout: float | None
    ) -> Iterator[Future[Any]]:
        due = None if timeout is None else time.monotonic() + timeout
        pending = {*futures}
        while pending:
            done, pending = self.wait(pending, _left(due), FIRST_COMPLETED)
            if not done:
                raise TimeoutError(f"{len(pending)} (of {len(futures)}) futures unfinished")
            yield from done


def _call(place: int, given: Any) -> tuple[Any, Iterable[Any], dict[str, Any]]:
    """Give function, arguments and keyword arguments of a call."""
    fn: Any = given
    args: Any = ()
    kwargs: Any = {}
    if type(given) is tuple and 1 <= len(given) <= 3:
        fn = given[0]
        args = given[1] if len(given) > 1 else ()
        kwargs = given[2] if len(given) > 2 else {}
    if not callable(fn) or not isinstance(args, tuple | list) or not isinstance(kwargs, dict):
        raise TypeError(
            f"call {place} must be a function, (fn, args) or (fn, args, kwargs), with a tuple or a "
            f"list of arguments, not {given!r}"
        )
    return fn, args, kwargs


def _left(due: float | None) -> float | None:
    """Give the seconds until then; none where that is past."""
    return None if due is None else max(0.0, due - time.monotonic())


def _cancel(futures: list[CallFuture[Any]]) -> None:
    for one in reversed(futures):  # or a worker takes the next one as one is cancelled
        one.cancel()


def _all_failed(futures: list[CallFuture[Any]]) -> BaseExceptionGroup[BaseException]:
    errors: list[BaseException] = []
    for place, one in enumerate(futures):
        error = None if one.cancelled() else one.exception()
        errors.append(concurrent.futures.CancelledError() if error is None else error)
        errors[-1].add_note(f"nbexec: call {place} of {len(futures)}: {one._called}")
    return BaseExceptionGroup(f"none of {len(futures)} calls succeeded", errors)
