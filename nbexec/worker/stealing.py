"""Work stealing: a worker process is asked, amid a chunk, to give back its pending items.

The kernel writes the number of a chunk into the worker's pipe.  A thread of the worker takes
the pending items out and acknowledges at once how many the worker keeps, however long the
current item takes: the others can go to another worker meanwhile.
"""

from __future__ import annotations

import contextlib
import os
import struct
import threading
from collections import deque
from collections.abc import Callable

from ..system import subinterpreter
from .chunk_state import SharedChunkState

_SERIAL = struct.Struct("<Q")
_PIECE = 64 * _SERIAL.size
END, STOP = 0, 2**64 - 1  # no chunk's numbers: stop listening; and stop all work
_REMEMBERED = 64  # chunks that ended: a request for one of them may be on its way


def pipe_of(folder: str, worker: int | str) -> str:
    """Give the name of a worker's pipe, from its process or `subinterpreter.worker`."""
    return os.path.join(folder, f"steal-{worker}")


def ask(folder: str, worker: int | str, serial: int) -> None:
    """Ask a worker for the pending items of a chunk; it may have exited or stopped listening."""
    with contextlib.suppress(OSError):
        pipe = os.open(pipe_of(folder, worker), os.O_WRONLY | os.O_NONBLOCK)
        try:
            os.write(pipe, _SERIAL.pack(serial))
        finally:
            os.close(pipe)


class StealListener:
    """The worker's end.

    Parameters
    ----------
    folder : str
        The kernel's.
    acknowledge : callable
        Called with the number of a chunk, and how many of its items are kept.
    """

    def __init__(self, folder: str, acknowledge: Callable[[int, int], None]) -> None:
        self._acknowledge = acknowledge
        self._begun: dict[int, tuple[SharedChunkState, int]] = {}  # with how many items
        self._ended: deque[int] = deque(maxlen=_REMEMBERED)
        self._given: set[int] = set()  # chunks that were given back before they came
        self._lock = threading.Lock()
        self._folder = folder
        path = pipe_of(folder, subinterpreter.worker())
        with contextlib.suppress(FileExistsError):
            os.mkfifo(path, 0o600)
        pipe = os.open(path, os.O_RDWR)  # opens at once, and never ends
        thread = threading.Thread(target=self._listen, args=(pipe,), name="nbexec-steal")
        thread.daemon = subinterpreter.daemons()
        thread.start()

    def close(self) -> None:
        """Stop listening."""
        ask(self._folder, subinterpreter.worker(), END)

    def begin(self, serial: int, chunk_state: SharedChunkState, items: int) -> bool:
        """Note that a chunk is about to begin; give whether it is still this worker's."""
        with self._lock:
            if serial in self._given:
                self._given.discard(serial)
                return False
            self._begun[serial] = chunk_state, items
            return True

    def end(self, serial: int) -> None:
        """Note that a chunk has ended."""
        with self._lock:
            self._begun.pop(serial, None)
            self._ended.append(serial)

    def give_back(self, serial: int) -> None:
        """Take out the pending items of a chunk, and acknowledge how many the worker keeps."""
        with self._lock:
            if serial in self._ended:  # its reply has all
                return
            kept = 0
            if serial in self._begun:
                chunk_state, items = self._begun[serial]
                kept = items - chunk_state.take_back(items)
            else:
                self._given.add(serial)
        self._acknowledge(serial, kept)

    def _listen(self, pipe: int) -> None:
        while True:
            for (serial,) in _SERIAL.iter_unpack(os.read(pipe, _PIECE)):
                if serial in (END, STOP):
                    os.close(pipe)
                    if serial == STOP:
                        self._stop()
                    return
                self.give_back(serial)

    def _stop(self) -> None:
        """Begin no more items, and interrupt the current one, where it runs Python code."""
        with self._lock:
            for chunk_state, items in self._begun.values():
                chunk_state.take_back(items)
            if self._begun:
                subinterpreter.interrupt()
