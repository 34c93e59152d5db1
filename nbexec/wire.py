"""How functions, items and results cross a process boundary: cloudpickle, protocol 5.

A function with what it captures goes into one file, its large buffers (NumPy
arrays) beside the pickle rather than inside it.  A worker on the same machine maps
that file copy-on-write, so that a captured array is in memory once however many
workers use it, and yet can be written to like any other.
"""

from __future__ import annotations

import mmap
import pickle
import struct
import traceback as traceback_module
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CellType
from typing import Any

from .errors import PickleError

_ALIGN = 64  # bytes; what NumPy aligns its own arrays to
Piece = bytes | memoryview

_HEAD = struct.Struct("<Q")


def dumps(value: Any) -> bytes:
    """Pickle anything that cloudpickle can, notebook-defined classes by value."""
    import cloudpickle

    return bytes(cloudpickle.dumps(value, protocol=5))


def loads(data: bytes | memoryview) -> Any:
    """Undo `dumps`."""
    return pickle.loads(data)


def pack(value: Any) -> bytes:
    """Pickle `value` into one block, its large buffers aligned behind the pickle."""
    import cloudpickle

    buffers: list[pickle.PickleBuffer] = []
    data = cloudpickle.dumps(value, protocol=5, buffer_callback=buffers.append)
    return b"".join(laid_out(data, buffers))


def laid_out(data: bytes, buffers: list[pickle.PickleBuffer]) -> Iterator[Piece]:
    """Give a block for `unpack` in pieces, of which the large ones are not copied."""
    views: list[Piece] = [data, *(buffer.raw() for buffer in buffers)]
    head = _HEAD.pack(len(views)) + b"".join(_HEAD.pack(len(view)) for view in views)
    yield head
    at = len(head)
    for view in views:
        yield bytes(-at % _ALIGN)
        yield view
        at += -at % _ALIGN + len(view)


def unpack(block: Any) -> Any:
    """Undo `pack`; arrays are views of `block`, which a writable one lets them change."""
    pickled, buffers = parts(block)
    return pickle.loads(pickled, buffers=buffers)


def parts(block: Any) -> tuple[memoryview, list[memoryview]]:
    """Give the pickle and the buffers of a packed block."""
    view = memoryview(block)
    (count,) = _HEAD.unpack_from(view)
    at = _HEAD.size * (1 + count)
    found = []
    for (size,) in _HEAD.iter_unpack(view[_HEAD.size : at]):
        at += -at % _ALIGN
        found.append(view[at : at + size])
        at += size
    return found[0], found[1:]


def unpack_file(path: Path | str) -> Any:
    """Undo `pack` from a file, mapped copy-on-write: pages are shared until written to."""
    with open(path, "rb") as file:
        block = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    return unpack(block)  # the arrays keep the mapping alive


def explain(fn: Callable[..., Any], error: BaseException) -> PickleError:
    """Give an error that names which captured value of `fn` can't be pickled."""
    name = getattr(fn, "__qualname__", repr(fn))
    culprit = _culprit(fn)
    what = f"{culprit} in {name}()" if culprit else f"{name}()"
    failure = PickleError(
        f"{what} can't be sent to another process: {_first_line(error)}. "
        "Make it inside the function or in setup=, or use backend='threads'."
    )
    failure.__cause__ = error
    return failure


def _culprit(fn: Callable[..., Any]) -> str:
    import inspect

    plain = inspect.unwrap(getattr(fn, "func", fn))  # functools.partial has .func
    code = getattr(plain, "__code__", None)
    if code is None:
        return ""
    cells: tuple[CellType, ...] = plain.__closure__ or ()
    captured = dict(zip(code.co_freevars, (_content(cell) for cell in cells), strict=True))
    names = inspect.getclosurevars(plain).globals if cells is not None else {}
    for name, value in {**captured, **names}.items():
        try:
            dumps(value)
        except Exception:
            return f"{name!r} ({type(value).__module__}.{type(value).__qualname__})"
    return ""


def _content(cell: CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not assigned yet
        return None


def _first_line(error: BaseException) -> str:
    lines = traceback_module.format_exception_only(error)
    return lines[-1].strip().splitlines()[0] if lines else type(error).__name__
