"""Past runs of a journal: a row for each, its failures, and its values one by one."""

from __future__ import annotations

import contextlib
import sqlite3
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import JournalError
from ..model import Failure
from .code_fingerprint import Codes
from .database import connect, load_class, select, sort
from .fingerprint import SIZE
from .locks import is_going
from .values import Values, loads, read

AT_ONCE = 500  # values that are looked up together


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    connection = connect(path, create=False)
    try:
        yield connection
    except sqlite3.Error as error:
        raise JournalError(f"the journal {path} can't be read: {error}") from error
    finally:
        connection.close()


def runs(path: Path) -> list[tuple[str, str, float, str, str | None]]:
    """Give id, name, beginning (Unix time), end in a word, and numbers (JSON) of each run."""
    with _opened(path) as do:
        rows = do.execute(
            "SELECT id, name, began, reason, seen, host, pid, born, stats FROM runs"
        ).fetchall()
    found = []
    for id, name, began, reason, seen, host, pid, born, stats in rows:
        ended = reason or ("running" if is_going(id, seen, host, pid, born) else "died")
        found.append((id, name, began, ended, stats))
    return found


class Shown:
    """Stands for an item of which only its text was kept."""

    def __init__(self, shown: str) -> None:
        self._shown = shown

    def __repr__(self) -> str:
        return self._shown


def failures(path: Path, run: str) -> list[Failure]:
    """Give the failures of a run; an exception that can't be unpickled is a `JournalError`."""
    with _opened(path) as do:
        rows = do.execute(
            "SELECT place, item, exception, message, traceback, worker, attempt, kind "
            "FROM failures WHERE run = ? ORDER BY place",
            (run,),
        ).fetchall()
    found = []
    for place, item, data, message, trace, worker, attempt, kind in rows:
        error: BaseException = JournalError(message)
        with contextlib.suppress(Exception):
            error = loads(data)
        found.append(Failure(place, Shown(item), error, trace, worker, attempt, kind, run=run))
    return found


def values(path: Path, run: str) -> Iterator[tuple[int, Any]]:
    """Give index and value of each finished item, in the order of their ends."""
    with _opened(path) as do:
        do.execute("BEGIN IMMEDIATE")
        sort(do)
        do.execute("COMMIT")
        unpacking = Values(Codes(), load_class(do))
        places = do.execute("SELECT first, count, indices, keys FROM places WHERE run = ?", (run,))
        for first, count, indices, keys in places:
            where = range(first, first + count) if indices is None else array("q", indices)
            for start in range(0, count, AT_ONCE):
                part = where[start : start + AT_ONCE]
                some = keys[SIZE * start : SIZE * (start + len(part))]
                yield from _read(do, unpacking, part, some)


def _read(
    do: sqlite3.Connection, unpacking: Values, indices: Any, keys: bytes
) -> Iterator[tuple[int, Any]]:
    """Give the values of some items; `keys` are theirs, joined."""
    split = [keys[at : at + SIZE] for at in range(0, len(keys), SIZE)]
    rows = {row[0]: row for row in select(do, split)}
    for index, key in zip(indices, split, strict=True):
        if key in rows:
            yield index, read(do, unpacking, rows[key])
