"""A chunk's way to a worker in another process or on another machine, and back.

`run_packed` is what that worker is asked to do: bytes in, bytes out, so that whatever
fails to pickle fails there, where it can be told which item it was.
"""

from __future__ import annotations

import math
import os
import pickle
import struct
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import PickleError
from ..model import Chunk, Error, Outcome
from ..serialize import pickling, tracebacks
from ..system import blas, machine, subinterpreter
from . import capture, streams
from .capture import Hear
from .channel import channel
from .chunk_state import SharedChunkState
from .execute import StopFlag, failed, run_chunk
from .module_reloads import Reloaded, follow
from .task_cache import load

TELL_EVERY = 0.1  # seconds

_SIZE = struct.Struct("<Q")


def hello(folder: str | None) -> int:
    """Give the process's id: by then it has imported what it needs, and can be heard."""
    if folder is not None:
        channel(folder)
    return os.getpid()


class Envelope(NamedTuple):
    """How a worker on the kernel's machine hears of it, and is heard; and its share."""

    folder: str  # the kernel's; not there on other machines
    serial: int  # of the chunk
    heard: bool  # through a channel; else what is said is in the reply
    here: bool  # whether the folder is the worker's, too
    threads: blas.Share = ()  # of BLAS; none where the worker is not ours
    reloaded: Reloaded = ()  # modules of the kernel's


def items_file(address: Envelope) -> Path:
    """Give the file of a chunk's items, where they have large buffers."""
    return Path(address.folder, f"items-{address.serial}")


def values_file(address: Envelope) -> Path:
    """Give the file of a chunk's values, where they have large buffers."""
    return Path(address.folder, f"values-{address.serial}")


class Wanted(StopFlag):
    """A chunk is wanted until the kernel makes a file that says that it isn't."""

    __slots__ = ("_file",)

    def __init__(self, address: Envelope) -> None:
        super().__init__()
        self._file = unwanted_file(address)

    def wanted(self) -> bool:
        return not self._file.exists()


def unwanted_file(address: Envelope) -> Path:
    """Give the file that is there once a chunk is not wanted any more."""
    return Path(address.folder, f"unwanted-{address.serial}")


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
    address: Envelope,
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
    voice = channel(address.folder) if address.heard else None
    if voice is not None:
        voice.begin(address.serial)
        hear = voice.hearing(address.serial)
    capture.one_at_a_time = alone or subinterpreter.number > 0
    blas.hold(key, address.threads)  # before anything is loaded
    what = "the function"
    try:
        follow(address.reloaded)
        task, prepared, _ = load(key, block)
        what = "the item"
        begun = time.thread_time()
        values = pickling.loads(items) if items else pickling.unpack_file(items_file(address))
        reading = time.thread_time() - begun
    except BaseException as error:
        # of several items nobody knows which can't be unpickled: they come again one by one
        outcome = not_begun()
        if count == 1:
            why = _unreadable(what, "in the worker", error)
            error_of_it = failed(why, unsent="item")
            outcome = Outcome([None], {0: error_of_it}, time.time(), [0.0], 0.0, "")
        return _send(outcome, address)
    chunk = Chunk(range(count), values, budget=budget)
    chunk_state = SharedChunkState(values, after_failure=math.inf)
    clock = time.process_time if alone else time.thread_time
    if voice is not None and not voice.steal_listener.begin(address.serial, chunk_state, count):
        return _send(not_begun(), address)
    with streams.routed():
        outcome = run_chunk(
            prepared,
            task,
            chunk,
            Wanted(address),
            clock,
            starved=machine.starved,
            hear=hear,
            chunk_state=chunk_state,
        )
    if voice is not None:
        voice.steal_listener.end(address.serial)
        voice.end()
    return _send(outcome, address, telling.said, reading)


def not_begun() -> Outcome:
    """What a chunk becomes of which nothing was begun: it is queued again."""
    return Outcome([], {}, time.time(), [], 0.0, "")


def _send(
    outcome: Outcome,
    address: Envelope,
    said: Sequence[tuple[int, str, Any]] = (),
    spent: float = 0.0,
) -> bytes:
    """Pack an outcome: its length, all but the values, and the values, which may not unpickle.

    `spent` are the seconds of unpickling that it took before; to them packing is added.
    """
    begun = time.thread_time()
    errors = {at: _pack_error(error) for at, error in outcome.errors.items()}
    file = values_file(address) if address.here else None
    try:
        data, beside = pickling.dumps_beside(outcome.values, file)
    except BaseException:
        values = [_sendable(at, it, errors) for at, it in enumerate(outcome.values)]
        data, beside = pickling.dumps_beside(values, file)
    worker = subinterpreter.name() or f"process {os.getpid()}"
    facts = (
        outcome.started,
        outcome.ends,
        outcome.cpu,
        worker,
        outcome.peak_rss,
        outcome.starved,
        said,
    )
    sort = _sort(outcome.values[0]) if len(outcome.values) == 1 else ""
    spent += time.thread_time() - begun
    rest = pickle.dumps((errors, facts, sort, spent, beside), protocol=5)
    return b"".join((_SIZE.pack(len(rest)), rest, data))


def _sendable(at: int, value: Any, errors: dict[int, Any]) -> Any:
    """Give the value, or None with an error in its place if it can't be pickled."""
    try:
        pickling.dumps(value)
    except BaseException as error:
        why = PickleError(
            f"the result, a {_sort(value)}, can't be sent back: {error}. "
            "Give something that can be pickled, or use backend='threads'."
        )
        errors[at] = _pack_error(failed(why, unsent="result"))
        return None
    return value


def _pack_error(error: Error) -> tuple[str, bytes | None, str, str, str, Any]:
    """Pack an exception so that its text arrives even where it doesn't pickle itself."""
    exception = error.exception
    text = f"{type(exception).__name__}: {exception}"
    places = tracebacks.dump(exception.__traceback__)
    data = None
    for alone in (False, True):  # what it came from may not pickle
        try:
            data = pickling.dumps(tracebacks.pack(exception, alone))
            pickling.loads(data)
            break
        except BaseException:
            data = None
    return error.kind, data, text, error.traceback, error.unsent, places


def receive(
    data: bytes, address: Envelope, heard: int = 0, sent: int = 0, spent: float = 0.0
) -> Outcome:
    """Undo the packing of a chunk's outcome, in the kernel.

    Of what was said, the first `heard` pieces were told already.  Its items were `sent`
    bytes, which took `spent` seconds to pickle.
    """
    begun = time.thread_time()
    view = memoryview(data)
    (size,) = _SIZE.unpack_from(view)
    start = _SIZE.size + size
    packed, facts, sort, there, beside = pickle.loads(view[_SIZE.size : start])
    errors = {at: _unpack_error(*error) for at, error in packed.items()}
    try:
        values = _read_values(address) if beside else pickling.loads(view[start:])
    except BaseException as error:
        if not sort:  # of several nobody knows which: they come again one by one
            return not_begun()
        why = _unreadable(f"the result, a {sort},", "in the kernel", error)
        values, errors = [None], {0: failed(why, unsent="result")}
    spent += there + time.thread_time() - begun
    sums = {"sent": sent, "received": len(data) - start + beside, "sending": spent}
    outcome = Outcome(values, errors, *facts, **sums)
    return replace(outcome, said=outcome.said[heard:]) if heard else outcome


def _read_values(address: Envelope) -> Any:
    file = values_file(address)
    try:
        return pickling.read_file(file)
    finally:
        file.unlink(missing_ok=True)


def _unreadable(what: str, where: str, error: BaseException) -> PickleError:
    reason = subinterpreter.refused(error) or f"{type(error).__name__}: {error}"
    why = PickleError(f"{what} can't be unpickled {where}: {reason}")
    why.__cause__ = error
    return why


def _sort(value: Any) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"


def _unpack_error(
    kind: Any, data: bytes | None, text: str, trace: str, unsent: Any, places: Any
) -> Error:
    exception: BaseException
    try:
        if data is None:
            raise ValueError("not sent")
        exception = tracebacks.unpack(pickling.loads(data))
    except BaseException:
        exception = PickleError(f"the task raised {text} (the exception itself can't be sent)")
        exception.__traceback__ = tracebacks.load(places)
    return Error(kind, exception, trace, unsent)
