"""Listener: reads the reports of the worker processes of this machine while they run."""

from __future__ import annotations

import codecs
import contextlib
import errno
import json
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..system import after_fork
from ..worker.capture import Clip
from ..worker.channel import ANNOUNCE, HEADER, KINDS, MAGIC, PART
from ..worker.stealing import pipe_of
from .scratch import scratch_folder

EVERY = 0.05  # seconds between two looks: output is seen at once, at little cost
PIECE = 1 << 16  # bytes: what a pipe holds
PIECES = 16  # that are read from one pipe at a time

Report = Callable[[int | None, str, Any], None]  # offset, stream, content
Dispatch = Callable[[int, int | None, str, Any], None]  # of the chunk with a number, these


class Pipe:
    """One worker's pipe: bytes in, reports out."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.file = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self._data = b""
        self.serial = 0  # of the chunk to which unframed bytes belong
        self._clip = Clip()  # of unframed ones
        self._parts: dict[tuple[int, int], list[bytes]] = {}  # of what was issued, so far
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode

    def read(self, dispatch: Dispatch) -> int | None:
        """Read once; give how many bytes there were, or None at the end."""
        try:
            data = os.read(self.file, PIECE)
        except BlockingIOError:
            return 0
        if not data:
            return None
        self._data += data
        self._parse(dispatch)
        return len(data)

    def _parse(self, dispatch: Dispatch) -> None:
        data, at = self._data, 0
        while True:
            start = data.find(MAGIC, at)
            raw = data[at:start] if start >= 0 else data[at : len(data) - _overlap(data)]
            if raw:
                self._unframed(raw, dispatch)
                at += len(raw)
            begun = start + len(MAGIC)
            if start < 0 or len(data) < begun + HEADER.size:
                break
            kind, serial, offset, size = HEADER.unpack_from(data, begun)
            end = begun + HEADER.size + size
            if len(data) < end:
                break
            self._framed(KINDS[kind], serial, offset, data[end - size : end], dispatch)
            at = end
        self._data = data[at:]

    def _unframed(self, raw: bytes, dispatch: Dispatch) -> None:
        """Report output of C code."""
        now = self._clip.now("stdout", self._decode(raw))
        if now:
            dispatch(self.serial, None, "stdout", now)

    def _framed(
        self,
        kind: str,
        serial: int,
        offset: int,
        payload: bytes,
        dispatch: Dispatch,
    ) -> None:
        if kind == "begin":
            self.end(dispatch)
            self.serial = serial
        elif kind == "progress":
            dispatch(serial, offset, kind, json.loads(payload))
        elif kind == "issued":
            sender, more = PART.unpack_from(payload)
            parts = self._parts.setdefault((serial, sender), [])
            parts.append(payload[PART.size :])
            if not more:
                dispatch(serial, offset, kind, b"".join(parts))
                del self._parts[serial, sender]
        else:
            dispatch(serial, offset, kind, payload.decode("utf-8", "replace"))

    def end(self, dispatch: Dispatch) -> None:
        """Report the output of C code that was held back."""
        clip, self._clip = self._clip, Clip()
        for stream, text in clip.rest():
            dispatch(self.serial, None, stream, text)

    def close(self) -> None:
        """Close and remove it; its worker has ended."""
        os.close(self.file)
        Path(self.path).unlink(missing_ok=True)
        folder, name = os.path.split(self.path)
        Path(pipe_of(folder, name.partition("-")[2])).unlink(missing_ok=True)


def _overlap(data: bytes) -> int:
    """Give how many bytes at the end may be the start of a frame's mark."""
    for size in range(len(MAGIC) - 1, 0, -1):
        if data.endswith(MAGIC[:size]):
            return size
    return 0


class Listener:
    """Reads every worker's pipe while a run is open; chunks go by their numbers."""

    def __init__(self) -> None:
        self.folder = str(scratch_folder())
        path = os.path.join(self.folder, ANNOUNCE)
        if not os.path.exists(path):
            os.mkfifo(path, 0o600)
        self._announce = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        self._pipes: dict[str, Pipe] = {}
        self._reports: dict[int, Report] = {}
        self._over: deque[int] = deque()  # chunks that have ended; reports of theirs may be unread
        self._open = 0
        self._lock = threading.RLock()
        self._waking = threading.Condition(self._lock)
        threading.Thread(target=self._listen, name="nbexec-listener", daemon=True).start()

    def start(self) -> None:
        """Begin to poll in a thread; each call needs its `stop`."""
        with self._lock:
            self._open += 1
            self._waking.notify()

    def stop(self) -> None:
        """Poll once more, and undo a `start`."""
        with self._lock:
            self.poll()
            self._open -= 1

    def expect(self, serial: int, report: Report) -> None:
        """Give `report` the reports of the chunk with this number."""
        self._reports[serial] = report

    def forget(self, serial: int) -> None:
        """Drop this chunk once its reports up to now were read.

        It costs nothing here: to read the pipes at each reply took a fifth of the time of a
        run of many small items, since each read gives up the interpreter.
        """
        self._over.append(serial)

    def poll(self) -> int:
        """Read all pipes; give the size of the largest piece."""
        most = 0
        with self._lock:
            over = len(self._over)
            self._open_announced()
            for path, pipe in [*self._pipes.items()]:
                size: int | None = PIECE
                for _ in range(PIECES):  # the others' turn comes, too
                    if size == PIECE:
                        size = pipe.read(self._dispatch)
                        most = max(most, size or 0)
                if size is None:
                    pipe.end(self._dispatch)
                    pipe.close()
                    del self._pipes[path]
            ended = {self._over.popleft() for _ in range(over)}
            for pipe in self._pipes.values():
                if pipe.serial in ended:
                    pipe.end(self._dispatch)
            for serial in ended:
                self._reports.pop(serial, None)
        return most

    def leave(self) -> None:
        """Close, in a forked child, what the parent reads from; it goes on there."""
        files = [self._announce, *(pipe.file for pipe in [*self._pipes.values()])]
        for file in files:
            with contextlib.suppress(OSError):  # one that was just being closed
                os.close(file)

    def _dispatch(self, serial: int, offset: int | None, stream: str, content: Any) -> None:
        report = self._reports.get(serial)
        if report is not None:
            report(offset, stream, content)

    def _open_announced(self) -> None:
        try:
            paths = os.read(self._announce, PIECE).decode().split()
        except BlockingIOError:
            return
        for path in paths:
            try:
                self._pipes[path] = Pipe(path)
            except OSError as error:
                if error.errno != errno.ENOENT:  # tidied away
                    raise

    def _listen(self) -> None:
        while True:
            with self._waking:
                while not self._open:
                    self._waking.wait()
            if self.poll() < PIECE // 2:
                time.sleep(EVERY)


_lock = threading.Lock()
_listener: Listener | None = None


def _forget() -> None:
    """Have a forked child make its own."""
    global _listener, _lock
    if _listener is not None:
        after_fork.keep(_listener)
        _listener.leave()
    _listener, _lock = None, threading.Lock()


after_fork.add(_forget)


def listener() -> Listener | None:
    """Give this kernel's listener; None where pipes have no names, as on Windows."""
    global _listener
    if not hasattr(os, "mkfifo"):
        return None
    with _lock:
        if _listener is None or _listener.folder != str(scratch_folder()):
            _listener = Listener()
        return _listener
