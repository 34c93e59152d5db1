"""CallQueue: the feed of an executor, whose items are submitted one by one."""

from __future__ import annotations

import contextlib
import math
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

from ..errors import QueueFull, RunCancelled
from ..model import Chunk
from ..system import after_fork
from .awaiting_calls import AwaitingCall, AwaitingCalls, cancel, fail, when_done
from .feed import Feed
from .pending_calls import PendingCall, PendingCalls
from .queue_bound import NoRoom, QueueBound, inside, room_until
from .sinks import Futures, renew

LOOK = 0.1  # seconds until one who waits for room looks by himself: there may be more workers


class CallQueue(Feed):
    """Submitted calls that are pending: a feed that ends when the executor is shut down.

    Parameters
    ----------
    name : str
        What the executor is called.
    bound : QueueBound or None
        How many may wait; None is any number.
    clock : callable
        Gives seconds.

    Attributes
    ----------
    futures : Futures
        The sink: futures of the calls that were taken.
    closed : bool
        Whether no further call is accepted.
    waiting : AwaitingCalls
        Calls that were accepted, and wait for futures: the run goes on until they have ended.
    workers : callable
        Gives how many calls may run at once; set by the executor, where there is a bound.
    wake : callable
        Has the run look at what has changed; set by the executor.
    rejected, discarded : int
        How many calls were refused since the queue was full, and how many were cancelled.
    run_by_callers : int
        How many ran in the thread that submitted them.
    mark : object
        Stands for it in `inside`.
    ended_by : BaseException or None
        What a call gets that the run has not begun; None until the run has ended.
    """

    workers: Callable[[], int]
    wake: Callable[[], None]

    def __init__(
        self,
        name: str = "Executor",
        bound: QueueBound | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.futures = Futures(self._failed, self._ended)
        self.waiting = AwaitingCalls()
        self.closed = self._shut = False  # the latter: whether it was when the run ended
        self.bound = bound
        self.rejected = self.discarded = self.run_by_callers = 0
        self._name = name
        self._refusal: BaseException | None = None  # what every call gets from now on
        self.ended_by: BaseException | None = None
        self._taken = 0
        self._cancelled = 0  # of those
        self._unbegun: dict[int, PendingCall] = {}  # were taken, and may have to wait
        self._pending = PendingCalls(clock)
        self._lock = threading.RLock()  # a finaliser may close it in any thread, amid this
        self._room = threading.Condition(self._lock)
        self.mark = object()  # in the contexts of its calls; they don't keep the queue
        after_fork.watch(self)

    def after_fork(self) -> None:
        """Refuse calls in a forked child, and tell those who wait there for one."""
        self._lock = threading.RLock()
        self._room = threading.Condition(self._lock)
        if not self.closed or self.waiting:
            for awaiting in self.waiting:
                renew(awaiting.future)
            for one in self._pending:
                renew(one.future)
            why = RuntimeError(
                f"this executor is process {os.getppid()}'s, which forked this one: make "
                "another one here"
            )
            self.refuse(why)
            for awaiting in self.waiting:  # it was on its way to the others
                if not awaiting.future.done():
                    fail(awaiting.future, why)
            self.waiting = AwaitingCalls()
            self.closed = True

    def refuse(self, why: BaseException) -> None:
        """Raise `why` for every call from now on; it is what pending ones get."""
        with self._lock:
            self._refusal = self._refusal or why
        self._fail_pending(why)

    def _fail_pending(self, why: BaseException) -> None:
        with self._lock:
            pending = self._pending.clear()
            self._room.notify_all()
        cancelled = isinstance(why, RunCancelled)
        for one in pending:
            if cancelled and isinstance(one.future, Future):
                cancel(one.future)
            else:  # a call of another library hears why
                fail(one.future, why)
        if cancelled:
            self.waiting.cancel()
        else:
            self.waiting.end(why)

    def _ended(self, why: BaseException) -> None:
        """Leave nobody waiting for a call: the run has ended."""
        with self._lock:
            self._shut, self.closed, self.ended_by = self.closed, True, why
        self._fail_pending(why)

    def end(self, error: BaseException | None) -> None:
        """Raise the error for every call from now on, the run having ended before a shutdown."""
        with self._lock:
            if not self._shut:
                self._refusal = self._refusal or error

    def _failed(self, error: BaseException) -> None:
        if getattr(error, "of_initializer", False):
            self.refuse(error)

    @property
    def broken(self) -> bool:
        """Whether calls are refused, for another reason than that it was closed."""
        return self._refusal is not None

    # ------------------------------------------------------------ calls that come

    def add(self, call: Any, future: Future[Any], own: Any = None) -> bool:
        """Accept a call; give False where whoever submits it is to run it, the queue being full.

        Parameters
        ----------
        call, future : object
            The call, and its future.
        own : CallOptions or None
            Its own options.

        Raises
        ------
        RuntimeError
            The executor was shut down, or is a forking parent's.
        QueueFull
            It has a bound with "reject".
        BrokenExecutor
            Its initializer raised, in a worker.
        """
        with self._lock:
            if self.closed or self._refusal is not None:
                self._require_open()
            if self.bound is None or self._has_room(self.bound):
                self._pending.append(call, future, own)
                discarded = None
            elif self.bound.on_full == "caller_runs":
                self.run_by_callers += 1
                return False
            else:
                discarded = self._crowd_in(PendingCall(call, future, own, 0.0), self.bound)
        if self.bound is not None:
            when_done(future, self._room_made)
        if discarded is not None:
            drop(discarded.future)
        return True

    def _require_open(self) -> None:
        if self._refusal is not None:
            raise type(self._refusal)(*self._refusal.args)
        if self.closed:
            raise RuntimeError(f"cannot schedule new futures after shutdown of {self._name}")

    def hurry(self, future: Future[Any]) -> None:
        """Have a call be the next one, if it is pending."""
        with self._lock:
            self._pending.hurry(future)

    def expect(self, one: AwaitingCall) -> None:
        """Accept a call that waits for futures; it raises what `add` raises."""
        with self._lock:
            if self.closed or self._refusal is not None:
                self._require_open()
            self.waiting.add(one)

    def arrive(self, one: AwaitingCall, call: Any) -> None:
        """Have a call be pending that has waited, also where no others are accepted any more.

        It was accepted, and so finds room whatever the bound is.
        """
        future = one.future
        with self._lock:
            refusal = self._refusal or self.ended_by
            if refusal is None:
                self._pending.append(call, future, one.own)
        if refusal is not None:
            fail(future, refusal)
        elif self.bound is not None:
            when_done(future, self._room_made)

    def _has_room(self, bound: QueueBound) -> bool:
        """Whether another call may come: it finds a free worker, or place to wait.

        A call that waits to be tried again, or for a rate, has been taken, and still waits.
        """
        most = bound.most + self.workers()
        if len(self._pending) + len(self.futures.waiting) < most:
            return True
        self.tell_cancelled()
        return len(self._pending) + len(self.futures.waiting) < most

    def tell_cancelled(self) -> None:
        """Let pending calls go that were cancelled, and tell those who wait for them."""
        with self._lock:
            gone = self._pending.drop(lambda one: one.future.cancelled())
        for one in gone:
            one.future.set_running_or_notify_cancel()

    def _crowd_in(self, one: PendingCall, bound: QueueBound) -> PendingCall | None:
        """Do what is to be done about a call for which there is no room; give who has to go."""
        if bound.on_full == "reject":
            self.rejected += 1
            raise QueueFull(
                f"{self._name} takes no more calls for now: max_queue={bound.most} wait, and "
                f"{self.workers()} may run; submit it again later, or use on_full='block'"
            )
        if bound.on_full == "block":
            self._wait_for_room(bound)
        elif bound.on_full == "discard" or not self._outranks(one):
            self.discarded += 1
            return one
        else:
            self.discarded += 1
            out = self._pending.pop_least()
            self._pending.append(one.call, one.future, one.own)
            return out
        self._pending.append(one.call, one.future, one.own)
        return None

    def _outranks(self, one: PendingCall) -> bool:
        """Whether a pending call may go in place of one that comes."""
        priority = 0 if one.own is None else one.own.priority
        return len(self._pending) > 0 and priority >= self._pending.least()

    def _wait_for_room(self, bound: QueueBound) -> None:
        """Wait until there is room; a call that runs here lets in what it submits."""
        if self.mark in inside.get():
            return
        queue, due = room_until.get() or (None, 0.0)
        if queue is not self.mark:
            due = math.inf
        while not self._has_room(bound):
            left = due - time.monotonic()
            if left <= 0:
                raise NoRoom(f"{self._name} had no room for a call in time: {bound.most} wait")
            self._room.wait(min(LOOK, left))
            self._require_open()

    @contextlib.contextmanager
    def room_until(self, due: float | None) -> Iterator[None]:
        """Have who submits here wait for room until then, and get a `NoRoom`; None: for ever."""
        token = room_until.set(None if due is None else (self.mark, due))
        try:
            yield
        finally:
            room_until.reset(token)

    def _room_made(self, _: Future[Any]) -> None:
        with self._room:
            self._room.notify()

    # ------------------------------------------------------------ its end

    def close(self, workers: int | None = None) -> None:
        """Accept no more; with `workers`, cancel the calls that no worker is free for."""
        with self._lock:
            self.closed = True
            self._room.notify_all()
            if workers is None:
                return
            free = max(0, workers - len(self.futures.waiting) + len(self._unbegun))
            paced = [one for one in self._pending if one.own is not None and one.own.paced]
            soon = [one for one in self._pending if one.own is None or not one.own.paced]
            gone = (*self._unbegun.values(), *paced, *soon[free:])  # paced: they may have to wait
            unwanted = [one.future for one in gone]
        for future in unwanted:  # without the lock: callbacks may submit
            future.cancel()
        self.waiting.cancel()

    def drain(self) -> list[PendingCall]:
        """Accept no more, and take every pending call away; give those nobody has cancelled."""
        with self._lock:
            self.closed = True
            self._room.notify_all()
            pending = [*self._unbegun.values(), *self._pending.clear()]
            for index in [*self._unbegun]:
                self._forget(index)
        never = [one for one in (*pending, *self._unarrived()) if not _is_cancelled(one.future)]
        for one in pending:
            drop(one.future)
        self.waiting.cancel()
        return never

    def _unarrived(self) -> list[PendingCall]:
        """Give the calls that wait for futures among their arguments."""
        found = [(one.call, getattr(one, "future", None), one.own) for one in self.waiting]
        return [  # one that was settled just now has no future any more
            PendingCall(call, future, own, 0.0)
            for call, future, own in found
            if call is not None and future is not None
        ]

    def _forget(self, index: int) -> None:
        """Have a call that was taken, and has not begun, never begin."""
        del self._unbegun[index], self.futures.waiting[index]
        self._cancelled += 1
        self.stale = True

    # ------------------------------------------------------------ calls that are taken

    @property
    def total(self) -> int | None:
        left = self.left
        return None if left is None else self._taken - self._cancelled + left

    @property
    def known(self) -> int:
        return self._taken - self._cancelled + len(self._pending)

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
        start, own = self._taken, None
        while len(items) < size and own is None:
            with self._lock:
                one = self._pending.popleft(plain=bool(items))
                if one is None:
                    break
                if one.own is not None and one.own.paced and not one.future.cancelled():
                    self._unbegun[self._taken] = one
                    when_done(one.future, self._on_cancel)
                elif not one.future.set_running_or_notify_cancel():
                    continue
                self.futures.waiting[self._taken] = one.future
                self._taken += 1
                items.append(one.call)
                own = one.own
        return Chunk(range(start, self._taken), items, budget=budget, own=own)

    def _on_cancel(self, future: Future[Any]) -> None:
        """Have the run forget a call that is cancelled while it waits."""
        if future.cancelled():
            self.stale = True
            self.wake()

    def wanted(self, chunk: Chunk) -> bool:
        return self._still(chunk.indices[0], begins=False)

    def begin(self, chunk: Chunk) -> bool:
        return chunk.own is None or self._still(chunk.indices[0], begins=True)

    def _still(self, index: int, begins: bool) -> bool:
        """Whether a call that was taken is still to begin; its future is told if it isn't."""
        with self._lock:
            one = self._unbegun.get(index)
            if one is None:  # it has begun before, or was taken away
                return index in self.futures.waiting
            if not begins and not one.future.cancelled():
                return True
            if one.future.set_running_or_notify_cancel():
                del self._unbegun[index]
                return True
            self._forget(index)
            return False


def drop(future: Future[Any]) -> None:
    """Cancel the future of a call that was pending, and tell those who wait for it."""
    future.cancel()
    future.set_running_or_notify_cancel()


def _is_cancelled(future: Future[Any]) -> bool:
    """Whether a future was cancelled; others' need not say so."""
    return isinstance(future, Future) and future.cancelled()
