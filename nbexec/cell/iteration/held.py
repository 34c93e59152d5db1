"""Held: what stands in another process for a large container, with the entries of items alone.

Each item brings the entries that it reads.  What else is asked for only the kernel knows.
"""

from __future__ import annotations

import contextlib
import threading
import types
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ...errors import PickleError
from ..analysis.object_facts import is_plain
from .effect_log import Unsafe
from .set_order import REASON, disordered


class Missing:
    """Stands for an entry that isn't there."""


class Entries(Protocol):
    """A container of which items read their own entries."""

    def of(self, at: int, missing: Any = None) -> dict[Any, Any]:
        """Give those of the item at a position, by their keys; what isn't there is `missing`."""


@dataclass(frozen=True, slots=True)
class Brought:
    """An item that brings entries with it, where it is sent to another process."""

    item: Any
    at: int
    reads: Sequence[Entries]

    def __repr__(self) -> str:
        return repr(self.item)

    def __reduce__(self) -> Any:
        entries = [read.of(self.at, Missing) for read in self.reads]
        if disordered(entries):
            raise PickleError(REASON)
        return Carried, (self.item, entries)


@dataclass(frozen=True, slots=True)
class Carried:
    """Such an item in the other process."""

    item: Any
    entries: list[dict[Any, Any]]

    def __repr__(self) -> str:
        return repr(self.item)


class Held:
    """Has the entries of the items that are being done.

    Parameters
    ----------
    name : str
        The name of the container.
    rows : bool
        Whether it is an array, of which each look gives another view.

    Examples
    --------
    >>> held = Held("big")
    >>> held.add({3: "three", 4: Missing})
    >>> held[3], held.get(3), held.get(4), 4 in held
    ('three', 'three', None, False)
    """

    def __init__(self, name: str, rows: bool = False) -> None:
        self.name = name
        self.rows = rows
        self.strayed: set[int] = set()  # threads that asked for something else
        self._entries: dict[Any, Any] = {}
        self._users: Counter[Any] = Counter()
        self._lock = threading.Lock()

    def __reduce__(self) -> Any:
        return Held, (self.name, self.rows)

    # ------------------------------------------------------------ called by the user's code

    def __getitem__(self, key: Any) -> Any:
        if self.rows and type(key) is tuple:
            return self._in_row(*key)
        found = self._found(key)
        if found is Missing:
            self._stray()
        return found[...] if self.rows and is_plain(found) else found

    def _in_row(self, key: Any, *places: Any) -> Any:
        """Give what is at some places of a row, as ``array[key, places]``."""
        if not all(type(one) in (int, slice) for one in places):
            self._stray()
        try:
            return self._found(key)[places]
        except (IndexError, TypeError):  # it is told of the whole array
            self._stray()

    def get(self, key: Any, default: Any = None) -> Any:
        """Do as a dict does."""
        found = self._found(key)
        return default if found is Missing else found

    def __contains__(self, key: Any) -> bool:
        return self._found(key) is not Missing

    def _found(self, key: Any) -> Any:
        try:
            return self._entries[key]
        except (KeyError, TypeError):
            self._stray()

    def _stray(self) -> None:
        self.strayed.add(threading.get_ident())
        raise Unsafe(f"it looks up in `{self.name}` what isn't there, or not its own")

    # ------------------------------------------------------------ called by iterations

    def add(self, entries: dict[Any, Any]) -> None:
        """Take in the entries of an item; one that another item has brought is kept."""
        with self._lock:
            for key, one in entries.items():
                self._entries.setdefault(key, one)
                self._users[key] += 1

    def remove(self, entries: dict[Any, Any]) -> None:
        """Let go of the entries of an item."""
        with self._lock:
            for key in entries:
                self._users[key] -= 1
                if not self._users[key]:
                    del self._users[key], self._entries[key]

    def pairs(self) -> list[tuple[Any, Any]]:
        """Give the keys and the entries that are there."""
        with self._lock:
            return [(key, one) for key, one in self._entries.items() if one is not Missing]


@dataclass(frozen=True)
class HeldCode:
    """The code that reads from `Held` objects: it is sent in the place of what runs here.

    Attributes
    ----------
    body : function
        The body of the loop.
    block : function or None
        The body as a loop itself.
    holders : tuple of Held
        What stands for each container.
    codes : dict
        The code of functions that the body calls, by their ids.
    """

    body: types.FunctionType
    block: types.FunctionType | None
    holders: tuple[Held, ...]
    codes: dict[int, types.CodeType] = field(default_factory=dict)

    def __nbexec_instead__(self) -> dict[int, types.CodeType]:
        """Give the code that is sent in the place of functions' own."""
        return self.codes

    def __reduce__(self) -> Any:
        return HeldCode, (self.body, self.block, self.holders)

    @contextlib.contextmanager
    def holding(self) -> Iterator[Callable[[Iterable[Any]], None]]:
        """Give what takes in the entries of items, until the `with` block ends."""
        taken: list[Carried] = []

        def hold(items: Iterable[Any]) -> None:
            for one in items:
                if type(one) is Carried:
                    taken.append(one)
                    for holder, entries in zip(self.holders, one.entries, strict=True):
                        holder.add(entries)

        try:
            yield hold
        finally:
            for one in taken:
                for holder, entries in zip(self.holders, one.entries, strict=True):
                    holder.remove(entries)

    def strayed(self) -> str:
        """Say what this thread asked for that no item has brought, since this was last called."""
        here, found = threading.get_ident(), ""
        for one in self.holders:
            if here in one.strayed:
                one.strayed.discard(here)
                found = f"it looks up in `{one.name}` what isn't there, or not its own"
        return found
