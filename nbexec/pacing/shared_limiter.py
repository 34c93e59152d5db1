"""SharedLimiter: a limit that several processes keep together, in an SQLite file.

A row is a reserved start, and its `known` the time at which it was, or before that; NULL while
that isn't known.  Whoever is to start looks and reserves in one transaction.  The rows of a
process that has died count from when that is seen, and its lock goes with it.  Times are those of
`time.monotonic`, which begins anew with the machine: then rows only seem younger than they are.
"""

from __future__ import annotations

import itertools
import os
import sqlite3
import threading
import weakref
from collections.abc import Hashable
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import OptionError
from ..options.rates import Limit
from ..system import after_fork
from .limiter import POLL
from .windows import SLACK, Amounts

if TYPE_CHECKING:
    from collections.abc import Iterator

APPLICATION = 0x6E62726C  # "nbrl": marks an SQLite file as one of limits
PATIENCE = 30.0  # seconds that a look waits for another process's
SOON = 5.0  # seconds: no start is known to be further ahead
LOOK = 0.5  # seconds between two looks whether the owners of unknown starts live
KEYS = (str, int, float, bool, bytes, type(None))  # whose repr is the same in every process

SCHEMA = """
CREATE TABLE IF NOT EXISTS starts (
    id INTEGER PRIMARY KEY, name TEXT, key TEXT, unit TEXT, amount REAL, known REAL,
    pid INTEGER, born REAL, start INTEGER);
CREATE TABLE IF NOT EXISTS limits (name TEXT PRIMARY KEY, longest REAL);
CREATE INDEX IF NOT EXISTS starts_of_a_key ON starts (name, key, unit);
"""
LONGEST = """
INSERT INTO limits VALUES (?, ?)
ON CONFLICT (name) DO UPDATE SET longest = max(longest, excluded.longest)
"""
FORGET = """
DELETE FROM starts WHERE name = ? AND key = ?
AND known + (SELECT longest FROM limits WHERE limits.name = starts.name) <= ?
"""
USED = """
SELECT coalesce(sum(amount), 0), min(known) FROM starts
WHERE name = ? AND key = ? AND unit = ? AND (known IS NULL OR known + ? > ?)
"""


class SharedStart:
    """A start that this process has reserved."""

    def __init__(self) -> None:
        self.number = next(_numbers)
        self.at = float("inf")  # it was then, or before


class SharedLimiter:
    """A limit in a file.

    Parameters
    ----------
    limit : Limit
        With `shared`, the path.

    Raises
    ------
    OptionError
        The file can't be used.
    """

    def __init__(self, limit: Limit) -> None:
        self.rates = limit.rates
        self._name = limit.name or ""
        self._file = _file_of(Path(os.fspath(limit.shared or "")).expanduser().absolute())
        with self._file.transaction() as do:
            do.execute(LONGEST, (self._name, max(rate.seconds for rate in self.rates)))

    def free_at(self, key: Hashable, amounts: Amounts, now: float) -> float:
        """See `Limiting`."""
        with self._file.transaction() as do:
            return self._look(do, _text(key), amounts, now)

    def reserve(self, key: Hashable, amounts: Amounts, now: float) -> SharedStart | float:
        """See `Limiting`."""
        text = _text(key)
        with self._file.transaction() as do:
            at = self._look(do, text, amounts, now)
            if at > now:
                return at
            return self._add(do, text, amounts)

    def started(self, ticket: SharedStart, at: float) -> None:
        """See `Limiting`."""
        if at >= ticket.at:
            return
        ticket.at = at
        facts = at, ticket.number, *self._file.owner
        with self._file.transaction() as do:
            do.execute(
                "UPDATE starts SET known = ? WHERE start = ? AND pid = ? AND born = ?", facts
            )

    def correct(self, ticket: SharedStart, amounts: Amounts) -> None:
        """See `Limiting`."""
        with self._file.transaction() as do:
            for unit, amount in amounts.items():
                do.execute(
                    "UPDATE starts SET amount = ? "
                    "WHERE start = ? AND pid = ? AND born = ? AND unit = ?",
                    (amount, ticket.number, *self._file.owner, unit),
                )

    def _look(self, do: sqlite3.Connection, key: str, amounts: Amounts, now: float) -> float:
        """Give when to look again whether so much may start: `now` if it may."""
        self._file.bury(do, now)
        of = (self._name, key)
        do.execute(FORGET, (*of, now))
        at = now
        for rate in self.rates:
            facts = (*of, rate.unit, rate.seconds, now)
            used, first = do.execute(USED, facts).fetchone()
            if used + amounts.get(rate.unit, 0.0) > rate.most * (1 + SLACK):
                at = max(at, min(first, now) + rate.seconds if first is not None else now + POLL)
        # another process may change its mind, or end
        return at if at <= now else min(at, now + LOOK)

    def _add(self, do: sqlite3.Connection, key: str, amounts: Amounts) -> SharedStart:
        start = SharedStart()
        do.executemany(
            "INSERT INTO starts (name, key, unit, amount, known, pid, born, start) "
            "VALUES (?, ?, ?, ?, NULL, ?, ?, ?)",
            [
                (self._name, key, unit, amounts.get(unit, 0.0), *self._file.owner, start.number)
                for unit in {rate.unit for rate in self.rates}
            ],
        )
        return start


class LimitsFile:
    """The file, and this process's connection to it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._looked = 0.0
        self._open()
        after_fork.watch(self)

    def after_fork(self) -> None:
        """Open it anew: a child can't use its parent's connection, nor close it."""
        after_fork.keep(self._do)
        self._lock = threading.Lock()
        self._open()

    def _open(self) -> None:
        import psutil

        self.owner = os.getpid(), psutil.Process().create_time()
        self._do = _connect(self.path)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Have the file to oneself."""
        with self._lock:
            self._do.execute("BEGIN IMMEDIATE")
            try:
                yield self._do
                self._do.execute("COMMIT")
            except BaseException:
                self._do.execute("ROLLBACK")
                raise

    def bury(self, do: sqlite3.Connection, now: float) -> None:
        """Have unknown starts of processes that have died count from now on."""
        if now - self._looked < LOOK:
            return
        self._looked = now
        # those of before the machine was started anew
        do.execute("UPDATE starts SET known = ? WHERE known > ?", (now, now + SOON))
        owners = do.execute("SELECT DISTINCT pid, born FROM starts WHERE known IS NULL").fetchall()
        for pid, born in owners:
            if (pid, born) != self.owner and not _alive(pid, born):
                do.execute(
                    "UPDATE starts SET known = ? WHERE known IS NULL AND pid = ? AND born = ?",
                    (now, pid, born),
                )


def _alive(pid: int, born: float) -> bool:
    import psutil

    try:
        process = psutil.Process(pid)
        return bool(
            abs(process.create_time() - born) < 2.0 and process.status() != psutil.STATUS_ZOMBIE
        )
    except psutil.Error:
        return False


def _text(key: Hashable) -> str:
    parts = key if isinstance(key, tuple) else (key,)
    if all(isinstance(one, KEYS) for one in parts):
        return repr(key)
    raise OptionError(
        f"rate_key= gave {key!r}: with a shared limit it must be a string, a number or a tuple of "
        "these, which are the same in every process"
    )


def _connect(path: Path) -> sqlite3.Connection:
    try:
        do = sqlite3.connect(path, timeout=PATIENCE, isolation_level=None, check_same_thread=False)
        # in this order: a process that makes the file at this moment sets the id first
        (tables,) = do.execute("SELECT count(*) FROM sqlite_master").fetchone()
        (application,) = do.execute("PRAGMA application_id").fetchone()
        if tables and application != APPLICATION:
            do.close()
            raise OptionError(
                f"shared={str(path)!r} is a file of something else, and was left as it is: give "
                "another path"
            )
        do.execute("PRAGMA synchronous = OFF")  # only a machine that goes down loses what is there
        do.execute(f"PRAGMA application_id = {APPLICATION}")
        do.executescript(SCHEMA)
    except sqlite3.Error as error:
        raise OptionError(f"shared={str(path)!r} can't be used for a limit: {error}") from error
    return do


_numbers = itertools.count()
_files: weakref.WeakValueDictionary[str, LimitsFile] = weakref.WeakValueDictionary()
_opening = threading.Lock()
after_fork.renew(_opening)


def _file_of(path: Path) -> LimitsFile:
    real = os.path.realpath(path)
    with _opening:
        found = _files.get(real)
        if found is None:
            found = _files[real] = LimitsFile(path)
        return found
