"""Buffer store: content-addressed files of the large buffers that functions captured.

An array that was sent once is not written again for the next run, by whatever name and in
whatever function it comes; one that has changed gets a file of its own.  Files that no run
uses stay for a while, the latest first, as far as there is room.
"""

from __future__ import annotations

import pickle
import threading
from collections import OrderedDict
from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..serialize import block_files, task_file
from ..system import after_fork, machine
from .scratch import keep, scratch_folder

LARGE = 1 << 20  # bytes; to hash a smaller one takes as long as to write it
ROOM = 1 / 16  # share of the memory that may be used, which files that no run uses may take
PATIENCE = 300.0  # seconds that such a file stays


@dataclass(eq=False)
class StoredBuffer:
    """A buffer's file."""

    path: Path
    size: int
    digest: bytes
    uses: int = 0  # runs


class BufferStore:
    """The files of one folder.

    Parameters
    ----------
    room : int
        Bytes that may stay though no run uses them.
    """

    def __init__(self, room: int) -> None:
        self._room = room
        self._made = 0
        self._stored: OrderedDict[bytes, StoredBuffer] = OrderedDict()  # the last used at the end
        self._timer: threading.Timer | None = None
        self._lock = threading.RLock()

    def acquire(
        self,
        buffer: pickle.PickleBuffer,
        sort: str = "buffer",
        held: Container[StoredBuffer] = (),
    ) -> StoredBuffer:
        """Give the file with the contents of `buffer`, written now if there is none.

        `sort` is how its name begins then.  One of those `held` is acquired already.
        """
        view = buffer.raw()
        digest = _digest(view)
        with self._lock:
            stored = self._stored.get(digest)
            if stored is None or not stored.path.exists():  # something may have tidied it away
                stored = self._write(view, sort)
            self._stored[stored.digest] = stored
            self._stored.move_to_end(stored.digest)
            stored.uses += stored not in held
            return stored

    def _write(self, view: memoryview, sort: str) -> StoredBuffer:
        self._made += 1
        path = keep(f"{sort}-{self._made}", lambda: (view,))
        # Another thread may have changed it since it was hashed: the file counts.
        digest = _digest(memoryview(block_files.mapped(path)))
        known = self._stored.get(digest)
        if known is not None and known.path.exists():
            path.unlink()
            return known
        return StoredBuffer(path, len(view), digest)

    def release(self, stored: StoredBuffer) -> None:
        """Note that a run that had acquired `stored` has ended."""
        with self._lock:
            stored.uses -= 1
            self._tidy(self._room)
            if self._timer is not None:
                self._timer.cancel()
            self._timer = threading.Timer(PATIENCE, self.clear)
            self._timer.daemon = True
            self._timer.start()

    def clear(self) -> None:
        """Remove all files that no run uses."""
        with self._lock:
            self._tidy(0)

    def _tidy(self, room: int) -> None:
        idle = [one for one in self._stored.values() if not one.uses]
        size = sum(one.size for one in idle)
        for one in idle:
            if size <= room:
                break
            size -= one.size
            del self._stored[one.digest]
            one.path.unlink(missing_ok=True)


def _digest(view: memoryview) -> bytes:
    """Give a digest of these bytes: 128 bits, at the speed of memory, and their length."""
    import xxhash

    return xxhash.xxh3_128_digest(view) + len(view).to_bytes(8, "little")


@dataclass
class StoredTask:
    """A task's file, and the stored buffers that it refers to."""

    file: Path
    store: BufferStore
    buffers: list[StoredBuffer] = field(default_factory=list)

    def drop(self) -> None:
        """Remove the file, and release the buffers."""
        self.file.unlink(missing_ok=True)
        for one in self.buffers:
            self.store.release(one)
        self.buffers.clear()


_stores: dict[Path, BufferStore] = {}
_lock = threading.Lock()


def _forget() -> None:
    """Have a forked child make a store of its own."""
    global _stores, _lock
    after_fork.keep(_stores)
    _stores, _lock = {}, threading.Lock()


after_fork.add(_forget)


def shared_buffers() -> BufferStore:
    """Give this kernel's buffer store."""
    folder = scratch_folder()
    with _lock:  # two of them would write the same files
        if folder not in _stores:
            _stores[folder] = BufferStore(int(machine.memory_limit() * ROOM))
        return _stores[folder]


def store_task(
    key: str,
    data: bytes,
    buffers: Sequence[pickle.PickleBuffer],
    modules: pickle.PickleBuffer | None = None,
) -> StoredTask:
    """Write a task's file, named `key`, its large buffers in the store.

    So is what `modules` hold, which many tasks have in common.
    """
    task = StoredTask(scratch_folder() / key, shared_buffers())
    try:
        paths = []
        for one in buffers:
            stored = None
            if one is modules:
                stored = task.store.acquire(one, "modules")
            elif one.raw().nbytes >= LARGE:
                stored = task.store.acquire(one)
            task.buffers += [stored] if stored is not None else []
            paths.append(str(stored.path) if stored is not None else "")
        task.file = keep(key, lambda: task_file.pieces(data, buffers, paths))
    except BaseException:
        task.drop()
        raise
    return task
