"""Lending: a worker more while an item waits for another item of its own run."""

from __future__ import annotations

from collections.abc import Callable


class Loan:
    """A worker that is lent to a run while one of its items waits; used in its loop alone.

    Parameters
    ----------
    refuse : callable
        Called with the backend's name where none can be added, and all items that run wait.
    """

    def __init__(self, refuse: Callable[[str], None]) -> None:
        self.refuse = refuse


class Lending:
    """The items of a run that wait for others."""

    def __init__(self) -> None:
        self._lent: set[Loan] = set()
        self._owed: set[Loan] = set()  # no worker could be added

    @property
    def lent(self) -> int:
        """How many workers were added."""
        return len(self._lent)

    def lend(self, loan: Loan, adds_workers: bool) -> bool:
        """Take in that an item waits; give whether another worker is to be added."""
        (self._lent if adds_workers else self._owed).add(loan)
        return adds_workers

    def stuck(self, running: int) -> bool:
        """Whether all items that run wait, and no worker was added for one of them."""
        return bool(self._owed) and running <= len(self._owed) + len(self._lent)

    def give_back(self, loan: Loan) -> bool:
        """Take in that it has ended; give whether there is a worker too many."""
        self._owed.discard(loan)
        found = loan in self._lent
        self._lent.discard(loan)
        return found
