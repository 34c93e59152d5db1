"""Lateness: after how long an item is late, from how long items have taken so far.  Pure."""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections import deque

FEW = 10  # items that have ended, before which nobody knows what is late
KEPT = 2_000  # latest items that count


class Lateness:
    """Seconds after which an item is late.

    Parameters
    ----------
    seconds : float or None
        Always so many; None: that depends on the items.
    share : float or None
        Then the share of the items that are faster than a late one, from 0 to 1.

    Examples
    --------
    >>> lateness = Lateness(None, 0.9)
    >>> for seconds in range(1, 20):
    ...     lateness.took(seconds)
    >>> lateness.after(running=1)
    18
    """

    def __init__(self, seconds: float | None, share: float | None = None) -> None:
        self._seconds = seconds
        self._share = share
        self._latest: deque[float] = deque()
        self._sorted: list[float] = []

    @property
    def learns(self) -> bool:
        """Whether it depends on the items."""
        return self._seconds is None

    def took(self, seconds: float) -> None:
        """Take in how long an item took until its value was there."""
        if self._seconds is not None:
            return
        if len(self._latest) == KEPT:
            del self._sorted[bisect_left(self._sorted, self._latest.popleft())]
        self._latest.append(seconds)
        insort(self._sorted, seconds)

    def after(self, running: int) -> float:
        """Give the seconds after which an item is late; infinity while that isn't known.

        Those that are `running` count as slower than all that have ended: the first ones to end
        are the fastest of those that began together, and say nothing of the others.
        """
        if self._seconds is not None:
            return self._seconds
        assert self._share is not None
        ended = len(self._sorted)
        rank = math.ceil(round(self._share * (ended + running), 9))
        return self._sorted[rank - 1] if ended >= FEW and rank <= ended else math.inf
