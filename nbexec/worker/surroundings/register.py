"""The register: every entry that workers take on, and the user's own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

from . import interpreter_entries, library_entries, standard_entries, thread_entries
from .register_entry import Entry

BUILT_IN: tuple[Entry, ...] = (
    *interpreter_entries.ENTRIES,
    *standard_entries.ENTRIES,
    *library_entries.ENTRIES,
    *thread_entries.ENTRIES,
)
_by_name = {entry.name: entry for entry in BUILT_IN}
_carried: dict[str, Entry] = {}
_lock = threading.Lock()


def carry(name: str, read: Callable[[], Any] | None, write: Callable[[Any], None] | None) -> None:
    """Have workers take on something of this process that nbexec doesn't know of.

    Each run reads it here when it begins.  A worker process, or a Dask worker, reads it before
    the run's first item there, and sets it where it is another.  On threads and asyncio it is
    the kernel's own anyway.

    Parameters
    ----------
    name : str
        What it is; the same name again takes the place of what was there.
    read : callable
        Takes no argument, and gives the value: one that can be pickled, and compared with ``==``.
        None, for `write` too, takes back what was there.
    write : callable
        Takes such a value, and sets it.

    Raises
    ------
    ValueError
        `name` is that of an entry that nbexec has itself.
    TypeError
        `read` or `write` can't be called.

    Examples
    --------
    >>> import nbexec
    >>> class Units:
    ...     system = "metric"
    >>> def set_system(wanted):
    ...     Units.system = wanted
    >>> nbexec.carry("system of units", lambda: Units.system, set_system)
    >>> nbexec.carry("system of units", None, None)
    """
    if name in _by_name:
        raise ValueError(f"{name!r} is an entry that nbexec has itself: choose another name")
    if read is None and write is None:
        with _lock:
            _carried.pop(name, None)
        return
    for what, thing in (("read", read), ("write", write)):
        if not callable(thing):
            raise TypeError(f"{what} must be callable, not {thing!r}")
    assert read is not None  # as was just looked at
    assert write is not None
    with _lock:
        _carried[name] = Entry(name, read, write)


def entries() -> Iterator[Entry]:
    """Give all of them: those of the process first."""
    yield from BUILT_IN
    yield from [*_carried.values()]


def built_in(name: str) -> Entry | None:
    """Give an entry of nbexec's own; None where it is the user's."""
    return _by_name.get(name)
