"""Portion: the items of a chunk, begun one after the other; the rest can be taken back meanwhile.

Each item goes to one thread alone: to the worker, which begins it, or to whoever takes the
rest.  There is no lock, which every item of every chunk would have to pay for.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from .model import Chunk


class Portion:
    """What a worker draws the items of its chunk from."""

    __slots__ = ("_items", "kept", "whole")

    def __init__(self, items: Sequence[Any]) -> None:
        self.whole = len(items)
        self.kept: int | None = None  # how many the worker keeps, once the rest was taken back
        with_gil = getattr(sys, "_is_gil_enabled", lambda: True)()
        self._items: Iterator[Any] = iter(items) if with_gil else _Drawn(items)

    def __iter__(self) -> Iterator[Any]:
        return self._items

    def take_back(self) -> int:
        """Leave the worker nothing that it has not begun; give how many items it keeps.

        Called by one thread, which is not the worker's.
        """
        if self.kept is None:
            rest = self._items.rest() if isinstance(self._items, _Drawn) else _rest(self._items)
            self.kept = self.whole - rest
        return self.kept


def _rest(items: Iterator[Any]) -> int:
    # A list is filled from the iterator of a list, a tuple or a range in one go, in C: no
    # other thread has the GIL before the iterator is at its end.
    return len(list(items))


class _Drawn:
    """The same where threads run at the same time: each end of a deque has its own taker."""

    __slots__ = ("_items",)

    def __init__(self, items: Sequence[Any]) -> None:
        self._items = deque(items)

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        try:
            return self._items.popleft()
        except IndexError:
            raise StopIteration from None

    def rest(self) -> int:
        """Take what is there, from the end; give how many items that was."""
        count = 0
        try:
            while True:
                self._items.pop()
                count += 1
        except IndexError:
            return count


class Portions:
    """The portions of the chunks that a session has in this process.

    Parameters
    ----------
    hear : callable
        Told the chunk, how many of its items are kept, "returned" and nothing else.
    """

    def __init__(self, hear: Callable[[Chunk, int, str, str], None]) -> None:
        self._hear = hear
        self._portions: dict[Chunk, Portion] = {}

    def begin(self, chunk: Chunk) -> Portion:
        """Give what a worker draws from; `end` comes after."""
        portion = self._portions[chunk] = Portion(chunk.items)
        return portion

    def end(self, chunk: Chunk) -> None:
        """Note that a chunk has ended."""
        del self._portions[chunk]

    def take_back(self, chunk: Chunk) -> None:
        """Take back what is not begun of a chunk, if it has not ended."""
        portion = self._portions.get(chunk)
        if portion is not None:
            self._hear(chunk, portion.take_back(), "returned", "")
