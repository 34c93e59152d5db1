"""Budget: what was spent, what all items will cost, and whether one more may begin.  Pure."""

from __future__ import annotations

import math
from collections.abc import Hashable

from ..telemetry.events import Spending

FEW = 10  # items, before which what all will cost is a guess
SURE = 2.0  # standard deviations: one in twenty is outside
SLACK = 1e-9  # of the budget: what adding up fractions may be off by


class Budget:
    """The prices of one run's items.

    Parameters
    ----------
    limit : float or None
        What may be spent; None for any sum.

    Examples
    --------
    >>> budget = Budget(3.0)
    >>> for item in range(2):
    ...     budget.begun(item, None)
    ...     budget.ended(item, 1.0)
    >>> budget.fits(None)
    True
    >>> budget.begun(2, None)
    >>> budget.fits(None), budget.spent
    (False, 2.0)
    """

    def __init__(self, limit: float | None) -> None:
        self.limit = limit
        self.spent = 0.0
        self._count = 0  # prices that are known
        self._mean = self._squares = 0.0  # and the sum of squared differences from that
        self._running: dict[Hashable, float | None] = {}  # what the items cost that run

    def begun(self, item: Hashable, price: float | None) -> None:
        """Note that an item begins; None: nobody knows its price."""
        self._running[item] = price

    def ended(self, item: Hashable, price: float | None) -> None:
        """Note that an item ended, and what it cost; None: what it was to."""
        before = self._running.pop(item, None)
        self.price(before if price is None else price)

    def failed(self, item: Hashable, paid: bool = True) -> None:
        """Note that an item has no result: it cost what it was to, if anything, where `paid`."""
        price = self._running.pop(item, None) or 0.0
        self.spent += price if paid else 0.0

    def price(self, price: float | None) -> None:
        """Take in the price of an item that has ended."""
        if price is None:
            return
        self.spent += price
        self._count += 1
        off = price - self._mean
        self._mean += off / self._count
        self._squares += off * (price - self._mean)

    @property
    def _deviation(self) -> float:
        return math.sqrt(self._squares / (self._count - 1)) if self._count > 1 else 0.0

    def fits(self, price: float | None) -> bool:
        """Whether one more item may begin, of that price; None: nobody knows it.

        Those whose price isn't known count as the others did, on average, and a margin for how
        much they differ.  As long as no price is known, one item runs at a time.
        """
        if self.limit is None:
            return True
        most = self.limit * (1 + SLACK)
        prices = [*self._running.values(), price]
        unknown = prices.count(None)
        if unknown and not self._count:
            return self.spent < most and (price is not None or not self._running)
        guess = unknown * self._mean + SURE * self._deviation * math.sqrt(unknown)
        known = math.fsum(one for one in prices if one is not None)
        return self.spent + known + guess <= most and (price == 0 or self.spent < self.limit)

    def spending(self, left: int | None) -> Spending:
        """Give the numbers, with `left` items that have no price yet; None: nobody knows."""
        if left is None or self._count < FEW:
            return Spending(self.spent, self.limit)
        expected = self.spent + left * self._mean
        # how far off the sum of the others is, and how far off the mean
        off = SURE * self._deviation * math.sqrt(left + left * left / self._count)
        low = max(self.spent, expected - off)
        return Spending(self.spent, self.limit, (expected, low, expected + off))
