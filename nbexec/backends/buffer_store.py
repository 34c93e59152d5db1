"""Shelf: what functions captured that is large, each in a file that is told by its contents.

An array that was sent once is not written again for the next run, by whatever name and in
whatever function it comes; one that changed is another one.  What no run uses stays for a
while, the latest first, as far as there is room.
"""

from __future__ import annotations

import pickle
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..serialize import pickling, task_file
from ..system import machine
from .scratch import keep, spool

LARGE = 1 << 20  # bytes; to tell a smaller one takes as long as to write it
ROOM = 1 / 16  # share of the memory that may be used, which files that no run uses may take
PATIENCE = 300.0  # seconds that such a file stays


@dataclass(eq=False)
class Kept:
    """A buffer's file."""

    path: Path
    size: int
    digest: bytes
    uses: int = 0  # runs


class Shelf:
    """The files of one folder.

    Parameters
    ----------
    room : int
        Bytes that may stay though no run uses them.
    """

    def __init__(self, room: int) -> None:
        self._room = room
        self._made = 0
        self._kept: OrderedDict[bytes, Kept] = OrderedDict()  # the last used at the end
        self._timer: threading.Timer | None = None
        self._lock = threading.RLock()

    def take(self, buffer: pickle.PickleBuffer) -> Kept:
        """Give the file that has what is in `buffer`, written now if there is none."""
        view = buffer.raw()
        digest = _digest(view)
        with self._lock:
            kept = self._kept.get(digest)
            if kept is None or not kept.path.exists():  # something may have tidied it away
                kept = self._write(view)
            self._kept[kept.digest] = kept
            self._kept.move_to_end(kept.digest)
            kept.uses += 1
            return kept

    def _write(self, view: memoryview) -> Kept:
        self._made += 1
        path = keep(f"shelf-{self._made}", lambda: (view,))
        # Another thread may have changed it since it was looked at: what counts is the file.
        digest = _digest(memoryview(pickling.mapped(path)))
        known = self._kept.get(digest)
        if known is not None and known.path.exists():
            path.unlink()
            return known
        return Kept(path, len(view), digest)

    def give_back(self, kept: Kept) -> None:
        """Note that a run has ended."""
        with self._lock:
            kept.uses -= 1
            self._tidy(self._room)
            if self._timer is not None:
                self._timer.cancel()
            self._timer = threading.Timer(PATIENCE, self.clear)
            self._timer.daemon = True
            self._timer.start()

    def clear(self) -> None:
        """Let all go that no run uses."""
        with self._lock:
            self._tidy(0)

    def _tidy(self, room: int) -> None:
        idle = [one for one in self._kept.values() if not one.uses]
        size = sum(one.size for one in idle)
        for one in idle:
            if size <= room:
                break
            size -= one.size
            del self._kept[one.digest]
            one.path.unlink(missing_ok=True)


def _digest(view: memoryview) -> bytes:
    """Give what tells these bytes from any others: 128 bits, at the speed of memory."""
    import xxhash

    return xxhash.xxh3_128_digest(view) + len(view).to_bytes(8, "little")


@dataclass
class Stored:
    """A task's file, and what it needs of the shelf."""

    file: Path
    shelf: Shelf
    kept: list[Kept] = field(default_factory=list)

    def drop(self) -> None:
        """Let it go."""
        self.file.unlink(missing_ok=True)
        for one in self.kept:
            self.shelf.give_back(one)
        self.kept.clear()


_shelves: dict[Path, Shelf] = {}
_lock = threading.Lock()


def shelf() -> Shelf:
    """Give this kernel's shelf."""
    folder = spool()
    with _lock:  # two of them would write the same files
        if folder not in _shelves:
            _shelves[folder] = Shelf(int(machine.memory_limit() * ROOM))
        return _shelves[folder]


def store(key: str, data: bytes, buffers: Sequence[pickle.PickleBuffer]) -> Stored:
    """Write a task's file, named `key`, its large buffers on the shelf."""
    stored = Stored(spool() / key, shelf())
    try:
        paths = []
        for one in buffers:
            kept = stored.shelf.take(one) if one.raw().nbytes >= LARGE else None
            stored.kept += [kept] if kept is not None else []
            paths.append(str(kept.path) if kept is not None else "")
        stored.file = keep(key, lambda: task_file.pieces(data, buffers, paths))
    except BaseException:
        stored.drop()
        raise
    return stored
