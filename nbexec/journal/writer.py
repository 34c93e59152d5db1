"""Writer: the thread that writes a run's journal, many items in a transaction."""

from __future__ import annotations

import math
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .values import PIECES, Packed, pieces

MOST = 1_000  # finished items that are not committed yet, at most, but for a single chunk
EVERY = 0.5  # seconds until finished items are committed: with the commit itself, under 1 s
SOON = 0.01  # the same where one takes `COSTLY` seconds or more: what was paid for isn't paid again
HEARTBEAT = 15.0  # seconds between two heartbeats while nothing ends
PENDING = 1 << 26  # bytes that wait to be written; beyond that `put` blocks

_Rows = list[tuple[Any, ...]]


@dataclass(slots=True)
class Batch:
    """The rows of a chunk that ended."""

    items: list[tuple[bytes, Packed]] = field(default_factory=list)
    places: _Rows = field(default_factory=list)
    failures: _Rows = field(default_factory=list)
    classes: _Rows = field(default_factory=list)
    count: int = 0
    costly: bool = False  # whether its items took long, each

    @property
    def size(self) -> int:
        """Bytes of its values."""
        return sum(packed.size for _, packed in self.items)

    @property
    def urgent(self) -> bool:
        """Whether it holds views of values, which may change once the caller has them."""
        return any(packed.form == PIECES for _, packed in self.items)


class Writer:
    """Commits batches, at most `EVERY` seconds or `MOST` items after they came; costly ones soon.

    Parameters
    ----------
    connection : sqlite3.Connection
        Used by the writer's thread alone, until it is closed.
    alive : callable
        Called within each transaction, to write a heartbeat.
    stopped : callable
        Called with the error after which nothing more can be written.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        alive: Callable[[sqlite3.Connection], None],
        stopped: Callable[[Exception], None],
    ) -> None:
        self.connection = connection
        self._alive = alive
        self._stopped = stopped
        self.error: Exception | None = None
        self._batches: list[Batch] = []
        self._count = self._bytes = 0
        self._due = math.inf  # when they are to be committed
        self._urgent = self._closing = self._busy = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="nbexec-journal", daemon=True)
        self._thread.start()

    def put(self, batch: Batch) -> None:
        """Queue a batch; wait until it is written if it is `urgent`."""
        size, urgent = batch.size, batch.urgent
        with self._changed:
            while self._bytes > PENDING and self.error is None:
                self._changed.wait()
            if self.error is not None:
                return
            due = time.monotonic() + (SOON if batch.costly else EVERY)
            sooner, self._due = due < self._due, min(due, self._due)
            self._batches.append(batch)
            self._count += batch.count
            self._bytes += size
            if self._count >= MOST or sooner:
                self._changed.notify_all()
        if urgent:
            self.flush()

    def flush(self) -> None:
        """Wait until every batch is committed."""
        with self._changed:
            self._urgent = True
            self._changed.notify_all()
            while (self._batches or self._busy) and self.error is None:
                self._changed.wait()

    def close(self) -> None:
        """Commit the rest, and end the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join()

    # ------------------------------------------------------------ its thread

    def _run(self) -> None:
        while True:
            with self._changed:
                self._await()
                batches, self._batches = self._batches, []
                self._count = self._bytes = 0
                self._due = math.inf
                self._urgent, self._busy = False, True
                closing = self._closing
                self._changed.notify_all()
            if self.error is None and not (closing and not batches):
                self._try(batches)
            del batches
            with self._changed:
                self._busy = False
                self._changed.notify_all()
                if closing and not self._batches:
                    return

    def _await(self) -> None:
        """Wait until a commit or a heartbeat is due."""
        heartbeat = time.monotonic() + HEARTBEAT
        while not (self._closing or self._urgent or self._count >= MOST):
            left = min(self._due, heartbeat) - time.monotonic()
            if left <= 0:
                return
            self._changed.wait(left)

    def _try(self, batches: list[Batch]) -> None:
        try:
            self._commit(batches)
        except Exception as error:
            try:
                self.connection.execute("ROLLBACK")
            except sqlite3.Error:  # it was rolled back by the error
                pass
            self._stopped(error)  # before a waiting thread goes on
            with self._changed:
                self.error = error
                self._batches.clear()
                self._changed.notify_all()

    def _commit(self, batches: list[Batch]) -> None:
        do = self.connection
        do.execute("BEGIN IMMEDIATE")
        for batch in batches:
            small = [(key, *packed) for key, packed in batch.items if packed.form != PIECES]
            do.executemany("INSERT INTO items VALUES (NULL, ?, ?, ?, ?, ?)", small)
            for key, packed in batch.items:
                if packed.form == PIECES:
                    self._write_pieces(key, packed)
            do.executemany("INSERT INTO places VALUES (?, ?, ?, ?, ?)", batch.places)
            do.executemany(
                "INSERT OR REPLACE INTO failures VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", batch.failures
            )
            do.executemany("INSERT OR IGNORE INTO classes VALUES (?, ?)", batch.classes)
        self._alive(do)
        do.execute("COMMIT")

    def _write_pieces(self, key: bytes, packed: Packed) -> None:
        import zlib

        do, crc = self.connection, 0
        do.execute("DELETE FROM pieces WHERE key = ?", (key,))
        for number, piece in enumerate(pieces(packed.data)):  # type: ignore[arg-type]
            crc = zlib.crc32(piece, crc)
            do.execute("INSERT INTO pieces VALUES (?, ?, ?)", (key, number, piece))
        row = (key, packed.form, packed.size, crc, None)
        do.execute("INSERT INTO items VALUES (NULL, ?, ?, ?, ?, ?)", row)
