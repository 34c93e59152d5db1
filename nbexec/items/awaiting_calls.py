"""Awaiting calls: they were accepted, and futures have to end before they can begin.

What happens when a future ends happens in the thread that ends it, often a run's loop, and is
brief: values are put in their places, and the call goes to the queue.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any, Protocol

_now = threading.local()  # the steps that a thread has still to do


class AwaitingCall:
    """A call that waits for futures; until it is settled it has a future that is not done.

    Parameters
    ----------
    calls : Calls
        The queue that it will go to.
    future : Future
        Its own; cancelling it ends the waiting.
    wake : callable
        Has the run look again at the queue.
    begun : bool
        Whether it has run, and only its result is still to come.

    Attributes
    ----------
    own : object
        Its `CallOptions`; None where it has no options of its own.

    Raises
    ------
    RuntimeError, BrokenExecutor
        As `CallQueue.add`.
    """

    own: Any = None

    def __init__(
        self,
        calls: Calls,
        future: Future[Any],
        wake: Callable[[], None],
        begun: bool = False,
    ) -> None:
        self.future = future
        self._calls = calls
        self._wake = wake
        self._settled = threading.Lock()  # once held it stays so: the first one settles it
        if begun:
            calls.waiting.add(self)
        else:
            calls.expect(self)
        when_done(future, self._cancelled)

    @property
    def call(self) -> Any:
        """The call, where that is known before its arguments are."""
        return None

    def settle(self) -> bool:
        """Whether the caller is the first one here, and so is to say how the call goes on."""
        return self._settled.acquire(blocking=False)

    def begin(self, call: Any) -> None:
        """Have the call be pending; it is settled."""
        self._calls.arrive(self, call)
        self.leave()

    def end(self, why: BaseException) -> None:
        """Have it fail, without having begun; it is settled."""
        fail(self.future, why)
        self.leave()

    def end_as(self, other: Future[Any]) -> None:
        """Have it end as a future that has failed, or was cancelled; it is settled."""
        error = None if other.cancelled() else other.exception()
        if error is not None:
            self.end(error)
        else:
            cancel(self.future)
            self.leave()

    def _cancelled(self, _: Future[Any]) -> None:
        """Let nobody wait for it any more; a future that ends otherwise was settled before."""
        if self.settle():
            self.future.set_running_or_notify_cancel()
            self.leave()

    def succeed(self, value: Any) -> None:
        """Have it give a value without a call; it is settled."""
        if self.future.set_running_or_notify_cancel():
            self.future.set_result(value)
        self.leave()

    def leave(self) -> None:
        """Leave the queue, and keep nothing: futures keep those who wait for them."""
        calls, wake = self._calls, self._wake
        calls.waiting.remove(self)
        del self.future, self._calls, self._wake
        self.forget()
        wake()

    def forget(self) -> None:
        """Keep nothing of what it waits for."""


class AwaitingCalls:
    """Those of one queue."""

    def __init__(self) -> None:
        self._all: dict[AwaitingCall, None] = {}  # in the order in which they came

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[AwaitingCall]:
        return iter([*self._all])

    def add(self, one: AwaitingCall) -> None:
        """Add one."""
        self._all[one] = None

    def remove(self, one: AwaitingCall) -> None:
        """Remove one."""
        self._all.pop(one, None)

    def cancel(self) -> None:
        """Cancel all that wait for their arguments."""
        for one in self:
            future = getattr(one, "future", None)  # it may be settled just now
            if future is not None:
                future.cancel()

    def end(self, why: BaseException) -> None:
        """Have all fail."""
        for one in self:
            if one.settle():
                one.end(why)


class Calls(Protocol):
    """The queue of an executor, to a call that waits."""

    waiting: AwaitingCalls

    def expect(self, one: AwaitingCall) -> None:
        """Accept a call that waits."""

    def arrive(self, one: AwaitingCall, call: Any) -> None:
        """Have it be pending."""


def when_done(future: Future[Any], callback: Callable[[Any], object]) -> None:
    """Have a callback of ours, which is brief and never waits, called in the thread that ends it.

    Of an executor's futures another thread calls users' callbacks.
    """
    add = getattr(future, "_when_done", future.add_done_callback)
    add(callback)


def fail(future: Future[Any], why: BaseException) -> None:
    """Have a future fail that is not done, unless it is cancelled."""
    if future.running() or future.set_running_or_notify_cancel():
        future.set_exception(why)


def cancel(future: Future[Any]) -> None:
    """Cancel a future that is not done, and tell those who wait for it."""
    if future.cancel():
        future.set_running_or_notify_cancel()
    else:  # it runs: only its result can say so
        from concurrent.futures import CancelledError

        future.set_exception(CancelledError())


def in_turn(step: Callable[[], None]) -> None:
    """Do a step now, or after the one that this thread is in: so that no chain is too deep."""
    coming: deque[Callable[[], None]] | None = getattr(_now, "coming", None)
    if coming is not None:
        coming.append(step)
        return
    _now.coming = coming = deque([step])
    interrupt: BaseException | None = None
    while coming:
        try:
            coming.popleft()()
        except BaseException as error:  # Ctrl-C: the others must have their turn
            interrupt = error
    del _now.coming
    if interrupt is not None:
        raise interrupt
