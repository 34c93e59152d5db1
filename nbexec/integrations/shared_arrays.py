"""SharedArrays: large arrays among the arguments of calls, each in one file for all workers."""

from __future__ import annotations

import functools
import io
import pickle
import sys
import threading
from collections import Counter, OrderedDict
from typing import Any

from ..backends.buffer_store import BufferStore, StoredBuffer
from ..serialize import pickling
from .joblib_calls import mapped_array

LARGE = 1 << 16  # bytes; as `pickling.LARGE`: smaller ones are sent with each call
IDLE = 1 << 27  # bytes of files that no call needs, which are kept for calls to come


class SharedArrays:
    """Packs arguments, whose large arrays go into files that workers map.

    An array is known by its contents, so one that changed between two calls is sent anew.

    Parameters
    ----------
    store : BufferStore
        Has the files.
    larger : int or None
        Bytes; an array with more may not be written to.  None is no number.
    shares : bool
        Whether workers can map the files; else all is sent with each call.
    idle : int
        Bytes of files that no call needs, which are kept for calls to come.
    """

    def __init__(
        self, store: BufferStore, larger: int | None, shares: bool = True, idle: int = IDLE
    ) -> None:
        self._store = store
        self._shares = shares
        self._larger = sys.maxsize if larger is None else larger
        self._most_idle = idle
        self._uses: Counter[StoredBuffer] = Counter()
        self._idle: OrderedDict[StoredBuffer, None] = OrderedDict()  # the last used at the end
        self._files: list[StoredBuffer] = []  # of what is being packed
        self._lock = threading.Lock()

    def pack(self, arguments: Any, files: list[StoredBuffer]) -> bytes:
        """Pickle the arguments of one call; `files` are those that it needs, too.

        Raises
        ------
        Exception
            What pickle raises where that can't be.
        """
        with self._lock, io.BytesIO() as file:
            self._files = files
            made = _pickler()(file, protocol=5)
            made.arrays = self
            made.dump(arguments)
            return file.getvalue()

    def reduction(self, array: Any) -> Any:
        """Give how an array is pickled; None where it isn't a large one."""
        if not self._shares or array.nbytes < LARGE:
            return None
        if array.dtype.hasobject or array.dtype.names:
            return None
        if not (array.flags.c_contiguous or array.flags.f_contiguous):
            array = array.copy(order="C")  # as a pickle of it has it
        held = {*self._uses, *self._idle}
        stored = self._store.acquire(pickle.PickleBuffer(array), held=held)
        self._idle.pop(stored, None)
        self._uses[stored] += 1
        self._files.append(stored)
        writable = array.nbytes <= self._larger
        order = "C" if array.flags.c_contiguous else "F"
        return mapped_array, (str(stored.path), array.dtype, array.shape, order, writable)

    def release(self, files: list[StoredBuffer]) -> None:
        """Take in that a call that needed these files has ended."""
        with self._lock:
            for stored in files:
                self._uses[stored] -= 1
                if not self._uses[stored]:
                    del self._uses[stored]
                    self._idle[stored] = None
            self._tidy(self._most_idle)

    def _tidy(self, most: int) -> None:
        while self._idle and sum(one.size for one in self._idle) > most:
            self._store.release(self._idle.popitem(last=False)[0])

    def close(self) -> None:
        """Let go of the files."""
        with self._lock:
            self._idle.update(dict.fromkeys(self._uses))
            self._uses.clear()
            self._tidy(0)


@functools.cache
def _pickler() -> Any:
    """Give nbexec's pickler, but for large arrays."""

    class Pickler(pickling.pickler()):  # type: ignore[misc]  # made at its first use
        arrays: SharedArrays

        def __init__(self, *args: Any, **named: Any) -> None:
            super().__init__(*args, **named)
            numpy = sys.modules.get("numpy")
            self.kinds = () if numpy is None else (numpy.ndarray, numpy.memmap)

        def reducer_override(self, thing: Any) -> Any:
            kind = type(thing)
            if kind in self.kinds:
                reduced = self.arrays.reduction(thing)
                if reduced is not None:
                    return reduced
            elif kind in self.plain:  # as most: spares a call
                return NotImplemented
            return super().reducer_override(thing)

    return Pickler
