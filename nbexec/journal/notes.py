"""Notes: words for the user, kept until the run's loop emits them."""

from __future__ import annotations

from collections.abc import Callable


class Notes:
    """Collects notes from any thread.

    Attributes
    ----------
    wake : callable or None
        Called after each note, so that the loop takes it soon; None before the run begins.
    """

    def __init__(self) -> None:
        self.wake: Callable[[], None] | None = None
        self._pending: list[str] = []
        self._kinds: set[str] = set()

    def add(self, words: str, once: str | None = None) -> None:
        """Add a note; of each kind `once` only the first is kept."""
        if once is not None:
            if once in self._kinds:
                return
            self._kinds.add(once)
        self._pending.append(words)
        if self.wake is not None:
            self.wake()

    def take(self) -> list[str]:
        """Give the notes since the last call."""
        notes, self._pending = self._pending, []
        return notes
