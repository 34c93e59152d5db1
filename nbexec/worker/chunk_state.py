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

LONG = 0.001  # seconds; a group of brief items that took longer has one in it that isn't
NOTHING_MORE = -1.0  # seconds that are over as soon as an item has failed
AFTER_FAILURE = (
    0.005  # seconds; a chunk with a failure goes on no longer: a run may have to stop at it
)


class ChunkState:
    """A chunk's columns while they are filled: of an item its error, its value, then its end."""

    __slots__ = ("ends", "errors", "items", "started", "values")

    after_failure = float("inf")  # seconds: once an item failed the chunk takes no longer
    watched = False  # whether another thread looks at it now and then
    more = False  # whether items are pending, though a group has ended

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

    def group(self, most: int) -> Iterator[Any]:
        """Iterate over up to `most` items, each of which begins when it is given.

        An IndexError says that another thread took back what was left of them.
        """
        self.items = iter(self.items)
        return itertools.islice(self.items, most)

    def take_back(self, most: int) -> int:
        """Take out up to `most` pending items, where that is possible; give how many."""
        return 0

    def settle(self, now: float, last: bool = False) -> None:
        """Give ends to the items that have none: they ended by `now`, the last one just now.

        Where they took long, it was the `last` one that did, or else nobody knows which.
        """
        ends, count = self.ends, len(self.values) - len(self.ends)
        if count > 0:
            before = ends[-1] if ends else 0.0
            found = array("d", (now,)) * count
            if now - before > LONG:
                step = 0.0 if last else (now - before) / count
                found[:-1] = array("d", [before + step * at for at in range(1, count)])
            ends.extend(found)  # at once: another thread may read them


class SharedChunkState(ChunkState):
    """A state that another thread reads, and takes items from; each item goes to one of the two.

    Where it is `watched`, that thread calls `look` now and then.
    """

    __slots__ = ("_looked", "_pending", "_turns", "after_failure", "watched")

    def __init__(
        self,
        items: Sequence[Any],
        after_failure: float = AFTER_FAILURE,
        watched: bool = False,
    ) -> None:
        self.after_failure = after_failure
        self.watched = watched
        self._pending = deque(items)
        self._turns: list[tuple[()]] = []  # one for each item of the group; none: it ends
        self._looked = False  # whether it was looked at, and so ended
        super().__init__(_popped(self._pending))

    def take(self, most: int) -> list[Any]:
        taken: list[Any] = []
        with contextlib.suppress(IndexError):  # what was taken until then stays in the list
            taken.extend(itertools.starmap(self._pending.popleft, itertools.repeat((), most)))
        return taken

    def group(self, most: int) -> Iterator[Any]:
        self._looked = False
        self._turns = [()] * min(most, len(self._pending))
        return itertools.starmap(self._pending.popleft, self._turns)

    def look(self) -> None:
        """End the group after the item that runs: should that one last, it is known which it is."""
        self._looked = True
        self._turns.clear()

    def settle(self, now: float, last: bool = False) -> None:
        super().settle(now, last or self._looked)

    @property
    def more(self) -> bool:  # type: ignore[override]
        """Whether items are pending, though a group has ended."""
        return bool(self._pending)

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
        count = len(self.values)
        ends = self.ends[:count]
        ends.extend([ends[-1] if ends else 0.0] * (count - len(ends)))  # of a group that goes on
        errors = {at: error for at, error in dict(self.errors).items() if at < count}
        return Outcome(self.values[:count], errors, self.started, ends, 0.0, worker)


def _popped(pending: deque[Any]) -> Iterator[Any]:
    """Pop items one by one.  No method: a generator that isn't begun would hold its state."""
    while True:
        try:
            item = pending.popleft()
        except IndexError:
            return
        yield item
