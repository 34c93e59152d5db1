"""Channel: a named pipe that takes the reports of a worker process to its kernel.

Its file descriptors 1 and 2 are that pipe, so that output of C code and of child processes
is captured, too, unless the worker is an interpreter of a process that is not its own.  The
output of Python code goes in frames that name the item.  The kernel empties the pipes: a
worker never has to, which it could not while C code holds the interpreter.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import struct
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from ..system import subinterpreter
from . import capture, streams
from .stealing import StealListener

MAGIC = b"\x1e\x00nbx"
HEADER = struct.Struct("<BQIH")  # kind, serial of the chunk, offset, bytes that follow
KINDS = ("begin", "stdout", "stderr", "progress", "begun", "returned", "issued")
ANNOUNCE = "announce"  # the pipe on which a new worker announces its own
PIECE = 4096 - len(MAGIC) - HEADER.size - 5  # bytes of what was issued, after `PART`
PART = struct.Struct("<I?")  # of which sender it is, and whether more comes
LARGEST = (4096 - len(MAGIC) - HEADER.size) // 6  # characters: PIPE_BUF bytes stay whole
_BEGIN, _RETURNED = KINDS.index("begin"), KINDS.index("returned")


def frame(kind: int, serial: int, offset: int, payload: bytes = b"") -> bytes:
    """Pack a frame."""
    return MAGIC + HEADER.pack(kind, serial, offset, len(payload)) + payload


class Channel:
    """The worker's end."""

    def __init__(self, folder: str) -> None:
        own = not subinterpreter.number  # whether this process is the worker's
        path = os.path.join(folder, f"reports-{subinterpreter.worker()}")
        with contextlib.suppress(FileExistsError):
            os.mkfifo(path, 0o600)
        pipe = os.open(path, os.O_RDWR)  # opens at once, and always has a reader
        # Raises where nobody reads it any more, rather than to wait for ever.
        announce = os.open(os.path.join(folder, ANNOUNCE), os.O_WRONLY | os.O_NONBLOCK)
        os.set_blocking(announce, True)
        try:
            os.write(announce, path.encode() + b"\n")
        finally:
            os.close(announce)
        self._to = 1 if own else pipe
        self._flush: Callable[[Any], Any] = _line_buffered() if own else lambda stream: None
        if own:
            _put_in_place(pipe)
            capture.kept_by_children = True
        streams.install()
        self.steal_listener = StealListener(folder, self._acknowledge)

    def begin(self, serial: int) -> None:
        """Say to which chunk unframed bytes belong from now on."""
        os.write(self._to, frame(_BEGIN, serial, 0))

    def _acknowledge(self, serial: int, kept: int) -> None:
        """Say how many items of a chunk the worker keeps, having given back the others."""
        os.write(self._to, frame(_RETURNED, serial, kept))

    def reporter(self, serial: int) -> capture.Report:
        """Give the function that reports for the items of a chunk."""

        def report(offset: int, stream: str, content: Any) -> None:
            if isinstance(content, bytes):
                self._send_parts(KINDS.index(stream), serial, offset, content)
                return
            text = _as_json(content) if stream == "progress" else content
            for at in range(0, max(1, len(text)), LARGEST):
                piece = text[at : at + LARGEST].encode("utf-8", "backslashreplace")
                os.write(self._to, frame(KINDS.index(stream), serial, offset, piece))

        return report

    def _send_parts(self, kind: int, serial: int, offset: int, data: bytes) -> None:
        """Send bytes in parts; the threads and child processes of an item may do so at once."""
        sender = (os.getpid() << 12 ^ threading.get_native_id()) & 0xFFFFFFFF
        for at in range(0, len(data), PIECE):
            more = at + PIECE < len(data)
            part = PART.pack(sender, more) + data[at : at + PIECE]
            os.write(self._to, frame(kind, serial, offset, part))

    def flush(self) -> None:
        """Send on the output that C code has buffered."""
        self._flush(None)

    def close(self) -> None:
        """Close it, in a process that goes on."""
        self.steal_listener.close()
        if self._to != 1:
            os.close(self._to)


def _as_json(content: Any) -> str:
    import json  # 1 ms of a worker's start, for few

    return json.dumps(content)


def _put_in_place(pipe: int) -> None:
    """Have `pipe` be standard output and error."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, OSError, ValueError):
            stream.flush()
    for number in (1, 2):
        os.dup2(pipe, number)
    os.close(pipe)


def _line_buffered() -> Callable[[Any], Any]:
    """Have C's stdout send each line at once, and give C's fflush."""
    try:
        libc = ctypes.CDLL(None)
        stdout = ctypes.c_void_p.in_dll(libc, "stdout")
        libc.setvbuf(stdout, None, 1, 0)  # _IOLBF is 1 with glibc and musl
        return libc.fflush
    except (OSError, ValueError, AttributeError):  # macOS names it otherwise
        return lambda stream: None


@functools.cache
def exit_with_parent(kernel: int) -> None:
    """End this worker when the kernel is gone, however that ended; its pool may wait for ever.

    `kernel` is its process id, from itself: it may be gone before this is called.
    """

    def watch() -> None:
        while os.getppid() == kernel:
            time.sleep(1.0)
        os._exit(1)

    threading.Thread(target=watch, name="nbexec-watch", daemon=True).start()


_channels: dict[str, Channel | None] = {}


def channel(folder: str) -> Channel | None:
    """Give this process's channel to the kernel that made `folder`; None where it can't be."""
    if folder not in _channels:
        _channels.clear()
        try:
            _channels[folder] = Channel(folder)
        except OSError:  # the kernel is gone, or on another machine
            _channels[folder] = None
    return _channels[folder]


def close_channels() -> None:
    """Close the channels of a worker that ends before its process does."""
    while _channels:
        _, one = _channels.popitem()
        if one is not None:
            one.close()
