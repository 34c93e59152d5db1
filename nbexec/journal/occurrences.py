"""Occurrences: a count of equal digests, which moves to a file where there are many."""

from __future__ import annotations

import sqlite3


class Occurrences:
    """Counts digests; beyond `held` of them, in a temporary file."""

    def __init__(self, held: int = 100_000) -> None:
        self._held = held
        self._counts: dict[int, int] = {}
        self._file: sqlite3.Connection | None = None

    def count(self, digests: list[bytes]) -> list[int]:
        """Give for each digest how many equal ones came before, and count them.

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
        """Delete the file."""
        if self._file is not None:
            self._file.close()
