"""How many items travel together, from how long they have taken."""

from __future__ import annotations

import math

TARGET = 0.1  # seconds of work a chunk: sending one costs the kernel 0.7 ms, the cpu benchmark
FIRST = 0.02  # seconds, while it isn't known yet where items should go: what tells enough
ALONE = 0.03  # seconds; an item longer than this travels alone
COSTLY = 0.01  # the same where a journal is to have each soon after it ended
PREFETCH_UP_TO = 0.05  # seconds an item; with longer ones a worker that must wait for the next
# one loses little: the sleeps benchmark
BRIEF = 0.005  # seconds; up to here one may wait behind another even when it is the last
ENOUGH_LEFT = 3  # items a worker that are left, for one to wait behind another that takes long
STEALABLE_TARGET = 0.2  # seconds a chunk whose items can be taken back: tests/benchmarks/waiting.py
STEALABLE_FIRST = 16  # items of such a chunk while nobody knows how long they take: the same
SHORTEST = 0.001  # seconds; chunks don't get shorter than this
SHORTEST_AT_END = 0.005  # nor than this at the end, where each worker has as much: cpu, tail-at-end
SENDING = 0.0007  # seconds of the kernel that a chunk costs where it goes to another process
HANDING = 0.00005  # and where it doesn't: `scaling`, 16 workers, and the sleeps benchmark
SHARE = 2  # a chunk is at most 1/SHARE of a worker's share of what is left: cpu, tail-at-end
LARGEST = 20_000  # items; bounds what one message holds
HEAVIEST = 16e6  # bytes, of items and values; likewise
GROWTH = 256  # a chunk is at most this many times the largest that was measured: noop-processes
BUDGET_FACTOR = 4  # a worker returns unstarted items after so many times the expected time
BUDGET_FLOOR = 0.02  # seconds; a budget is never shorter, so that a busy machine does not matter
UNKNOWN = 1 << 40  # items that are taken to be left while the input's end is not known


class ChunkSizer:
    """How large the next chunk is, from how long items have taken."""

    def __init__(
        self,
        fixed: int | None = None,
        prefetch: bool = True,
        alone: float = ALONE,
        most: int | None = None,
    ) -> None:
        self.fixed = fixed
        self._most = LARGEST if most is None else most  # items of a chunk
        self._alone = alone  # seconds; an item longer than this travels alone
        self._prefetch = prefetch  # whether a chunk may wait at a worker behind another
        self.together = LARGEST  # items that may go at once; set by the loop, as the next two are
        self.target = TARGET
        self.cost = HANDING  # seconds of the kernel a chunk
        self.item_seconds: float | None = None  # recent, one number for all workers
        self._largest = 1
        self._item_bytes = 0.0  # recent

    def measure(self, items: int, seconds: float, size: int = 0) -> None:
        """Take in that a worker needed `seconds` for a chunk of `items`, of `size` bytes."""
        if items <= 0:
            return
        self._item_bytes = max(size / items, self._item_bytes / 2)
        each = max(seconds / items, 1e-9)
        if self.item_seconds is None:
            self.item_seconds = each
        else:  # a slow chunk counts at once, fast ones a little at a time
            weight = 0.5 if each < self.item_seconds else 0.7
            self.item_seconds += weight * (each - self.item_seconds)
        self._largest = max(self._largest, items)

    def size(self, left: int | None, workers: int) -> int:
        """Give how many items go next, with `left` (None: unknown) not yet submitted."""
        if self.fixed is not None:
            return self.fixed
        if self.item_seconds is None or self.item_seconds > self._alone:
            return 1
        most = min(LARGEST, self._most, self.together)
        wanted = min(self.target / self.item_seconds, GROWTH * self._largest, most)
        if self._item_bytes:
            wanted = min(wanted, HEAVIEST / self._item_bytes)
        fair = (UNKNOWN if left is None else left) / workers
        if workers == 1:  # there is nobody to share with
            return max(1, math.ceil(min(wanted, fair)))
        # with shorter ones the workers would wait for the kernel, which sends one to each of them
        kept_up = min(fair, max(SHORTEST_AT_END, self.cost * workers) / self.item_seconds)
        size = max(fair / SHARE, kept_up, SHORTEST / self.item_seconds)
        return max(1, math.ceil(min(wanted, size)))

    @property
    def costly(self) -> bool:
        """Whether items are long enough to be taken in one by one, where that matters."""
        return self._alone < ALONE and (self.item_seconds or 0.0) >= self._alone

    @property
    def brief(self) -> bool:
        """Whether it doesn't matter where an item waits, or is fixed: in chunks of a given size."""
        return self.fixed is not None or (
            self.item_seconds is not None and self.item_seconds <= BRIEF
        )

    def stealable_size(self, unstarted: int | None, workers: int) -> int:
        """Give how many items go next where they can be taken back before they start.

        There no item waits behind a slow one, so a worker may be given its whole share of the
        `unstarted` items, at workers or not (None: unknown).
        """
        if self.brief:
            return self.size(unstarted, workers)
        seconds = self.item_seconds
        wanted = STEALABLE_FIRST if seconds is None else int(STEALABLE_TARGET / seconds)
        wanted = min(wanted, self._most, self.together)
        return max(1, wanted if unstarted is None else min(wanted, math.ceil(unstarted / workers)))

    def budget(self, items: int, stealable: bool = False) -> float:
        """Give the seconds after which a worker returns the items that it has not started."""
        if self.fixed is not None:
            return math.inf
        if self.item_seconds is None:
            return STEALABLE_TARGET if stealable else BUDGET_FLOOR
        return max(BUDGET_FLOOR, BUDGET_FACTOR * items * self.item_seconds)

    def prefetch(self, left: int | None, workers: int, stealable: bool = False) -> bool:
        """Whether a second chunk should wait at each worker, for it to go on at once.

        With slow items that is so only while enough is left for the other workers, should the
        chunk that it waits behind take long.
        """
        if not self._prefetch or self.item_seconds is None or self.together == 1:
            return False
        if stealable and self.fixed is None:  # its items can be taken back
            return self.item_seconds <= STEALABLE_TARGET / 2
        enough = left is None or left > ENOUGH_LEFT * workers
        return self.item_seconds <= (PREFETCH_UP_TO if enough else BRIEF)
