"""Account: whether the calls of pools are as soon done by workers of nbexec."""

from __future__ import annotations

LOST, SHARE = 0.025, 0.1  # seconds that workers may cost more than the library, and share of work


class Account:
    """What the calls of one step's pools cost beyond what their functions took.

    Examples
    --------
    >>> account = Account()
    >>> account.add(took=0.5, least=0.49)
    >>> account.pays
    True
    >>> account.add(took=0.1, least=0.01)
    >>> account.pays
    False
    """

    def __init__(self) -> None:
        self._lost = self._worked = 0.0

    def add(self, took: float, least: float) -> None:
        """Take in that calls took so many seconds, of which `least` were needed."""
        self._lost += max(took - least, 0.0)
        self._worked += least

    @property
    def pays(self) -> bool:
        """Whether the library could not have been much sooner."""
        return self._lost < LOST or self._lost < SHARE * self._worked
