"""MemoCommit: what workers' items did with memos is done in the kernel, in the loop's order.

An item's record counts if in its turn it would have found the same at each key that it looked
up.  Else the item itself runs here, as the plain loop runs it, and finds what is there by then.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from ..iteration.memo_record import BEFORE, MISSING, Again, MemoRecord

_NONE: Any = object()


class MemoCommit:
    """The memos of one loop, while records are committed.

    Parameters
    ----------
    tables : list of dict
        The memos, as they are when the rest of the loop leaves.

    Attributes
    ----------
    tables : tuple of dict
        The memos.
    again : int
        How many items had to run here.

    Examples
    --------
    >>> memo = {1: "one"}
    >>> commit = MemoCommit([memo])
    >>> first = MemoRecord("a", [(0, 1, BEFORE), (0, 2, MISSING)], [(0, 2, "two")])
    >>> second = MemoRecord("b", [(0, 2, MISSING)], [(0, 2, "2")])
    >>> commit.holds(first), commit.holds(second)
    (True, True)
    >>> commit.put(first)
    >>> commit.holds(second), memo
    (False, {1: 'one', 2: 'two'})
    """

    def __init__(self, tables: list[dict[Any, Any]]) -> None:
        self.tables = tuple(tables)
        self.again = 0
        self._before = [dict(one) for one in tables]
        self._put: dict[tuple[int, Any], tuple[str, Any]] = {}  # by which item, and what

    def holds(self, record: MemoRecord) -> bool:
        """Whether an item would find now what it has found."""
        return all(self._finds(*one) for one in record.reads)

    def _finds(self, number: int, key: Any, source: str) -> bool:
        found = self.tables[number].get(key, _NONE)
        if source == MISSING:
            return found is _NONE
        if source == BEFORE:
            return found is not _NONE and found is self._before[number].get(key, _NONE)
        token, value = self._put.get((number, key), ("", _NONE))
        return token == source and found is value

    def put(self, record: MemoRecord) -> None:
        """Store what an item has stored."""
        for number, key, value in record.writes:
            self.tables[number][key] = value
            self._put[number, key] = record.token, value

    def can_commit(self, record: Any) -> bool:
        """Whether a record counts, in its turn; else its item is to run here."""
        fits = not isinstance(record, Again) and not record.broke
        if fits and (record.memo is None or self.holds(record.memo)):
            return True
        self.again += 1
        return False


class ItemsInTurn:
    """Commits records, and gives the items that the loop itself has to run, in their turn.

    Parameters
    ----------
    records : list of tuple
        The records, with the positions of their items.
    commit : callable
        Commits a record, and gives whether that could be done.
    settle : callable
        Binds the names as the records that were committed left them.
    item : callable
        Gives the item at a position.
    rest : callable
        Gives the items after the records.
    """

    def __init__(
        self,
        records: list[tuple[int, Any]],
        commit: Callable[[int, Any], bool],
        settle: Callable[[], None],
        item: Callable[[int], Any],
        rest: Callable[[], Iterator[Any]],
    ) -> None:
        self._todo = deque(records)
        self._commit, self._settle, self._item = commit, settle, item
        self._more = rest
        self._rest: Iterator[Any] | None = None

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        __tracebackhide__ = True
        while self._todo:
            at, record = self._todo.popleft()
            if not self._commit(at, record):
                self._settle()
                return self._item(at)
        if self._rest is None:
            self._settle()
            self._rest = self._more()
        return next(self._rest)
