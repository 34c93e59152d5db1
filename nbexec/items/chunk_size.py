"""How many items travel together, from how long they have taken."""

from __future__ import annotations

import math

TARGET = 0.1  # seconds of work a chunk: sending one costs the kernel 0.7 ms, the cpu benchmark
FIRST = 0.02  # seconds, while it isn't known yet where items should go: what tells enough
ALONE = 0.03  # seconds; an item longer than this travels alone
SOON = 0.05  # seconds; up to here a worker waits for the next one too long: the sleeps benchmark
BRIEF = 0.005  # seconds; up to here one may wait behind another even when it is the last
PLENTY = 3  # items a worker that are left, for one to wait behind another that takes long
SPELL = 0.2  # seconds a chunk where its items can be had back: tests/benchmarks/waiting.py
BLIND = 16  # items a chunk there, while nobody knows how long they take: the same benchmarks
LEAST = 0.001  # seconds; chunks don't get shorter than this
LAST = 0.005  # nor than this, towards the end, where there is so much for each: cpu, tail-at-end
SENDING = 0.0007  # seconds of the kernel that a chunk costs where it goes to another process
HANDING = 0.00005  # and where it doesn't: `scaling`, 16 workers, and the sleeps benchmark
SHARE = 2  # a chunk is at most 1/SHARE of a worker's share of what is left: cpu, tail-at-end
LARGEST = 20_000  # items; bounds what one message holds
HEAVIEST = 16e6  # bytes, of items and values; likewise
GROWTH = 256  # a chunk is at most this many times the largest that was measured: noop-processes
HURRY = 4  # a worker hands back what it has not begun after HURRY x the expected time
FLOOR = 0.02  # seconds; a budget is never shorter, so that a busy machine does not matter
UNKNOWN = 1 << 40  # items that are taken to be left while the input's end is not known


class ChunkSizer:
    """How large the next chunk is, from how long items have taken."""

    def __init__(self, fixed: int | None = None, ahead: bool = True) -> None:
        self.fixed = fixed
        self._ahead = ahead  # whether a chunk may wait at a worker behind another
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
        if self.item_seconds is None or self.item_seconds > ALONE:
            return 1
        wanted = min(self.target / self.item_seconds, GROWTH * self._largest, LARGEST)
        if self._item_bytes:
            wanted = min(wanted, HEAVIEST / self._item_bytes)
        fair = (UNKNOWN if left is None else left) / workers
        # with shorter ones the workers would wait for the kernel, which sends one to each of them
        kept_up = min(fair, max(LAST, self.cost * workers) / self.item_seconds)
        size = max(fair / SHARE, kept_up, LEAST / self.item_seconds)
        return max(1, math.ceil(min(wanted, size)))

    @property
    def brief(self) -> bool:
        """Whether where an item waits doesn't matter, or is decided: in chunks of a fixed size."""
        return self.fixed is not None or (
            self.item_seconds is not None and self.item_seconds <= BRIEF
        )

    def near(self, unbegun: int | None, workers: int) -> int:
        """Give how many items go next where they can be had back before they begin.

        There none waits for one that takes long, and a worker may be given all of its share of
        what is `unbegun`, at workers or not (None: unknown).
        """
        if self.brief:
            return self.size(unbegun, workers)
        wanted = BLIND if self.item_seconds is None else int(SPELL / self.item_seconds)
        return max(1, wanted if unbegun is None else min(wanted, math.ceil(unbegun / workers)))

    def budget(self, items: int, near: bool = False) -> float:
        """Give the seconds after which a worker hands back what it hasn't begun."""
        if self.fixed is not None:
            return math.inf
        if self.item_seconds is None:
            return SPELL if near else FLOOR
        return max(FLOOR, HURRY * items * self.item_seconds)

    def ahead(self, left: int | None, workers: int, near: bool = False) -> bool:
        """Whether a second chunk should wait at each worker, for it to go on at once.

        Where that takes a while it does no harm: there is enough left for the others, should
        what it waits behind take long.
        """
        if not self._ahead or self.item_seconds is None:
            return False
        if near and self.fixed is None:  # it can be had back
            return self.item_seconds <= SPELL / 2
        enough = left is None or left > PLENTY * workers
        return self.item_seconds <= (SOON if enough else BRIEF)
