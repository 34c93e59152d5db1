"""The layout of a pickle with its large buffers: in one block, and in a file.

Large buffers (NumPy arrays) go beside the pickle rather than inside it, into a file where
both sides are on one machine.  A worker maps that file copy-on-write, so that an array
that a function captured is in memory once however many workers use it, and yet can be
written to like any other.
"""

from __future__ import annotations

import io
import mmap
import pickle
import struct
from collections.abc import Container, Iterable, Iterator
from pathlib import Path
from typing import Any

from . import nans
from .owned_arrays import LaterBytes

_ALIGN = 64  # bytes; what NumPy aligns its own arrays to
_READONLY = 1 << 63  # added to the size of a buffer that must not be written to
_LATER = 1 << 62  # added to that of a buffer which an array reads into its own memory
Piece = bytes | memoryview

_HEAD = struct.Struct("<Q")


def joined(data: bytes, buffers: list[pickle.PickleBuffer]) -> bytes:
    """Join the result of `dumps_apart` to one block."""
    return b"".join(laid_out(data, buffers))


def laid_out(
    data: bytes, buffers: list[pickle.PickleBuffer], later: Container[int] = ()
) -> Iterator[Piece]:
    """Give a block for `unpack` in pieces, of which the large ones are not copied.

    The buffers at the positions `later` are marked for `read_file`, which alone can read it then.
    """
    raw = [buffer.raw() for buffer in buffers]
    marks = [
        _READONLY if view.readonly else _LATER if at in later else 0 for at, view in enumerate(raw)
    ]
    sizes = [len(data), *(len(view) | mark for view, mark in zip(raw, marks, strict=True))]
    views: list[Piece] = [data, *raw]
    head = b"".join(map(_HEAD.pack, (len(views), *sizes)))
    yield head
    at = len(head)
    for view in views:
        yield bytes(-at % _ALIGN)
        yield view
        at += -at % _ALIGN + len(view)


def unpack(block: Any) -> Any:
    """Undo `pack`; arrays are views of `block`, which a writable one lets them change."""
    pickled, buffers = parts(block)
    return nans.loads(pickled, buffers)


def parts(block: Any) -> tuple[memoryview, list[memoryview]]:
    """Give the pickle and the buffers of a packed block."""
    view = memoryview(block)
    (count,) = _HEAD.unpack_from(view)
    at = _HEAD.size * (1 + count)
    found = []
    for (marked,) in _HEAD.iter_unpack(view[_HEAD.size : at]):
        size = marked & ~_READONLY
        at += -at % _ALIGN
        part = view[at : at + size]
        found.append(part.toreadonly() if marked & _READONLY else part)
        at += size
    return found[0], found[1:]


def unpack_file(path: Path | str) -> Any:
    """Undo `pack` from a file, mapped copy-on-write: pages are shared until written to."""
    return unpack(mapped(path))


def mapped(path: Path | str) -> mmap.mmap:
    """Map a file copy-on-write; objects made of it keep the mapping alive."""
    with open(path, "rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)


def write_file(
    path: Path | str,
    data: bytes,
    buffers: list[pickle.PickleBuffer],
    later: Container[int] = (),
) -> int:
    """Write the result of `dumps_apart` for `read_file` or `unpack_file`; give the size in bytes.

    As `write_pieces` does; `later` is as in `laid_out`.
    """
    return write_pieces(path, laid_out(data, buffers, later))


def write_pieces(path: Path | str, pieces: Iterable[Piece]) -> int:
    """Write a file; give its size in bytes.

    Raises
    ------
    OSError
        There is no room for it; nothing is left of it then.
    """
    size = 0
    try:
        with open(path, "wb", buffering=0) as file:
            for piece in pieces:
                view = memoryview(piece)
                size += len(view)
                while view:  # a write may take less than it is given
                    view = view[file.write(view) :]
    except OSError:
        Path(path).unlink(missing_ok=True)
        raise
    return size


def read_file(path: Path | str) -> Any:
    """Undo `write_file`: each buffer in memory of its own, the file having no further use.

    Not mapped: one value that is kept would keep the others that came with it in memory,
    and to read is no slower than to touch each page for the first time.
    """
    with open(path, "rb", buffering=0) as file:
        (count,) = _HEAD.unpack(_whole(file, _HEAD.size))
        sizes = [size for (size,) in _HEAD.iter_unpack(_whole(file, _HEAD.size * count))]
        parts: list[Any] = []
        at = file.tell()
        for marked in sizes:
            at += -at % _ALIGN
            size = marked & ~(_READONLY | _LATER)
            if marked & _LATER:
                parts.append(LaterBytes(file, at, size))
            else:
                file.seek(at)
                part = _whole(file, size)
                parts.append(part.toreadonly() if marked & _READONLY else part)
            at += size
        return nans.loads(parts[0], parts[1:])


def _whole(file: io.FileIO, size: int) -> memoryview:
    """Read `size` bytes, however many reads that takes."""
    view = memoryview(bytearray(size))
    at = 0
    while at < size:
        got = file.readinto(view[at:])
        if not got:
            raise EOFError(f"the file ends {size - at} bytes too early")
        at += got
    return view
