"""A packed task whose large buffers are in files of their own, which other runs may share.

The task's file has the pickle, the small buffers, and where the others are.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from . import block_files, nans


class BufferRef(NamedTuple):
    """Where a buffer is."""

    path: str  # "": in the task's own file
    readonly: bool


def pieces(
    data: bytes, buffers: Sequence[pickle.PickleBuffer], paths: Sequence[str]
) -> Iterator[block_files.Piece]:
    """Give the task's file; `paths` has the file of each buffer, or "" where that is this one."""
    pairs = [*zip(buffers, paths, strict=True)]
    refs = [BufferRef(path, buffer.raw().readonly) for buffer, path in pairs]
    inside = [buffer for buffer, path in pairs if not path]
    return block_files.laid_out(pickle.dumps(refs), [pickle.PickleBuffer(data), *inside])


def load(path: str) -> Any:
    """Unpack a task from its file; mapped pages are shared until written to."""
    head, (data, *inside) = block_files.parts(block_files.mapped(path))
    rest = iter(inside)
    buffers = [_mapped(ref) if ref.path else next(rest) for ref in pickle.loads(head)]
    return nans.loads(data, buffers)


def _mapped(ref: BufferRef) -> memoryview:
    view = memoryview(block_files.mapped(ref.path))
    return view.toreadonly() if ref.readonly else view
