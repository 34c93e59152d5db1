"""Backlog: the pending chunks of a run: requeued items, delayed retries, then new items."""

from __future__ import annotations

import heapq
import itertools

from ..items.chunk_size import ChunkSizer
from ..items.feed import Feed
from ..model import Chunk
from ..pacing.parked import Parked


class Backlog:
    """All that is still to be submitted, in the order in which it will be."""

    def __init__(self, feed: Feed, sizer: ChunkSizer) -> None:
        self.feed = feed
        self.sizer = sizer
        self.limit: int | None = None  # no item with a larger index matters any more
        self._requeued: list[tuple[int, int, Chunk]] = []  # by first index: before new items
        self._queued = 0  # items in those
        self.wanted = 0  # items that the feed should pull, for chunks to come
        self._delayed: list[tuple[float, int, Chunk]] = []  # by time
        self.parked = Parked()  # were taken, and wait for a limit
        self._order = itertools.count()

    def unwanted(self, chunk: Chunk) -> bool:
        """Whether no item of `chunk` matters any more: the run stops before them."""
        return self.limit is not None and chunk.indices[0] > self.limit

    def requeue(self, chunk: Chunk) -> None:
        """Requeue `chunk`, before new items."""
        self._queued += len(chunk)
        heapq.heappush(self._requeued, (chunk.indices[0], next(self._order), chunk))

    def requeue_singly(self, chunk: Chunk) -> None:
        """Requeue the items of `chunk` one by one, to find the one that is to blame."""
        for offset in range(len(chunk)):
            self.requeue(chunk.part(offset, offset + 1))

    def delay(self, chunk: Chunk, until: float) -> None:
        """Requeue `chunk`, but not before the time `until`."""
        heapq.heappush(self._delayed, (until, next(self._order), chunk))

    @property
    def left(self) -> int | None:
        """How many items are pending; None where that isn't known."""
        left = self.feed.left
        return None if left is None else left + self._queued + len(self.parked)

    def earliest(self) -> float:
        """Give the smallest index among the items to be submitted again; infinity for none."""
        requeued = self._requeued[0][0] if self._requeued else float("inf")
        delayed = (chunk.indices[0] for *_, chunk in self._delayed)
        return min((requeued, self.parked.earliest(), *delayed))

    def due(self) -> float | None:
        """When the first delayed chunk is due; None where there is none."""
        return self._delayed[0][0] if self._delayed else None

    def release_due(self, now: float) -> None:
        """Requeue the delayed chunks that are due."""
        while self._delayed and self._delayed[0][0] <= now:
            self.requeue(heapq.heappop(self._delayed)[2])

    def next(self, workers: int, room: int | None, stealable: int | None = None) -> Chunk | None:
        """Give the next chunk; None where there is none, or none yet.

        Parameters
        ----------
        workers : int
            How many there are.
        room : int or None
            How many more items may be pulled from the feed; None is any number.
        stealable : int or None
            How many items wait at workers from where they can be taken back; None where that
            can't be done.
        """
        self.wanted = 0
        size = self._size(workers, room, stealable)
        chunk = self._queued_chunk(size)
        if chunk is not None:
            budget = self.sizer.budget(len(chunk), stealable is not None)
            return Chunk(chunk.indices, chunk.items, chunk.attempt, budget, own=chunk.own)
        if self.limit is not None:
            return None
        self.wanted = self._wanted(size, workers, room)
        if room is not None:  # of a list nothing is pulled before it is taken
            size = min(size, room + self.feed.pulled - self.feed.taken)
        size = min(size, self.feed.at_hand)
        if size <= 0:
            return None
        chunk = self.feed.take(size, self.sizer.budget(size, stealable is not None))
        return chunk if chunk.indices else None  # all were cancelled

    def _size(self, workers: int, room: int | None, stealable: int | None) -> int:
        left = self.left
        if stealable is None or self.sizer.brief:
            return self.sizer.size(left, workers)
        if room is not None:  # what may be pulled is for all workers
            left = room if left is None else min(left, room)
        return self.sizer.stealable_size(left if left is None else left + stealable, workers)

    def _queued_chunk(self, size: int) -> Chunk | None:
        while self._requeued:
            _, _, chunk = heapq.heappop(self._requeued)
            self._queued -= len(chunk)
            if self.unwanted(chunk):
                continue
            if len(chunk) > size:
                self.requeue(chunk.part(size))
                chunk = chunk.part(0, size)
            return chunk
        return None

    def _wanted(self, size: int, workers: int, room: int | None) -> int:
        """Give how many items the feed should pull, where it has too few for a chunk."""
        if self.feed.at_hand >= size:
            return 0
        more = 2 * size * workers
        return more if room is None else min(more, room)

    def over(self) -> bool:
        """Whether nothing is left to be submitted that matters."""
        if self.limit is not None:
            chunks = [*self._requeued, *self._delayed]
            unwanted = all(self.unwanted(chunk) for _, _, chunk in chunks)
            return unwanted and self.parked.all_are(self.unwanted)
        waiting = self._requeued or self._delayed or self.parked
        return not (waiting or self.feed.pulling) and self.feed.left == 0
