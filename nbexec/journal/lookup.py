"""Lookup: reads the values that a journal has of a run's items."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

from ..model import Chunk
from ..telemetry import wording
from .database import select
from .keys import ItemKeys
from .notes import Notes
from .values import Values, read


class Lookup:
    """Gives the known values of chunks.

    Parameters
    ----------
    connection : sqlite3.Connection
        Used by the run's loop alone.
    keys : ItemKeys
        Makes the keys.
    values : Values
        Unpickles.
    pending : dict of int to bytes
        Gets the key of each item that was looked up, by its index.
    notes : Notes
        Where a value that can't be read is noted.
    stop : callable
        Called with an error of the file: nothing more can be read or written.

    Attributes
    ----------
    empty : bool
        Whether the journal has no item of this function.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        keys: ItemKeys,
        values: Values,
        pending: dict[int, bytes],
        notes: Notes,
        stop: Callable[[Exception], None],
    ) -> None:
        self.empty = True
        self._connection = connection
        self._keys = keys
        self._values = values
        self._pending = pending
        self._notes = notes
        self._stop = stop

    def find(self, chunk: Chunk) -> dict[int, Any]:
        """Give the known values of a chunk's items, by offset in the chunk."""
        keys = self._keys.of(chunk)
        self._pending.update(
            (index, key) for index, key in zip(chunk.indices, keys, strict=True) if key is not None
        )
        if self.empty:
            return {}
        found = self._load({key for key in keys if key is not None})
        return {offset: found[key] for offset, key in enumerate(keys) if key in found}

    def _load(self, keys: set[bytes]) -> dict[bytes | None, Any]:
        found: dict[bytes | None, Any] = {}
        try:
            for row in select(self._connection, list(keys)):
                try:
                    found[row[0]] = read(self._connection, self._values, row)
                except (sqlite3.Error, MemoryError):
                    raise
                except Exception as error:
                    why = wording.one_line(f"{type(error).__name__}: {error}")
                    words = f"some values could not be read back, and run again: {why}"
                    self._notes.add(words, once="read")
        except sqlite3.Error as error:
            self._stop(error)
        return found
