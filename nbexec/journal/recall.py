"""Recall: a feed that looks items up in a journal, and gives out those without a value."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from ..items.feed import Deliver, Feed
from ..model import Chunk, Outcome

BATCH = 500  # items that are looked up at once
WORKER = "journal"  # the worker that these outcomes name

Lookup = Callable[[Chunk], dict[int, Any]]  # gives the values that are known, by offset


class Recalled(NamedTuple):
    """Items that need not run, and their values."""

    chunk: Chunk
    outcome: Outcome


class Recall(Feed):
    """Items of another feed: `recall` gives those with a known value, `take` the others.

    Only items that were looked up can be taken.

    Parameters
    ----------
    feed : Feed
        Where the items come from.
    lookup : callable
        Gives the known values of a chunk's items, by offset in the chunk.
    """

    def __init__(self, feed: Feed, lookup: Lookup) -> None:
        self._feed = feed
        self._lookup = lookup
        self._missing: deque[tuple[int, Any, Any]] = deque()  # with its own options, if any

    def close(self) -> None:
        self._feed.close()

    def recall(self, room: int | None, enough: int, deliver: Deliver) -> Recalled | None:
        """Look up the next items; None where there is nothing to look up now.

        Parameters
        ----------
        room : int or None
            How many more items may be taken.
        enough : int
            Pending items above which nothing more is looked up.
        """
        if len(self._missing) >= enough:
            return None
        feed, size = self._feed, BATCH
        if room is not None:
            size = min(size, room + feed.pulled - feed.taken)
        if size <= 0:
            return None
        if not feed.at_hand:
            if feed.left != 0:
                feed.want(size, deliver)
            return None
        chunk = feed.take(size)
        found = self._lookup(chunk)
        self._missing.extend(
            (index, item, chunk.own)
            for offset, (index, item) in enumerate(zip(chunk.indices, chunk.items, strict=True))
            if offset not in found
        )
        if found and not feed.begin(chunk):
            found = {}
        if len(found) < len(chunk):
            chunk = chunk.pick(list(found), chunk.attempt)
        values = list(found.values())
        outcome = Outcome(values, {}, time.time(), [0.0] * len(values), 0.0, WORKER)
        return Recalled(chunk, outcome)

    @property
    def error(self) -> BaseException | None:  # type: ignore[override]
        return self._feed.error

    @property
    def pulling(self) -> bool:  # type: ignore[override]
        return self._feed.pulling

    @property
    def total(self) -> int | None:
        return self._feed.total

    @property
    def left(self) -> int | None:
        left = self._feed.left
        return None if left is None else left + len(self._missing)

    @property
    def at_hand(self) -> int:
        return len(self._missing)

    @property
    def taken(self) -> int:
        return self._feed.taken - len(self._missing)

    @property
    def pulled(self) -> int:
        return self._feed.pulled

    def held(self, index: int) -> Any:
        return self._feed.held(index)

    def take(self, size: int, budget: float = math.inf) -> Chunk:
        taken = [self._missing.popleft()]
        own = taken[0][2]
        if own is None:  # else it travels alone
            while len(taken) < size and self._missing and self._missing[0][2] is None:
                taken.append(self._missing.popleft())
        indices = [index for index, *_ in taken]
        first = indices[0]
        adjacent = indices[-1] - first == len(indices) - 1
        items = [item for _, item, _ in taken]
        where = range(first, first + len(items)) if adjacent else indices
        return Chunk(where, items, budget=budget, own=own)

    @property
    def stale(self) -> bool:
        return self._feed.stale

    @stale.setter
    def stale(self, stale: bool) -> None:
        self._feed.stale = stale

    def wanted(self, chunk: Chunk) -> bool:
        return self._feed.wanted(chunk)

    def begin(self, chunk: Chunk) -> bool:
        return self._feed.begin(chunk)

    def want(self, size: int, deliver: Deliver) -> None:
        if not self._feed.at_hand:
            self._feed.want(size, deliver)

    def supply(self, items: list[Any], error: BaseException | None, ended: bool) -> None:
        self._feed.supply(items, error, ended)
