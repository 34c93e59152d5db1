"""Parked: items that were taken and may not start yet, by key, each key in order."""

from __future__ import annotations

import heapq
import itertools
import math
from collections import deque
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

from ..model import Chunk


class Waiting(NamedTuple):
    """An item that waits, and what it will take."""

    chunk: Chunk  # the item alone
    amounts: dict[str, float]
    price: float | None


class Parked:
    """Items by key; a key is looked at again when it is due.

    Examples
    --------
    >>> parked = Parked()
    >>> parked.add("host", Waiting(Chunk([3], ["item"]), {}, None), 5.0)
    >>> parked.ready(4.0), parked.ready(5.0), len(parked), parked.earliest()
    (None, ('host',), 1, 3)
    """

    def __init__(self) -> None:
        self._queues: dict[Hashable, deque[Waiting]] = {}
        self._when: dict[Hashable, float] = {}  # each key is due
        self._heap: list[tuple[float, int, Hashable]] = []  # with some that are out of date
        self._order = itertools.count()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __contains__(self, key: Hashable) -> bool:
        return key in self._queues

    def add(self, key: Hashable, waiting: Waiting, when: float) -> None:
        """Park an item behind those of its key; the first one says when the key is due.

        It goes before those of a smaller priority.
        """
        self._count += 1
        if key in self._queues:
            queue = self._queues[key]
            at, priority = len(queue), _priority(waiting)
            while at and _priority(queue[at - 1]) < priority:
                at -= 1
            queue.insert(at, waiting)
        else:
            self._queues[key] = deque([waiting])
            self.put_off(key, when)

    def put_off(self, key: Hashable, when: float) -> None:
        """Look at a key again at the time `when`; infinity: when something of it has ended."""
        if key not in self._queues:
            return
        self._when[key] = when
        if when < math.inf:
            heapq.heappush(self._heap, (when, next(self._order), key))

    def due(self) -> float:
        """Give when the next key is due; infinity for none."""
        while self._heap and self._when.get(self._heap[0][2]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else math.inf

    def ready(self, now: float) -> tuple[Hashable] | None:
        """Give a key that is due, in a tuple; None where there is none."""
        return (self._heap[0][2],) if self.due() <= now else None

    def first(self, key: Hashable) -> Waiting:
        """Give the first item of a key."""
        return self._queues[key][0]

    def pop(self, key: Hashable, now: float) -> None:
        """Forget the first item of a key; the next one is due at once."""
        self._queues[key].popleft()
        self._count -= 1
        if self._queues[key]:
            self.put_off(key, now)
        else:
            del self._queues[key], self._when[key]

    def drop(self, unwanted: Callable[[Chunk], bool]) -> list[Hashable]:
        """Forget the items of which that holds; give the keys that have none left."""
        empty = []
        for key, queue in [*self._queues.items()]:
            kept = deque(one for one in queue if not unwanted(one.chunk))
            self._count -= len(queue) - len(kept)
            self._queues[key] = kept
            if not kept:
                del self._queues[key], self._when[key]
                empty.append(key)
        return empty

    def earliest(self) -> float:
        """Give the smallest index of a parked item; infinity for none."""
        return min((one.chunk.indices[0] for one in self._all()), default=math.inf)

    def all_are(self, unwanted: Callable[[Chunk], bool]) -> bool:
        """Whether that holds for each of them."""
        return all(unwanted(one.chunk) for one in self._all())

    def _all(self) -> Any:
        return itertools.chain.from_iterable(self._queues.values())


def _priority(waiting: Waiting) -> int:
    own = waiting.chunk.own
    return 0 if own is None else own.priority
