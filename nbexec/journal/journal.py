"""Journal: the observer that keeps a run's items in a file, from its beginning to its end.

::

    items -> Recall -> loop -> Finished -> Rows -> Writer -> file
               ^                                              |
               +------------------- Lookup <------------------+
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sqlite3
import time
from dataclasses import asdict
from typing import Any

from ..errors import JournalError
from ..items.feed import Feed
from ..model import Chunk, Task
from ..telemetry.events import Event, Finished, Restored, RunEnded
from ..telemetry.observer import Observer, WatchedRun
from ..telemetry.state import RunState
from . import known_files, locks
from .code_fingerprint import Codes
from .database import connect, full_path, load_class, sort
from .keys import ItemKeys, function_print
from .lookup import Lookup
from .notes import Notes
from .recall import Recall
from .rows import Rows
from .values import Values
from .writer import Batch, Writer


class Journal(Observer):
    """One run's use of a journal.

    Parameters
    ----------
    path : str or path
        The file; made where there is none.
    task : Task
        The function and how it is called.
    name : str
        What the run is called.
    run : str
        Its id.

    Raises
    ------
    JournalError
        The file can't be used, or the function has no fingerprint.
    """

    def __init__(self, path: str | os.PathLike[str], task: Task, name: str, run: str) -> None:
        self.path = full_path(path)
        self.id = run
        self.recall: Recall | None = None
        self._name = name
        codes = Codes()
        self._print = function_print(codes, task, name)
        self._reader = connect(self.path)
        self._notes = Notes()
        self._pending: dict[int, bytes] = {}  # keys of items that have no value yet, by index
        self._before: str | None = None  # the run whose failed items this one runs again
        values = Values(codes, load_class(self._reader))
        self._keys = ItemKeys(codes, self._print.digest, self._notes, task)
        self._lookup = Lookup(
            self._reader, self._keys, values, self._pending, self._notes, self._stop
        )
        self._rows = Rows(run, values, self._pending, self._notes)
        self._run: WatchedRun | None = None
        self._writer: Writer | None = None

    # ------------------------------------------------------------ before the run

    def feed(self, feed: Feed, before: Journal | None) -> Feed:
        """Give the feed to use: one that looks items up, unless they failed in a run `before`."""
        if before is not None:
            self._pending.update(before._pending)
            self._before = before.id
            return feed
        self.recall = Recall(feed, self._find)
        return self.recall

    def begin(self, run: WatchedRun) -> None:
        """Write that the run begins.

        Raises
        ------
        JournalError
            Another run of the same function is writing to the file.
        """
        do, now = self._reader, time.time()
        try:
            with locks.starting:
                do.execute("BEGIN IMMEDIATE")
                try:
                    locks.refuse_second(do, self.path, self._print.digest)
                    self._register(do, now)
                    sort(do)
                    do.execute("COMMIT")
                except BaseException:
                    do.execute("ROLLBACK")
                    raise
                locks.going.add(self.id)
            known_files.add(self.path)
            writer = connect(self.path)
        except sqlite3.Error as error:
            raise JournalError(f"the journal {self.path} can't be written to: {error}") from error
        self._run, self._notes.wake = run, run.wake
        self._writer = Writer(writer, self._alive, self._stop)

    def _register(self, do: sqlite3.Connection, now: float) -> None:
        known = do.execute(
            "SELECT 1 FROM functions WHERE digest = ?", (self._print.digest,)
        ).fetchone()
        self._lookup.empty = known is None
        if known is None:
            changed = locks.what_changed(do, self._name, self._print.parts)
            if changed:
                self._notes.add(changed)
            row = (self._print.digest, self._name, json.dumps(self._print.parts), now)
            do.execute("INSERT INTO functions VALUES (?, ?, ?, ?)", row)
        do.execute(
            "INSERT INTO runs VALUES (?, ?, ?, ?, ?, NULL, NULL, ?, ?, ?, NULL)",
            (self.id, self._name, self._print.digest, now, now, *locks.here()),
        )
        do.execute(
            "INSERT INTO places SELECT ?, first, count, indices, keys FROM places WHERE run = ?",
            (self.id, self._before),
        )

    # ------------------------------------------------------------ while it goes on

    def _find(self, chunk: Chunk) -> dict[int, Any]:
        return {} if self.stopped else self._lookup.find(chunk)

    def observe(self, event: Event, state: RunState) -> None:
        """Take in the end of items before anybody else has their values."""
        if isinstance(event, Restored) and not self.stopped:
            self._put(self._rows.restored(event.chunk))
        elif isinstance(event, Finished) and not self.stopped:
            self._put(self._rows.finished(event.chunk, event.outcome))
        elif isinstance(event, RunEnded):
            self._end(event.reason)

    def _put(self, batch: Batch) -> None:
        if self._writer is not None:
            self._writer.put(batch)

    @property
    def stopped(self) -> bool:
        """Whether nothing more is read or written."""
        return self._writer is None or self._writer.error is not None

    def take_notes(self) -> list[str]:
        """Give the notes since the last call."""
        return self._notes.take()

    def flush(self) -> None:
        """Wait until all that ended is in the file."""
        if self._writer is not None:
            self._writer.flush()

    def _stop(self, error: Exception) -> None:
        """Keep nothing more: the disk is full, or the file is gone."""
        words = f"the journal stopped, what ends from now on is not kept: {error} ({self.path})"
        logging.getLogger("nbexec").error(words)
        self._notes.add(words, once="stopped")
        if self._writer is not None:
            self._writer.error = error  # last: whoever waits for the writer then sees the note

    def _alive(self, do: sqlite3.Connection) -> None:
        """Write a heartbeat with the run's numbers."""
        assert self._run is not None
        do.execute(
            "UPDATE runs SET seen = ?, stats = ? WHERE id = ?",
            (time.time(), json.dumps(asdict(self._run.stats)), self.id),
        )

    # ------------------------------------------------------------ its end

    def _end(self, reason: str) -> None:
        writer = self._writer
        locks.going.discard(self.id)
        self._keys.close()
        if writer is None:
            self._reader.close()
            return
        writer.close()
        with contextlib.suppress(sqlite3.Error):
            self._alive(self._reader)
            self._reader.execute(
                "UPDATE runs SET ended = ?, reason = ? WHERE id = ?",
                (time.time(), reason, self.id),
            )
        writer.connection.close()
        self._reader.close()
