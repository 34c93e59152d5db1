"""How many items of a batched function travel together: as many as make an item cheaper."""

from __future__ import annotations

import math

from .chunk_size import ChunkSizer

CHEAPER = 0.9  # of the time of an item in a batch half as large, for larger ones to pay


class BatchSizer(ChunkSizer):
    """Doubles the batch while an item takes less time in a larger one.

    Parameters
    ----------
    most : int
        The largest batch.

    Examples
    --------
    >>> sizer = BatchSizer(64)
    >>> for _ in range(10):  # a call takes as long for 8 as for 1, and then twice as long
    ...     size = sizer.size(None, 1)
    ...     sizer.measure(size, 0.1 * max(1, size / 8))
    >>> sizer.size(None, 1)
    8
    """

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most
        self._batch, self._growing = 1, True
        self._before = math.inf  # seconds of an item in a batch half as large

    def measure(self, items: int, seconds: float, size: int = 0) -> None:
        super().measure(items, seconds, size)
        if not self._growing or items < self._batch:
            return
        each = seconds / items
        if each > CHEAPER * self._before:
            self._growing = False
            self._batch = max(1, self._batch // 2)
            return
        self._before = each
        self._growing = self._batch < self._most
        self._batch = min(self._most, 2 * self._batch)

    def size(self, left: int | None, workers: int) -> int:
        fair = self._batch if left is None else math.ceil(left / workers)
        return max(1, min(self._batch, fair, self.together))

    def stealable_size(self, unstarted: int | None, workers: int) -> int:
        return self.size(unstarted, workers)

    @property
    def brief(self) -> bool:
        return True  # a batch is one call

    def budget(self, items: int, stealable: bool = False) -> float:
        return math.inf
