"""A chunk's way to a worker in another process or on another machine, and back.

`run_packed` is what that worker is asked to do: bytes in, bytes out, so that whatever
fails to pickle fails there, where it can be told which item it was.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from ..items.outcomes import not_begun, without_values
from ..model import Chunk
from ..serialize import pickling
from ..system import blas, machine, subinterpreter
from . import capture, streams
from .capture import Hear
from .channel import channel
from .chunk_state import SharedChunkState
from .envelope import Envelope, items_file, unwanted_file
from .execute import StopFlag, failed, run_chunk
from .module_reloads import follow
from .reply import pack, unreadable
from .task_cache import load

TELL_EVERY = 0.1  # seconds


def hello(folder: str | None) -> int:
    """Give the process's id: by then it has imported what it needs, and can be heard."""
    if folder is not None:
        channel(folder)
    return os.getpid()


class Wanted(StopFlag):
    """A chunk is wanted until the kernel makes a file that says that it isn't."""

    __slots__ = ("_file",)

    def __init__(self, envelope: Envelope) -> None:
        super().__init__()
        self._file = unwanted_file(envelope)

    def wanted(self) -> bool:
        return not self._file.exists()


Tell = Callable[[int, Sequence[tuple[int, str, Any]]], None]  # from which position, what


class OutputBuffer:
    """Keeps what is said for the reply, and tells it meanwhile, a few times a second."""

    def __init__(self, tell: Tell | None) -> None:
        self.said: list[tuple[int, str, Any]] = []
        self._tell = tell
        self._told = 0
        self._waiting = False
        self._lock = threading.Lock()

    def hear(self, offset: int, stream: str, what: Any) -> None:
        """Take in what an item said."""
        with self._lock:
            self.said.append((offset, stream, what))
            if self._tell is None or self._waiting:
                return
            self._waiting = True
        timer = threading.Timer(TELL_EVERY, self._on_time)
        timer.daemon = subinterpreter.daemons()
        timer.start()

    def _on_time(self) -> None:
        with self._lock:
            self._waiting = False
            start, self._told = self._told, len(self.said)
            batch = self.said[start:]
        if self._tell is not None and batch:
            self._tell(start, batch)


def run_packed(
    key: str,
    block: Any,
    count: int,
    items: bytes,
    budget: float,
    alone: bool,
    envelope: Envelope,
    tell: Tell | None = None,
) -> bytes:
    """Run `count` pickled `items` through the packed task `block` (a path or the bytes).

    Where there are no bytes the items are in their file, large buffers and all.

    `key` names the task and the run: each worker unpacks it, and runs its setup, once.
    `alone` says that nothing else runs in this process, so that its CPU time, threads of
    BLAS and all, is the chunk's.  `tell` is called with what is said where there is no
    channel to the kernel.
    """
    telling = OutputBuffer(tell)
    hear: Hear = telling.hear
    voice = channel(envelope.folder) if envelope.heard else None
    if voice is not None:
        voice.begin(envelope.serial)
        hear = voice.hearing(envelope.serial)
    capture.one_at_a_time = alone or subinterpreter.number > 0
    blas.hold(key, envelope.threads)  # before anything is loaded
    what = "the function"
    try:
        follow(envelope.reloaded)
        task, prepared, _ = load(key, block)
        what = "the item"
        begun = time.thread_time()
        values = pickling.loads(items) if items else pickling.unpack_file(items_file(envelope))
        reading = time.thread_time() - begun
    except BaseException as error:
        # of several items nobody knows which can't be unpickled: they come again one by one
        outcome = not_begun()
        if count == 1:
            why = unreadable(what, "in the worker", error)
            outcome = without_values(failed(why, unsent="item"))
        return pack(outcome, envelope)
    chunk = Chunk(range(count), values, budget=budget)
    chunk_state = SharedChunkState(values, after_failure=math.inf)
    clock = time.process_time if alone else time.thread_time
    if voice is not None and not voice.steal_listener.begin(envelope.serial, chunk_state, count):
        return pack(not_begun(), envelope)
    with streams.routed():
        outcome = run_chunk(
            prepared,
            task,
            chunk,
            Wanted(envelope),
            clock,
            starved=machine.starved,
            hear=hear,
            chunk_state=chunk_state,
        )
    if voice is not None:
        voice.steal_listener.end(envelope.serial)
        voice.end()
    return pack(outcome, envelope, telling.said, reading)
