"""Sheet: what a worker notes of a chunk, item by item.

A worker in the kernel shares its sheet with the run's loop, which takes back what has not
begun, and what is finished before the rest is.  So items that wait can travel together:
none waits behind one that takes long while a worker has nothing to do, and no value does.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ..model import Error, Outcome

TOLD = 0.005  # seconds; a chunk with a failure goes on no longer: a run may have to stop at it


class ChunkState:
    """A chunk's columns while they are filled: of an item its error, its value, then its end."""

    __slots__ = ("ends", "errors", "items", "started", "values")

    after_failure = float("inf")  # seconds: once an item failed the chunk takes no longer

    def __init__(self, items: Iterable[Any]) -> None:
        self.items = items
        self.values: list[Any] = []
        self.errors: dict[int, Error] = {}
        self.ends = array("d")
        self.started = 0.0


class SharedChunkState(ChunkState):
    """A sheet that another thread reads, and takes items from; each goes to one of the two."""

    __slots__ = ("_left", "after_failure")

    def __init__(self, items: Sequence[Any], after_failure: float = TOLD) -> None:
        self.after_failure = after_failure
        self._left = deque(items)
        super().__init__(self._draw())

    def _draw(self) -> Iterator[Any]:
        draw = self._left.popleft
        while True:
            try:
                item = draw()
            except IndexError:
                return
            yield item

    @property
    def unbegun(self) -> int:
        """How many items have not begun."""
        return len(self._left)

    def take_back(self, most: int) -> int:
        """Let up to `most` items, from the end, never begin; give how many."""
        for taken in range(most):
            try:
                self._left.pop()
            except IndexError:
                return taken
        return most

    def so_far(self, worker: str) -> Outcome:
        """Give what is finished, as an outcome; its CPU time comes with the rest."""
        ends = self.ends[:]
        errors = {at: error for at, error in dict(self.errors).items() if at < len(ends)}
        return Outcome(self.values[: len(ends)], errors, self.started, ends, 0.0, worker)
