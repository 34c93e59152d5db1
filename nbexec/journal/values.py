"""Values as bytes, and back: pickle 5, large ones in pieces.

An object of a class that the notebook defines must come back, in another kernel, as an object
of that notebook's class, not of a copy of it.  So such a class is pickled as its name and its
fingerprint, and stored beside the values for a kernel that has no such class.
"""

from __future__ import annotations

import io
import pickle
import sqlite3
import sys
import zlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from ..serialize import block_files, cloud_pickler, pickling
from . import moved
from .code_fingerprint import Codes
from .fingerprint import ATOMS, NoFingerprint

PIECE = 1 << 20  # bytes; a larger value is written in pieces of this size
PLAIN, BLOCK, PIECES = range(3)  # forms: a pickle; a block of `pickling`; a block in pieces

Block = list[block_files.Piece]


class Packed(NamedTuple):
    """A value as bytes."""

    form: int
    size: int
    crc: int  # of the row's data
    data: bytes | Block  # a list for PIECES: views of the value itself, to be written at once


class Values:
    """Packs and unpacks the values of one run.

    Parameters
    ----------
    codes : Codes
        Fingerprints of classes.
    load_class : callable
        Gives the pickle of a stored class, by its digest, or None.
    """

    def __init__(self, codes: Codes, load_class: Callable[[bytes], bytes | None]) -> None:
        self.new_classes: dict[bytes, bytes] = {}  # to be stored
        self._codes = codes
        self._load_class = load_class
        self._digests: dict[type, bytes | None] = {}
        self._kept: dict[bytes, type] = {}

    def pack(self, value: Any) -> Packed:
        """Give the value as bytes.

        Raises
        ------
        Exception
            Whatever pickling it raises.
        """
        if _simple(value):
            data = pickle.dumps(value, 5)
            return Packed(PLAIN, len(data), zlib.crc32(data), data)
        buffers: list[pickle.PickleBuffer] = []
        file = io.BytesIO()
        _ValuePickler(file, buffers.append, self).dump(value)
        if not buffers and file.tell() <= PIECE:
            data = file.getvalue()
            return Packed(PLAIN, len(data), zlib.crc32(data), data)
        block = list(block_files.laid_out(file.getvalue(), buffers))
        size = sum(map(len, block))
        if size > PIECE:
            return Packed(PIECES, size, 0, block)
        data = b"".join(block)
        return Packed(BLOCK, size, zlib.crc32(data), data)

    def unpack(self, form: int, data: bytes | bytearray) -> Any:
        """Undo `pack`; pieces are joined before."""
        if form == PLAIN:
            return _ValueUnpickler(io.BytesIO(data), self, None).load()
        pickled, buffers = block_files.parts(
            data if isinstance(data, bytearray) else bytearray(data)
        )
        return _ValueUnpickler(io.BytesIO(pickled), self, buffers).load()

    def reduce_class(self, kind: type) -> Any:
        """Give the reduction of a class of the notebook; None leaves it to cloudpickle."""
        if kind not in self._digests:
            self._digests[kind] = self._keep(kind)
        found = self._digests[kind]
        return None if found is None else (find_class, (kind.__module__, kind.__qualname__, found))

    def _keep(self, kind: type) -> bytes | None:
        if kind.__module__ != "__main__" or _live(kind.__module__, kind.__qualname__) is not kind:
            return None
        try:
            found = self._codes.thing(kind)
        except NoFingerprint:
            return None
        self.new_classes[found] = pickling.dumps_for_later(kind)
        return found

    def find_class(self, module: str, name: str, digest: bytes) -> Any:
        """Give the notebook's class if its fingerprint is the same, else the stored one."""
        live = _live(module, name)
        if isinstance(live, type):
            try:
                if self._codes.thing(live) == digest:
                    return live
            except NoFingerprint:
                pass
        if digest not in self._kept:
            data = self._load_class(digest)
            if data is None:
                raise pickle.UnpicklingError(f"the journal has no class {name}")
            self._kept[digest] = loads(data)
        return self._kept[digest]


def find_class(module: str, name: str, digest: bytes) -> Any:
    """Placeholder in pickles for `Values.find_class`."""
    raise pickle.UnpicklingError(f"{module}.{name} can only be loaded by a journal")


class _ValuePickler(cloud_pickler.pickler()):  # type: ignore[misc]
    def __init__(self, file: io.BytesIO, out: Callable[[Any], Any], values: Values) -> None:
        super().__init__(file, protocol=5, buffer_callback=out)
        self._values = values

    def reducer_override(self, thing: Any) -> Any:
        if isinstance(thing, type):
            found = self._values.reduce_class(thing)
            if found is not None:
                return found
        return super().reducer_override(thing)


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        return super().find_class(*moved.today(module, name))


class _ValueUnpickler(_Unpickler):
    def __init__(self, file: io.BytesIO, values: Values, buffers: Any) -> None:
        super().__init__(file, buffers=buffers)
        self._values = values

    def find_class(self, module: str, name: str) -> Any:
        if module == __name__ and name == "find_class":
            return self._values.find_class
        return super().find_class(module, name)


def loads(data: bytes) -> Any:
    """Undo `pickling.dumps`, of today or of a version before."""
    return _Unpickler(io.BytesIO(data)).load()


def pieces(block: Block) -> Iterator[bytes]:
    """Give a block in pieces of at most `PIECE` bytes."""
    piece = bytearray()
    for part in block:
        view = memoryview(part)
        while len(view):
            more = view[: PIECE - len(piece)]
            piece += more
            view = view[len(more) :]
            if len(piece) == PIECE:
                yield bytes(piece)
                piece.clear()
    if piece:
        yield bytes(piece)


def _simple(value: Any) -> bool:
    """Whether plain pickle gives the same as cloudpickle, in a tenth of the time."""
    kind = type(value)
    if kind in ATOMS:
        return kind not in (str, bytes) or len(value) <= PIECE // 4
    if kind in (list, tuple, set):
        return len(value) <= 100 and set(map(type, value)) <= _SHORT and _brief(value)
    if kind is dict:
        return len(value) <= 100 and _simple([*value.keys()]) and _simple([*value.values()])
    return False


_SHORT = ATOMS - {bytes}


def _brief(values: Any) -> bool:
    return all(len(value) <= 1_000 for value in values if type(value) is str)


def _live(module: str, name: str) -> Any:
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


def read(do: sqlite3.Connection, values: Values, row: tuple[Any, ...]) -> Any:
    """Give the value of a row of `items`."""
    key, form, size, crc, data = row
    if form == PIECES:
        data = bytearray(size)
        view, at = memoryview(data), 0
        query = "SELECT data FROM pieces WHERE key = ? ORDER BY number"
        for (piece,) in do.execute(query, (key,)):
            view[at : at + len(piece)] = piece
            at += len(piece)
    if zlib.crc32(data) != crc:
        raise pickle.UnpicklingError("what is in the journal is damaged")
    return values.unpack(form, data)
