"""Listener: hears what the worker processes of this machine say while they run."""

from __future__ import annotations

import codecs
import errno
import json
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..worker.capture import Clip
from ..worker.channel import DOOR, HEADER, KINDS, MAGIC
from ..worker.stealing import pipe_of
from .scratch import spool

EVERY = 0.05  # seconds between two looks: what is said is seen at once, and costs little
PIECE = 1 << 16  # bytes: what a pipe holds
PIECES = 16  # that are read from one pipe at a time

Heard = Callable[[int | None, str, Any], None]  # offset, stream, what


class Pipe:
    """One worker's pipe: bytes in, and what they mean out."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.file = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self._data = b""
        self.serial = 0  # whose bytes come now
        self._clip = Clip()  # of those that are in no frame
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode

    def read(self, hear: Callable[[int, int | None, str, Any], None]) -> int | None:
        """Take in what is there; give how many bytes that was, or None at the end."""
        try:
            data = os.read(self.file, PIECE)
        except BlockingIOError:
            return 0
        if not data:
            return None
        self._data += data
        self._parse(hear)
        return len(data)

    def _parse(self, hear: Callable[[int, int | None, str, Any], None]) -> None:
        data, at = self._data, 0
        while True:
            start = data.find(MAGIC, at)
            raw = data[at:start] if start >= 0 else data[at : len(data) - _overlap(data)]
            if raw:
                self._unframed(raw, hear)
                at += len(raw)
            begun = start + len(MAGIC)
            if start < 0 or len(data) < begun + HEADER.size:
                break
            kind, serial, offset, size = HEADER.unpack_from(data, begun)
            end = begun + HEADER.size + size
            if len(data) < end:
                break
            self._framed(KINDS[kind], serial, offset, data[end - size : end], hear)
            at = end
        self._data = data[at:]

    def _unframed(self, raw: bytes, hear: Callable[[int, int | None, str, Any], None]) -> None:
        """Tell what C code wrote."""
        now = self._clip.now("stdout", self._decode(raw))
        if now:
            hear(self.serial, None, "stdout", now)

    def _framed(
        self,
        kind: str,
        serial: int,
        offset: int,
        payload: bytes,
        hear: Callable[[int, int | None, str, Any], None],
    ) -> None:
        if kind == "begin":
            self.end(hear)
            self.serial = serial
        elif kind == "progress":
            hear(serial, offset, kind, json.loads(payload))
        else:
            hear(serial, offset, kind, payload.decode("utf-8", "replace"))

    def end(self, hear: Callable[[int, int | None, str, Any], None]) -> None:
        """Tell what was kept back of what C code wrote."""
        clip, self._clip = self._clip, Clip()
        for stream, text in clip.rest():
            hear(self.serial, None, stream, text)

    def close(self) -> None:
        """Let it go; its worker has ended."""
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
    """Reads every worker's pipe, while somebody wants to hear."""

    def __init__(self) -> None:
        self.folder = str(spool())
        path = os.path.join(self.folder, DOOR)
        if not os.path.exists(path):
            os.mkfifo(path, 0o600)
        self._door = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        self._pipes: dict[str, Pipe] = {}
        self._ears: dict[int, Heard] = {}
        self._over: deque[int] = deque()  # chunks that have ended; what they said may be unread
        self._open = 0
        self._lock = threading.RLock()
        self._waking = threading.Condition(self._lock)
        threading.Thread(target=self._listen, name="nbexec-listener", daemon=True).start()

    def attend(self) -> None:
        """Begin to look by itself; each call needs its `rest`."""
        with self._lock:
            self._open += 1
            self._waking.notify()

    def rest(self) -> None:
        """Take in what there is, and end an `attend`."""
        with self._lock:
            self.look()
            self._open -= 1

    def expect(self, serial: int, heard: Heard) -> None:
        """Have `heard` told what comes from the chunk with this number."""
        self._ears[serial] = heard

    def forget(self, serial: int) -> None:
        """Tell no more of this chunk once what it has said till now was taken in.

        It costs nothing here: to read the pipes at each reply took a fifth of the time of a
        run of many small items, since each read gives up the interpreter.
        """
        self._over.append(serial)

    def look(self) -> int:
        """Take in what there is; give the size of the largest piece."""
        most = 0
        with self._lock:
            over = len(self._over)
            self._answer_door()
            for path, pipe in [*self._pipes.items()]:
                size: int | None = PIECE
                for _ in range(PIECES):  # others want to be heard, too
                    if size == PIECE:
                        size = pipe.read(self._tell)
                        most = max(most, size or 0)
                if size is None:
                    pipe.end(self._tell)
                    pipe.close()
                    del self._pipes[path]
            ended = {self._over.popleft() for _ in range(over)}
            for pipe in self._pipes.values():
                if pipe.serial in ended:
                    pipe.end(self._tell)
            for serial in ended:
                self._ears.pop(serial, None)
        return most

    def _tell(self, serial: int, offset: int | None, stream: str, said: Any) -> None:
        heard = self._ears.get(serial)
        if heard is not None:
            heard(offset, stream, said)

    def _answer_door(self) -> None:
        try:
            paths = os.read(self._door, PIECE).decode().split()
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
            if self.look() < PIECE // 2:
                time.sleep(EVERY)


_lock = threading.Lock()
_listener: Listener | None = None


def listener() -> Listener | None:
    """Give this kernel's listener; None where pipes have no names, as on Windows."""
    global _listener
    if not hasattr(os, "mkfifo"):
        return None
    with _lock:
        if _listener is None or _listener.folder != str(spool()):
            _listener = Listener()
        return _listener
