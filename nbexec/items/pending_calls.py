"""PendingCalls: submitted calls by priority, and which of them begins next."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any, NamedTuple

# A call that has waited for longer than PATIENCE takes turns with those of a larger priority:
# each TURN-th call that begins is the one that has waited longest.  So none waits for ever,
# what is urgent loses little (one place of 16), and within PATIENCE the order is strict.
PATIENCE = 10.0  # seconds
TURN = 16


class PendingCall(NamedTuple):
    """A call that nobody has begun."""

    call: Any
    future: Future[Any]
    own: Any  # its `CallOptions`; None where it has no options of its own
    since: float


class PendingCalls:
    """A queue with priorities: the larger first, and of equal ones the first that came.

    Parameters
    ----------
    clock : callable
        Gives seconds.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> pending = PendingCalls()
    >>> for call, priority in ("a", 0), ("b", 5), ("c", 0), ("d", 5):
    ...     pending.append(call, None, SimpleNamespace(priority=priority))
    >>> [pending.popleft().call for _ in range(4)]
    ['b', 'd', 'a', 'c']
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._queues: dict[int, deque[PendingCall]] = {}  # by priority, the largest first
        self._count = 0
        self._turn = 0  # calls that went before others since these had a turn

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[PendingCall]:
        for queue in self._queues.values():
            yield from queue

    def append(self, call: Any, future: Any, own: Any = None) -> None:
        """Add a call behind those of its priority."""
        priority = 0 if own is None else own.priority
        queue = self._queues.get(priority)
        if queue is None:
            queue = deque()
            others = [(one, calls) for one, calls in self._queues.items() if calls]
            by_priority = sorted([*others, (priority, queue)], key=lambda one: -one[0])
            self._queues = dict(by_priority)
        queue.append(PendingCall(call, future, own, self._clock()))
        self._count += 1

    def popleft(self, plain: bool = False) -> PendingCall | None:
        """Take the call that begins next away, and give it; None where there is none.

        With `plain` also where it has options of its own: it is to travel alone.
        """
        if not self._count:
            return None
        priority = self._due()
        if plain and self._queues[priority][0].own is not None:
            return None
        if len(self._queues) > 1:
            self._turn = 0 if self._turn >= TURN - 1 else self._turn + 1
        return self._pop(priority)

    def _due(self) -> int:
        """Give the priority whose first call begins next."""
        first: int = next(iter(self._queues))
        if len(self._queues) == 1 or self._turn < TURN - 1:
            return first
        oldest = min(self._queues, key=lambda priority: self._queues[priority][0].since)
        waited = self._clock() - self._queues[oldest][0].since
        return oldest if waited > PATIENCE else first

    def _pop(self, priority: int) -> PendingCall:
        queue = self._queues[priority]
        self._count -= 1
        call = queue.popleft()
        if not queue and (priority or len(self._queues) > 1):  # else it is made again at once
            del self._queues[priority]
        return call

    def hurry(self, future: Any) -> None:
        """Have the call of a future be the first one of all, if it is here."""
        for priority, queue in self._queues.items():
            for place, one in enumerate(queue):
                if one.future is future:
                    del queue[place]
                    if not queue and len(self._queues) > 1:
                        del self._queues[priority]
                    next(iter(self._queues.values())).appendleft(one)
                    return

    def least(self) -> int:
        """Give the smallest priority of a pending call."""
        smallest: int = next(reversed(self._queues))
        return smallest

    def pop_least(self) -> PendingCall:
        """Take the oldest of the calls of the smallest priority away."""
        return self._pop(self.least())

    def clear(self) -> list[PendingCall]:
        """Take all calls away, and give them in their order."""
        calls = [*self]
        self._queues, self._count, self._turn = {}, 0, 0
        return calls

    def drop(self, gone: Callable[[PendingCall], bool]) -> list[PendingCall]:
        """Take the calls away of which `gone` holds, and give them."""
        dropped: list[PendingCall] = []
        for priority, queue in [*self._queues.items()]:
            kept: deque[PendingCall] = deque()
            for one in queue:
                (dropped if gone(one) else kept).append(one)
            self._queues[priority] = kept  # in its place: one that was hurried stays before others
            if not kept:
                del self._queues[priority]
        self._count -= len(dropped)
        return dropped
