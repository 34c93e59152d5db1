"""Pickling of functions, items and results across a process boundary: cloudpickle, protocol 5.

Large buffers (NumPy arrays) go beside the pickle rather than inside it: see `block_files`.
"""

from __future__ import annotations

import contextlib
import io
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import nans
from .block_files import joined, write_file
from .cloud_pickler import NOTHING, Sent, pickler

LARGE = 1 << 16  # bytes; to write a buffer to a file and read it takes 0.03 ms then, a pipe 0.18


def dumps(value: Any) -> bytes:
    """Pickle anything that cloudpickle can, notebook-defined classes by value."""
    return dumped(pickler(), value)


def dumps_for_later(value: Any) -> bytes:
    """Pickle as `dumps` does, so that nothing of ours is needed to undo it."""
    with io.BytesIO() as file:
        pickler()(file, protocol=5).dump(value)
        return file.getvalue()


def dumped(
    kind: Any,
    value: Any,
    apart: Apart | None = None,
    prepare: Callable[[Any], None] = lambda made: None,
) -> bytes:
    """Pickle, and keep which NaNs are one object.

    Parameters
    ----------
    kind : type
        The pickler's class.
    value : object
        What is pickled.
    apart : Apart or None
        Takes the large buffers; None where all stay in the pickle.
    prepare : callable
        Called with the pickler before it begins.
    """
    stays = None if apart is None else apart.stays
    for one, mark in ((kind, b""), (nans.keeping(kind), nans.MARK)):
        with io.BytesIO() as file:
            file.write(mark)
            made = one(file, protocol=5, buffer_callback=stays)
            prepare(made)
            made.dump(value)
            data = file.getvalue()
        if mark or not nans.held(data):
            break
        if apart is not None:
            apart.buffers.clear()
    return data


def loads(data: bytes | memoryview) -> Any:
    """Undo `dumps`."""
    return nans.loads(data)


class Apart:
    """The large buffers of a pickle, which are not in it."""

    def __init__(self) -> None:
        self.buffers: list[pickle.PickleBuffer] = []

    def stays(self, buffer: pickle.PickleBuffer) -> bool:
        """Whether a buffer stays in the pickle; else it is kept."""
        try:
            small = buffer.raw().nbytes < LARGE
        except BufferError:  # it has gaps: pickle says what it thinks of that
            return True
        if not small:
            self.buffers.append(buffer)
        return small


def dumps_apart(value: Any, sent: Sent = NOTHING) -> tuple[bytes, list[pickle.PickleBuffer]]:
    """Pickle as `dumps` does, and give the large buffers apart from it, not copied.

    What is sent by value is noted in `sent`.
    """
    apart = Apart()
    return dumped(pickler(), value, apart, _noting(sent)), apart.buffers


def note_generators(sent: Sent, index: int, item: Any) -> None:
    """Have `sent` take in the generators of random numbers that an item has.

    Raises
    ------
    PickleError
        Another item has one of them, too.
    """
    met = Sent(sent.run)
    met.known = sent.known
    dumps_apart(item, met)
    sent.own_generators(index, met)


def _noting(sent: Sent) -> Callable[[Any], None]:
    return lambda made: setattr(made, "sent", sent)


def pack(value: Any) -> bytes:
    """Pickle `value` into one block, its large buffers aligned behind the pickle."""
    return joined(*dumps_apart(value))


def dumps_beside(value: Any, file: Path | str | None, sent: Sent = NOTHING) -> tuple[bytes, int]:
    """Pickle as `dumps` does; what has large buffers goes to `file`, if that is given and has room.

    Gives the pickle and 0, or nothing and the file's size in bytes.  `sent` is as in
    `dumps_apart`.
    """
    if file is not None:
        data, buffers = dumps_apart(value, sent)
        if not buffers:
            return data, 0
        with contextlib.suppress(OSError):  # no room for a file
            return b"", write_file(file, data, buffers)
    return dumped(pickler(), value, prepare=_noting(sent)), 0
