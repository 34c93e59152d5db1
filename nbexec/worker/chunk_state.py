"""The state of a chunk at its worker, filled item by item: values, errors, end times.

A worker in the kernel shares it with the run's loop, which takes back pending items and
reads finished values before the chunk ends.  So items that wait can travel together: a slow
item neither blocks pending items while a worker is idle nor holds back finished values.
"""

from __future__ import annotations

import contextlib
import itertools
from array import array
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ..model import Error, Outcome

AFTER_FAILURE = (
    0.005  # seconds; a chunk with a failure goes on no longer: a run may have to stop at it
)


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

    def take(self, most: int) -> list[Any]:
        """Take up to `most` items, which begin now."""
        self.items = iter(self.items)
        return list(itertools.islice(self.items, most))


class SharedChunkState(ChunkState):
    """A state that another thread reads, and takes items from; each item goes to one of the two."""

    __slots__ = ("_pending", "after_failure")

    def __init__(self, items: Sequence[Any], after_failure: float = AFTER_FAILURE) -> None:
        self.after_failure = after_failure
        self._pending = deque(items)
        super().__init__(self._pop_items())

    def _pop_items(self) -> Iterator[Any]:
        pop = self._pending.popleft
        while True:
            try:
                item = pop()
            except IndexError:
                return
            yield item

    def take(self, most: int) -> list[Any]:
        taken: list[Any] = []
        with contextlib.suppress(IndexError):  # what was taken until then stays in the list
            taken.extend(itertools.starmap(self._pending.popleft, itertools.repeat((), most)))
        return taken

    @property
    def pending(self) -> int:
        """How many items are pending: not begun."""
        return len(self._pending)

    def take_back(self, most: int) -> int:
        """Take out up to `most` pending items, from the end; give how many."""
        for taken in range(most):
            try:
                self._pending.pop()
            except IndexError:
                return taken
        return most

    def so_far(self, worker: str) -> Outcome:
        """Give the finished items as an outcome; their CPU time comes with the rest."""
        ends = self.ends[:]
        errors = {at: error for at, error in dict(self.errors).items() if at < len(ends)}
        return Outcome(self.values[: len(ends)], errors, self.started, ends, 0.0, worker)
