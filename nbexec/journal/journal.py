"""Journal: one run's use of a journal; it finds what is there and writes what ends."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import sqlite3
import sys
import time
from array import array
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from ..errors import JournalError
from ..items.feed import Feed
from ..model import Chunk, Error, Outcome, Task
from ..telemetry import wording
from ..telemetry.events import Event, Finished, Restored, RunEnded
from ..telemetry.observer import Observer, WatchedRun
from ..telemetry.state import RunState
from . import known_files, locks
from .code_fingerprint import CodePrint, Codes
from .database import connect, full_path, select, sort
from .fingerprint import SIZE, NoFingerprint, digest
from .recall import Occurrences, Recall
from .values import Values, read
from .writer import Batch, Writer


class Journal(Observer):
    """Finds values for a run before its items run, and keeps those that end.

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
        self._codes = Codes()
        self._print = self._fingerprint(task)
        self._reader = connect(self.path)
        self._values = Values(self._codes, self._load_class)
        self._occurrences = Occurrences()
        self._keys: dict[int, bytes] = {}  # of items that have not ended, and that failed
        self._before: str | None = None  # the run whose failed items this one runs again
        self._empty = True  # whether the journal has nothing of this function
        self._notes: list[str] = []
        self._told: set[str] = set()
        self._run: WatchedRun | None = None
        self._writer: Writer | None = None

    def _fingerprint(self, task: Task) -> CodePrint:
        try:
            found = self._codes.function(task.fn)
            setup = self._codes.function(task.setup) if task.setup is not None else None
        except NoFingerprint as error:
            raise JournalError(
                f"`{self._name}` can't be kept in a journal, since nobody could tell whether it "
                f"has changed: {error}. Make that inside the function or in setup=, or leave "
                "checkpoint= out"
            ) from error
        parts = dict(found.parts)
        pieces = [found.digest, bytes([task.star]), f"{sys.version_info[:2]}".encode()]
        if setup is not None:
            parts |= {f"in setup, {part}": its for part, its in setup.parts.items()}
            pieces.append(setup.digest)
        return CodePrint(digest(pieces), parts)

    # ------------------------------------------------------------ before the run

    def feed(self, feed: Feed, before: Journal | None) -> Feed:
        """Give the feed to use: one that looks items up, unless they failed in a run `before`."""
        if before is not None:
            self._keys, self._before = dict(before._keys), before.id
            return feed
        self.recall = Recall(feed, self)
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
        self._run = run
        self._writer = Writer(writer, self._alive, self._stop)

    def _register(self, do: sqlite3.Connection, now: float) -> None:
        known = do.execute(
            "SELECT 1 FROM functions WHERE digest = ?", (self._print.digest,)
        ).fetchone()
        self._empty = known is None
        if known is None:
            changed = locks.what_changed(do, self._name, self._print.parts)
            if changed:
                self.note(changed)
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

    # ------------------------------------------------------------ what is there

    def find(self, chunk: Chunk) -> dict[int, Any]:
        """Give the values that are there for items, by offset in the chunk."""
        if self.stopped:
            return {}
        keys = self._keys_of(chunk)
        self._keys.update(
            (index, key) for index, key in zip(chunk.indices, keys, strict=True) if key is not None
        )
        if self._empty:
            return {}
        found = self._load({key for key in keys if key is not None})
        return {offset: found[key] for offset, key in enumerate(keys) if key in found}

    def _keys_of(self, chunk: Chunk) -> list[bytes | None]:
        """Give what items are kept by: equal ones are told apart by which comes first."""
        made: dict[int, bytes] = {}
        for offset, item in enumerate(chunk.items):
            try:
                made[offset] = self._codes.item(item)
            except NoFingerprint as error:
                self.note(f"items run every time that have no fingerprint: {error}", once="items")
        keys: list[bytes | None] = [None] * len(chunk)
        counts = self._occurrences.count([*made.values()])
        start, make = self._print.digest, hashlib.blake2b
        for (offset, one), count in zip(made.items(), counts, strict=True):
            whole = start + one + count.to_bytes(8, "little")
            keys[offset] = make(whole, digest_size=SIZE).digest()
        return keys

    def _load(self, keys: set[bytes]) -> dict[bytes | None, Any]:
        found: dict[bytes | None, Any] = {}
        try:
            for row in select(self._reader, list(keys)):
                try:
                    found[row[0]] = read(self._reader, self._values, row)
                except (sqlite3.Error, MemoryError):
                    raise
                except Exception as error:
                    why = wording.one_line(f"{type(error).__name__}: {error}")
                    self.note(f"some values could not be read back, and run again: {why}", "read")
        except sqlite3.Error as error:
            self._stop(error)
        return found

    def _load_class(self, digest: bytes) -> bytes | None:
        query = "SELECT data FROM classes WHERE digest = ?"
        row = self._reader.execute(query, (digest,)).fetchone()
        return None if row is None else row[0]

    # ------------------------------------------------------------ what ends

    def observe(self, event: Event, state: RunState) -> None:
        """Take in the end of items before anybody else has their values."""
        if isinstance(event, Restored) and not self.stopped:
            self._put(Batch(places=list(self._places(event.chunk, list(range(len(event.chunk)))))))
        elif isinstance(event, Finished) and not self.stopped:
            self._put(self._batch(event.chunk, event.outcome))
        elif isinstance(event, RunEnded):
            self._end(event.reason)

    def _put(self, batch: Batch) -> None:
        if self._writer is not None:
            self._writer.put(batch)

    def _batch(self, chunk: Chunk, outcome: Outcome) -> Batch:
        batch = Batch(count=len(outcome.values))
        kept = []
        for at, value in enumerate(outcome.values):
            index = chunk.indices[at]
            error = outcome.errors.get(at)
            if error is not None and error.kind == "cancelled":
                continue  # it is missing, no more
            if error is not None:
                batch.failures.append(self._failure(chunk, at, outcome, error))
                continue
            key = self._keys.get(index)
            if key is None:
                continue
            try:
                batch.items.append((key, self._values.pack(value)))
            except Exception as failed:
                why = wording.one_line(f"{type(failed).__name__}: {failed}")
                self.note(f"some results can't be kept, and will run again: {why}", "values")
                del self._keys[index]
                continue
            kept.append(at)
        batch.classes = list(self._values.new_classes.items())
        self._values.new_classes.clear()
        batch.places = list(self._places(chunk, kept))
        return batch

    def _places(self, chunk: Chunk, kept: list[int]) -> Iterable[tuple[Any, ...]]:
        """Give the row that says which keys the indices have; they are not needed after."""
        indices = [chunk.indices[at] for at in kept]
        if not indices:
            return
        keys = b"".join(self._keys.pop(index) for index in indices)
        first, count = indices[0], len(indices)
        adjacent = indices[-1] - first == count - 1
        blob = None if adjacent else array("q", indices).tobytes()
        yield self.id, first, count, blob, keys

    def _failure(self, chunk: Chunk, at: int, outcome: Outcome, error: Error) -> tuple[Any, ...]:
        from ..serialize import pickling

        data = None
        with contextlib.suppress(Exception):
            data = pickling.dumps(error.exception)
        return (
            *(self.id, chunk.indices[at], wording.safe_repr(chunk.items[at]), data),
            f"{type(error.exception).__name__}: {wording.message(error.exception)}",
            *(error.traceback, outcome.worker, chunk.attempt, error.kind),
        )

    # ------------------------------------------------------------ the run goes on, and ends

    @property
    def stopped(self) -> bool:
        """Whether nothing more is read or written."""
        return self._writer is None or self._writer.error is not None

    def note(self, words: str, once: str | None = None) -> None:
        """Have something told with the run; with `once`, only the first of its kind."""
        if once is not None:
            if once in self._told:
                return
            self._told.add(once)
        self._notes.append(words)
        if self._run is not None:
            self._run.wake()

    def take_notes(self) -> list[str]:
        """Give what is to be told and was not yet."""
        notes, self._notes = self._notes, []
        return notes

    def flush(self) -> None:
        """Wait until all that ended is in the file."""
        if self._writer is not None:
            self._writer.flush()

    def _stop(self, error: Exception) -> None:
        """Keep nothing more: the disk is full, or the file is gone."""
        words = f"the journal stopped, what ends from now on is not kept: {error} ({self.path})"
        logging.getLogger("nbexec").error(words)
        self.note(words, once="stopped")
        if self._writer is not None:
            self._writer.error = error  # last: whoever waits for the writer then sees the note

    def _alive(self, do: sqlite3.Connection) -> None:
        assert self._run is not None
        do.execute(
            "UPDATE runs SET seen = ?, stats = ? WHERE id = ?",
            (time.time(), json.dumps(asdict(self._run.stats)), self.id),
        )

    def _end(self, reason: str) -> None:
        writer = self._writer
        locks.going.discard(self.id)
        self._occurrences.close()
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
