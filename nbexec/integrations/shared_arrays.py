"""SharedArrays: large arrays among the arguments of calls, each in one file for all workers."""

from __future__ import annotations

import functools
import pickle
import sys
from typing import Any

from ..backends.buffer_store import BufferStore, StoredBuffer
from ..serialize import pickling
from .joblib_calls import PackedArguments, mapped_array


class SharedArrays:
    """Packs arguments, whose large arrays go into files that workers map.

    An array is known by its contents, so one that changed between two calls is sent anew.

    Parameters
    ----------
    store : BufferStore
        Has the files.
    larger : int or None
        Bytes; an array with more goes into a file.  None sends all with the call.
    writable : bool
        Whether a call may write to its copy.
    """

    def __init__(self, store: BufferStore, larger: int | None, writable: bool) -> None:
        self._store = store
        self._larger = sys.maxsize if larger is None else larger
        self._writable = writable
        self._held: set[StoredBuffer] = set()

    def pack(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], label: str = ""
    ) -> PackedArguments:
        """Pickle the arguments of one call.

        Raises
        ------
        Exception
            What pickle raises where that can't be.
        """
        data = pickling.dumped(_pickler(), (args, kwargs), None, self._lend)
        return PackedArguments(data, label)

    def _lend(self, made: Any) -> None:
        made.arrays = self

    def reduction(self, array: Any) -> Any:
        """Give how an array is pickled; None where it isn't a large one."""
        if array.nbytes <= self._larger or array.dtype.hasobject or array.dtype.names:
            return None
        flags = array.flags
        if not (flags.c_contiguous or flags.f_contiguous):
            return None
        stored = self._store.acquire(pickle.PickleBuffer(array), held=self._held)
        self._held.add(stored)
        order = "C" if flags.c_contiguous else "F"
        return mapped_array, (str(stored.path), array.dtype, array.shape, order, self._writable)

    def close(self) -> None:
        """Let go of the files."""
        while self._held:
            self._store.release(self._held.pop())


@functools.cache
def _pickler() -> Any:
    """Give nbexec's pickler, but for large arrays."""

    class Pickler(pickling.pickler()):  # type: ignore[misc]  # made at its first use
        arrays: SharedArrays

        def reducer_override(self, thing: Any) -> Any:
            numpy = sys.modules.get("numpy")
            if numpy is not None and type(thing) in (numpy.ndarray, numpy.memmap):
                reduced = self.arrays.reduction(thing)
                if reduced is not None:
                    return reduced
            return super().reducer_override(thing)

    return Pickler
