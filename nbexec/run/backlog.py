"""Backlog: what goes next.  New items, items that came back, and retries that wait."""

from __future__ import annotations

import heapq
import itertools

from ..items.chunk_size import ChunkSizer
from ..items.feed import Deliver, Feed
from ..model import Chunk


class Backlog:
    """Everything that is still to be submitted, in the order in which it will be."""

    def __init__(self, feed: Feed, sizer: ChunkSizer, supply: Deliver) -> None:
        self.feed = feed
        self.sizer = sizer
        self.limit: int | None = None  # no item with a larger index matters any more
        self._supply = supply  # where more items are delivered that the feed is asked for
        self._again: list[tuple[int, int, Chunk]] = []  # by first index: before new items
        self._queued = 0  # items in those
        self._later: list[tuple[float, int, Chunk]] = []  # by time
        self._order = itertools.count()

    def doomed(self, chunk: Chunk) -> bool:
        """Whether nothing in `chunk` matters any more."""
        return self.limit is not None and chunk.indices[0] > self.limit

    def put_back(self, chunk: Chunk) -> None:
        """Queue `chunk` again, before new items."""
        self._queued += len(chunk)
        heapq.heappush(self._again, (chunk.indices[0], next(self._order), chunk))

    def put_back_one_by_one(self, chunk: Chunk) -> None:
        """Queue the items of `chunk` again, each alone, to find the guilty one."""
        for offset in range(len(chunk)):
            self.put_back(chunk.part(offset, offset + 1))

    def put_off(self, chunk: Chunk, until: float) -> None:
        """Queue `chunk` again, but not before the time `until`."""
        heapq.heappush(self._later, (until, next(self._order), chunk))

    @property
    def left(self) -> int | None:
        """How many items are still to be handed out; None where that isn't known."""
        return None if self.feed.left is None else self.feed.left + self._queued

    def due(self) -> float | None:
        """When the first chunk that was put off is due; None where there is none."""
        return self._later[0][0] if self._later else None

    def release_due(self, now: float) -> None:
        """Queue what was put off and is due."""
        while self._later and self._later[0][0] <= now:
            self.put_back(heapq.heappop(self._later)[2])

    def next(self, workers: int, room: int | None, near: int | None = None) -> Chunk | None:
        """Give the next chunk; None where there is none, or none yet.

        `room` is how many more items may be pulled from the feed; None is any number.  `near`
        is how many wait at workers, where they can be had back from there.
        """
        size = self._size(workers, room, near)
        chunk = self._queued_chunk(size)
        if chunk is None and self.limit is None:
            chunk = self._new_chunk(size, workers, room)
        if chunk is None:
            return None
        budget = self.sizer.budget(len(chunk), near is not None)
        return Chunk(chunk.indices, chunk.items, chunk.attempt, budget)

    def _size(self, workers: int, room: int | None, near: int | None) -> int:
        left = self.left
        if near is None or self.sizer.brief:
            return self.sizer.size(left, workers)
        if room is not None:  # what may be pulled is for all workers
            left = room if left is None else min(left, room)
        return self.sizer.near(left if left is None else left + near, workers)

    def _queued_chunk(self, size: int) -> Chunk | None:
        while self._again:
            _, _, chunk = heapq.heappop(self._again)
            self._queued -= len(chunk)
            if self.doomed(chunk):
                continue
            if len(chunk) > size:
                self.put_back(chunk.part(size))
                chunk = chunk.part(0, size)
            return chunk
        return None

    def _new_chunk(self, size: int, workers: int, room: int | None) -> Chunk | None:
        more = 2 * size * workers
        if room is not None:
            more = min(more, room)
        if more > 0 and self.feed.at_hand < size:
            self.feed.want(more, self._supply)
        if room is not None:  # of a list nothing was pulled before it is taken
            size = min(size, room + self.feed.pulled - self.feed.taken)
        chunk = self.feed.take(size) if self.feed.at_hand and size > 0 else None
        return chunk if chunk is not None and chunk.indices else None  # all were cancelled

    def over(self) -> bool:
        """Whether nothing is left to be submitted that matters."""
        if self.limit is not None:
            return all(self.doomed(chunk) for _, _, chunk in [*self._again, *self._later])
        return not (self._again or self._later or self.feed.pulling) and self.feed.left == 0

    @property
    def pulled(self) -> int:
        """How many items were taken from the input."""
        return self.feed.pulled
