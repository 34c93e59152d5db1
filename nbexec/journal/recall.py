"""Recall: a feed that sets the items apart that the journal has."""

from __future__ import annotations

import math
import sqlite3
import time
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

from ..items.feed import Deliver, Feed
from ..model import Chunk, Outcome

if TYPE_CHECKING:
    from .journal import Journal

BATCH = 500  # items that are looked up at once
WORKER = "journal"  # who gave the values


class Recalled(NamedTuple):
    """Items that need not run, and their values."""

    chunk: Chunk
    outcome: Outcome


class Recall(Feed):
    """Items of another feed, of which `recall` gives those that the journal has.

    `take` gives only the others, and only those that were looked up.
    """

    def __init__(self, feed: Feed, journal: Journal) -> None:
        self._feed = feed
        self._journal = journal
        self._missing: deque[tuple[int, Any]] = deque()

    def recall(self, room: int | None, enough: int, deliver: Deliver) -> Recalled | None:
        """Look up the next items; None where there is nothing to look up now.

        Parameters
        ----------
        room : int or None
            How many more items may be taken.
        enough : int
            Items that have to run and are known, above which nothing more is looked up.
        """
        if len(self._missing) >= enough:
            return None
        feed, size = self._feed, BATCH
        if room is not None:
            size = min(size, room + feed.pulled - feed.taken)
        if size <= 0:
            return None
        if not feed.at_hand:
            if feed.left != 0:
                feed.want(size, deliver)
            return None
        chunk = feed.take(size)
        found = self._journal.find(chunk)
        self._missing.extend(
            (index, item)
            for offset, (index, item) in enumerate(zip(chunk.indices, chunk.items, strict=True))
            if offset not in found
        )
        if len(found) < len(chunk):
            chunk = chunk.pick(list(found), chunk.attempt)
        values = list(found.values())
        outcome = Outcome(values, {}, time.time(), [0.0] * len(values), 0.0, WORKER)
        return Recalled(chunk, outcome)

    @property
    def error(self) -> BaseException | None:  # type: ignore[override]
        return self._feed.error

    @property
    def pulling(self) -> bool:  # type: ignore[override]
        return self._feed.pulling

    @property
    def total(self) -> int | None:
        return self._feed.total

    @property
    def left(self) -> int | None:
        left = self._feed.left
        return None if left is None else left + len(self._missing)

    @property
    def at_hand(self) -> int:
        return len(self._missing)

    @property
    def taken(self) -> int:
        return self._feed.taken - len(self._missing)

    @property
    def pulled(self) -> int:
        return self._feed.pulled

    def held(self, index: int) -> Any:
        return self._feed.held(index)

    def take(self, size: int, budget: float = math.inf) -> Chunk:
        taken = [self._missing.popleft() for _ in range(min(size, len(self._missing)))]
        indices = [index for index, _ in taken]
        first = indices[0]
        adjacent = indices[-1] - first == len(indices) - 1
        items = [item for _, item in taken]
        where = range(first, first + len(items)) if adjacent else indices
        return Chunk(where, items, budget=budget)

    def want(self, size: int, deliver: Deliver) -> None:
        if not self._feed.at_hand:
            self._feed.want(size, deliver)

    def supply(self, items: list[Any], error: BaseException | None, ended: bool) -> None:
        self._feed.supply(items, error, ended)


class Occurrences:
    """How often a digest came before; beyond `held` of them, in a temporary file."""

    def __init__(self, held: int = 100_000) -> None:
        self._held = held
        self._counts: dict[int, int] = {}
        self._file: sqlite3.Connection | None = None

    def count(self, digests: list[bytes]) -> list[int]:
        """Give how often each of the digests came before, and take them in.

        Half a digest is enough: were two alike, one would only have another number.
        """
        known, short = (
            self._counts,
            [int.from_bytes(one[:8], "little", signed=True) for one in digests],
        )
        if self._file is not None:
            known = self._look_up(short)
        counts = []
        for one in short:
            counts.append(count := known.get(one, 0))
            known[one] = count + 1
        if self._file is not None:
            self._file.executemany("INSERT OR REPLACE INTO seen VALUES (?, ?)", known.items())
        elif len(known) > self._held:
            self._spill()
        return counts

    def _spill(self) -> None:
        self._file = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._file.execute("PRAGMA journal_mode = OFF")
        self._file.execute("PRAGMA cache_size = -16000")  # KiB
        self._file.execute("BEGIN")
        self._file.execute("CREATE TABLE seen (digest INTEGER PRIMARY KEY, count INTEGER)")
        self._file.executemany("INSERT INTO seen VALUES (?, ?)", sorted(self._counts.items()))
        self._counts.clear()

    def _look_up(self, short: list[int]) -> dict[int, int]:
        assert self._file is not None
        query = f"SELECT digest, count FROM seen WHERE digest IN ({', '.join('?' * len(short))})"
        return dict(self._file.execute(query, short))

    def close(self) -> None:
        """Give the file back."""
        if self._file is not None:
            self._file.close()
