"""The database file of a journal: made with mode 0600, checked when opened, never overwritten."""

from __future__ import annotations

import os
import sqlite3
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import JournalError
from ..system import after_fork

APPLICATION = 0x6E626578  # "nbex": marks an SQLite file as ours
VERSION = 1  # of the tables below
CHECKED = 1 << 26  # bytes; a file up to this is checked whole: about 0.1 s
PATIENCE = 30.0  # seconds that a write waits for another process's

# A value is in `data`, or in `pieces` where it is large.  Items are only ever appended: `found`,
# the index of keys, is updated when a run begins, sorted, since random keys one by one cost
# 40 µs each once there are a million.  A run's `places` map indices to keys, many in a row.
SCHEMA = """
CREATE TABLE functions (
    digest BLOB PRIMARY KEY, name TEXT, parts TEXT, begun REAL);
CREATE TABLE items (
    id INTEGER PRIMARY KEY, key BLOB, form INTEGER, size INTEGER, crc INTEGER, data BLOB);
CREATE TABLE found (key BLOB PRIMARY KEY, item INTEGER) WITHOUT ROWID;
CREATE TABLE sorted (up_to INTEGER);
CREATE TABLE pieces (key BLOB, number INTEGER, data BLOB, PRIMARY KEY (key, number));
CREATE TABLE classes (digest BLOB PRIMARY KEY, data BLOB);
CREATE TABLE runs (
    id TEXT PRIMARY KEY, name TEXT, function BLOB, began REAL, seen REAL, ended REAL,
    reason TEXT, host TEXT, pid INTEGER, born REAL, stats TEXT);
CREATE TABLE places (run TEXT, first INTEGER, count INTEGER, indices BLOB, keys BLOB);
CREATE TABLE failures (
    run TEXT, place INTEGER, item TEXT, exception BLOB, message TEXT, traceback TEXT,
    worker TEXT, attempt INTEGER, kind TEXT, PRIMARY KEY (run, place));
CREATE INDEX places_of_a_run ON places (run);
"""


class Journalled(sqlite3.Connection):
    """A connection that is known as long as it is open."""

    real = ""  # path of its file

    def close(self) -> None:
        super().close()
        _open.discard(self)


_open: weakref.WeakSet[Journalled] = weakref.WeakSet()
_inherited: set[str] = set()  # what the parent had open: SQLite takes its locks for the child's


def _inherit() -> None:
    after_fork.keep(*_open)
    _inherited.update(one.real for one in _open)
    _open.clear()


after_fork.add(_inherit)


def full_path(path: str | os.PathLike[str]) -> Path:
    """Give the path as it is from every folder."""
    return Path(path).expanduser().absolute()


def connect(path: Path, create: bool = True) -> sqlite3.Connection:
    """Open a journal.

    Parameters
    ----------
    path : Path
        Its file.
    create : bool
        Whether to make one where there is no file.

    Raises
    ------
    JournalError
        There is none, it can't be opened, or it is not a journal that this version knows.
    """
    real = os.path.realpath(path)
    if real in _inherited:
        raise JournalError(
            f"{path} was open in process {os.getppid()} when it forked this one, which can't use "
            "it: give checkpoint= another path"
        )
    if create:
        _create(path)
    elif not path.exists():
        raise JournalError(f"there is no journal {path}")
    uri = path.as_uri() + "?mode=rw"
    try:
        connection = sqlite3.connect(
            uri,
            uri=True,
            timeout=PATIENCE,
            isolation_level=None,
            check_same_thread=False,
            factory=Journalled,
        )
        connection.real = real
        _open.add(connection)
    except sqlite3.Error as error:
        raise JournalError(f"the journal {path} can't be opened: {error}") from error
    try:
        _check(connection, path)
        _set_up(connection)
    except sqlite3.Error as error:
        connection.close()
        raise JournalError(_unusable(path, error)) from error
    except JournalError:
        connection.close()
        raise
    return connection


def _create(path: Path) -> None:
    """Make an empty file, readable by its owner alone; SQLite makes those beside it alike."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        if not path.is_file():
            raise JournalError(
                f"checkpoint={str(path)!r} is not a file: give a path of one"
            ) from None
    except OSError as error:
        raise JournalError(f"the journal {path} can't be made: {error.strerror}") from error


def _check(connection: sqlite3.Connection, path: Path) -> None:
    application, version = (
        _one(connection, f"PRAGMA {of}") for of in ("application_id", "user_version")
    )
    tables = _one(connection, "SELECT count(*) FROM sqlite_master")
    if application == 0 and tables == 0:
        return
    if application != APPLICATION:
        raise JournalError(
            f"{path} is an SQLite file, but not a journal of nbexec: it was left as it is; "
            "give checkpoint= another path"
        )
    if version > VERSION:
        raise JournalError(
            f"{path} was written by a newer nbexec (version {version} of the format, this one "
            f"knows {VERSION}): install that, or give checkpoint= another path"
        )
    if path.stat().st_size <= CHECKED:
        found = _one(connection, "PRAGMA quick_check(1)")
        if found != "ok":
            raise JournalError(_unusable(path, found))


def _set_up(connection: sqlite3.Connection) -> None:
    """Set the write mode; make the tables if there are none."""
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")  # a lost commit costs a rerun
    connection.execute(f"PRAGMA mmap_size = {CHECKED}")
    if _one(connection, "SELECT count(*) FROM sqlite_master"):
        return
    connection.execute("BEGIN IMMEDIATE")
    if not _one(connection, "SELECT count(*) FROM sqlite_master"):  # nobody was quicker
        for statement in SCHEMA.split(";"):
            connection.execute(statement)
        connection.execute("INSERT INTO sorted VALUES (0)")
        connection.execute(f"PRAGMA application_id = {APPLICATION}")
        connection.execute(f"PRAGMA user_version = {VERSION}")
    connection.execute("COMMIT")


def sort(connection: sqlite3.Connection) -> None:
    """Update the index of keys, within a transaction.  Of equal keys the last item counts."""
    connection.execute(
        "INSERT OR REPLACE INTO found SELECT key, id FROM items "
        "WHERE id > (SELECT up_to FROM sorted) ORDER BY key, id"
    )
    connection.execute("UPDATE sorted SET up_to = (SELECT coalesce(max(id), 0) FROM items)")


def select(connection: sqlite3.Connection, keys: list[bytes]) -> sqlite3.Cursor:
    """Give a row for each key that has an item: key, form, size, crc and data."""
    return connection.execute(
        "SELECT items.key, form, size, crc, data FROM found JOIN items ON items.id = found.item "
        f"WHERE found.key IN ({', '.join('?' * len(keys))})",
        keys,
    )


def load_class(connection: sqlite3.Connection) -> Callable[[bytes], bytes | None]:
    """Give a function that gives the pickle of a class by its digest, or None."""

    def load(digest: bytes) -> bytes | None:
        query = "SELECT data FROM classes WHERE digest = ?"
        row = connection.execute(query, (digest,)).fetchone()
        return None if row is None else row[0]

    return load


def _one(connection: sqlite3.Connection, query: str) -> Any:
    return connection.execute(query).fetchone()[0]


def _unusable(path: Path, why: object) -> str:
    return (
        f"{path} is no journal of nbexec, or it is damaged ({why}): it was left as it is; "
        "move it away, or give checkpoint= another path"
    )
