"""What an item does with memos: recorded in a worker, and done by the kernel in its turn.

In a worker an item sees a memo as it was when the loop's rest left, with what earlier items of
the same process have stored.  Of each key that it looks up it is recorded what it found: so the
kernel knows whether the item would have found the same in its turn.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import threading
import uuid
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, NoReturn

from ..analysis.aliases import TooLarge, reachable
from ..analysis.object_facts import dotted, frozen, immutable, read_once
from .effect_log import Log, Unsafe

Table = dict[Any, Any]
MISSING, BEFORE = "missing", "before"  # what was found: nothing, or what was there at first
_KEYS = (int, str, bytes, bool, type(None), float, complex)
_VALUES = {
    *("datetime.date", "datetime.datetime", "datetime.timedelta", "datetime.time"),
    *("decimal.Decimal", "fractions.Fraction", "uuid.UUID"),
    *("pathlib.PosixPath", "pathlib.PurePosixPath", "pathlib.WindowsPath"),
    *("pathlib._local.PosixPath", "pathlib._local.WindowsPath"),
}
_process = uuid.uuid4().hex
_numbers = itertools.count()
_here = threading.local()


class MemoRecord(NamedTuple):
    """What an item did with the memos of its loop.

    Attributes
    ----------
    token : str
        Stands for the item.
    reads : list of tuple
        The number of the memo, the key, and `MISSING`, `BEFORE` or the token of the item that
        had stored what was found.
    writes : list of tuple
        The number of the memo, the key, and what was stored last.
    """

    token: str
    reads: list[tuple[int, Any, str]]
    writes: list[tuple[int, Any, Any]]


class Again(NamedTuple):
    """Stands for the record of an item that only the kernel can run."""

    reason: str
    entries: tuple[Any, ...] = ()
    broke: bool = False
    away: bool = True
    unguarded: bool = False


class Kept:
    """What the items of one process have stored so far, and which of them."""

    def __init__(self) -> None:
        self._entries: dict[tuple[int, Any], tuple[str, Any]] = {}

    def found(self, number: int, key: Any) -> tuple[str, Any] | None:
        """Give the token of an item that has stored an entry, and the entry."""
        return self._entries.get((number, key))

    def add(self, record: MemoRecord) -> None:
        """Take in what an item has stored, now that it has ended."""
        for number, key, value in record.writes:
            self._entries[number, key] = record.token, value


def recorded(table: Any) -> Any:
    """Give what records the use of a memo by the item that runs here; else the memo itself.

    Examples
    --------
    >>> memo, log = {1: "one"}, Log()
    >>> with recording(MemoUse([memo], Kept(), log)) as use:
    ...     recorded(memo)[2] = "two"
    ...     1 in recorded(memo), recorded(memo).get(2), looked_up(memo, 2)
    (True, 'two', ({2: 'two'}, 2))
    >>> memo, use.record().writes
    ({1: 'one'}, [(0, 2, 'two')])
    """
    use: MemoUse | None = getattr(_here, "use", None)
    return table if use is None else use.of(table)


def looked_up(table: Any, key: Any) -> tuple[Any, Any]:
    """Give a dict in which a key is to be looked up, and the key: the memo itself, or a stand-in.

    Examples
    --------
    >>> looked_up({1: "one"}, 1)
    ({1: 'one'}, 1)
    """
    use: MemoUse | None = getattr(_here, "use", None)
    return (table if use is None else use.of(table).stand_in(key)), key


def used_here() -> list[Any]:
    """Give what the item that runs here has found of earlier ones, and can be changed."""
    use: MemoUse | None = getattr(_here, "use", None)
    return [] if use is None else use.used


@contextlib.contextmanager
def recording(use: MemoUse) -> Iterator[MemoUse]:
    """Have what this thread does with memos be recorded in a `with` block."""
    before = getattr(_here, "use", None)
    _here.use = use
    try:
        yield use
    finally:
        _here.use = before


class MemoUse:
    """The use of memos by one item.

    Parameters
    ----------
    tables : sequence of dict
        The memos.
    kept : Kept
        What earlier items of this process have stored.
    log : Log
        Takes in that the item can't be run here.

    Attributes
    ----------
    used : list
        What it found that earlier items of this process have stored, and can be changed.
    """

    def __init__(self, tables: Sequence[Table], kept: Kept, log: Log) -> None:
        self._tables = tables
        self._kept = kept
        self._log = log
        self._token = f"{_process}-{os.getpid()}-{next(_numbers)}"
        self._reads: dict[tuple[int, Any], tuple[str, Any]] = {}
        self._writes: list[Table] = [{} for _ in tables]
        self._views: dict[int, MemoView] = {}
        self.used: list[Any] = []

    def of(self, table: Any) -> Any:
        """Give the view of a memo."""
        found = self._views.get(id(table))
        if found is None:
            at = next((at for at, one in enumerate(self._tables) if one is table), None)
            if at is None:
                self._stop("it keeps what it has computed in another dict than before")
            found = self._views[id(table)] = MemoView(self, at)
        return found

    def record(self) -> MemoRecord:
        """Give what was done."""
        reads = [(number, key, source) for (number, key), (source, _) in self._reads.items()]
        writes = [
            (number, key, value)
            for number, written in enumerate(self._writes)
            for key, value in written.items()
        ]
        return MemoRecord(self._token, reads, writes)

    def find(self, number: int, key: Any) -> Any:
        """Give the entry at a key; `MISSING` where there is none."""
        self._check(key)
        written = self._writes[number]
        if key in written:
            return written[key]
        place = number, key
        if place not in self._reads:
            self._reads[place] = self._found(number, key)
        source, value = self._reads[place]
        return _NOTHING if source == MISSING else value

    def _found(self, number: int, key: Any) -> tuple[str, Any]:
        earlier = self._kept.found(number, key)
        if earlier is not None:
            if not frozen(earlier[1]):
                self._use(earlier[1])
            return earlier
        table = self._tables[number]
        if key not in table:
            return MISSING, None
        if type(table[key]) is tuple and not frozen(table[key]):
            self._stop("it finds a tuple, which would come back as another one")
        return BEFORE, table[key]

    def _use(self, value: Any) -> None:
        """Take in that what an earlier item has stored is used: it must not go back from here."""
        try:
            odd = type(value) is tuple or any(read_once(type(one)) for one in reachable([value]))
        except TooLarge:
            odd = True
        if odd:
            self._stop("it finds what an earlier item has stored, and reading it may change it")
        self.used.append(value)

    def store(self, number: int, key: Any, value: Any) -> None:
        """Store an entry."""
        self._check(key)
        self._writes[number][key] = value

    def _check(self, key: Any) -> None:
        """Stop where a key may be told from others by its identity, or by code of the user's."""
        kind = type(key)
        if _is_tuple(kind):
            for part in tuple.__iter__(key):
                self._check(part)
        elif not (kind in _KEYS or dotted(kind) in _VALUES or _is_number(kind)):
            self._stop(f"a {kind.__name__} is the key")
        elif key != key:
            self._stop("the key is no number")

    def _stop(self, reason: str) -> NoReturn:
        self._log.unsafe = reason
        raise Unsafe(reason)


def _is_tuple(kind: type) -> bool:
    """Whether two of them are equal where their parts are: a tuple, also with names."""
    if not issubclass(kind, tuple):
        return False
    names = ("__eq__", "__hash__", "__iter__")
    return all(getattr(kind, one) is getattr(tuple, one) for one in names)


def _is_number(kind: type) -> bool:
    """Whether it is a type of NumPy's numbers or texts."""
    return kind.__module__ == "numpy" and immutable(kind)


_NOTHING: Any = object()


class MemoView:
    """A memo as an item sees it: what a dict does with keys, and no more."""

    def __init__(self, use: MemoUse, number: int) -> None:
        self._use = use
        self._number = number

    def __contains__(self, key: Any) -> bool:
        return self._use.find(self._number, key) is not _NOTHING

    def stand_in(self, key: Any) -> Table:
        """Give a dict with the entry at a key, if there is one."""
        found = self._use.find(self._number, key)
        return {} if found is _NOTHING else {key: found}

    def get(self, key: Any, default: Any = None) -> Any:
        found = self._use.find(self._number, key)
        return default if found is _NOTHING else found

    def setdefault(self, key: Any, default: Any) -> Any:
        found = self._use.find(self._number, key)
        if found is _NOTHING:
            self._use.store(self._number, key, default)
            return default
        return found

    def __setitem__(self, key: Any, value: Any) -> None:
        self._use.store(self._number, key, value)
