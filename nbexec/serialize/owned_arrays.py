"""NumPy arrays on their way back: one that owned its data owns it again, a view is a view again.

NumPy's own way gives each array a buffer to look at, which belongs to something else: it
could not be resized, nor told from a view.
"""

from __future__ import annotations

import pickle
import sys
from typing import Any

WHOLE = 4  # times its own size that a view's owner may have to be sent with it
_KINDS = "biufcmMSUV"  # of types whose items are bytes and nothing else


class LaterBytes:
    """Bytes in a file, read into the array that they are for."""

    def __init__(self, file: Any, at: int, size: int) -> None:
        self._file = file
        self._at = at
        self._size = size

    def read_into(self, view: memoryview) -> None:
        """Read all of them."""
        self._file.seek(self._at)
        at = 0
        while at < self._size:
            got = self._file.readinto(view[at:])
            if not got:
                raise EOFError(f"the file ends {self._size - at} bytes too early")
            at += got


def is_array(kind: type) -> bool:
    """Whether a class is NumPy's array, or made of it."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and issubclass(kind, numpy.ndarray)


class ArrayReducer:
    """Reduces the arrays of one pickle, and knows which of them share memory."""

    def __init__(self) -> None:
        self._fresh = False
        self.begin()
        self.buffers: dict[int, pickle.PickleBuffer] = {}  # of arrays that own their data

    def begin(self) -> None:
        """Begin a value that has nothing to do with those before."""
        if self._fresh:
            return
        self._fresh = True
        self._whole: dict[int, Any] = {}  # owners that are in the pickle
        self._cut: dict[int, Any] = {}  # owners of which only a part is
        self.torn = False  # whether two arrays shared memory that the copies don't

    def reduce(self, array: Any) -> Any:
        """Give the reduction of an array, or NotImplemented where NumPy's own is right."""
        kind, plain = type(array), sys.modules["numpy"].ndarray
        if (
            kind.__reduce_ex__ is not plain.__reduce_ex__
            or kind.__reduce__ is not plain.__reduce__
            or kind.__setstate__ is not plain.__setstate__
            or array.dtype.hasobject
            or array.dtype.kind not in _KINDS
            or not array.itemsize
        ):
            return NotImplemented
        self._fresh = False
        if array.flags.owndata:
            return self._of_owner(array)
        return self._of_view(array, plain)

    def _of_owner(self, array: Any) -> Any:
        if id(array) in self._cut:
            self.torn = True
        self._whole[id(array)] = array
        axes = _axes(array)
        data = pickle.PickleBuffer(_bytes_of(array, axes))
        self.buffers[id(data)] = data
        facts = type(array), array.dtype, array.shape, axes, bool(array.flags.writeable)
        return make_owner, (*facts, data)

    def _of_view(self, array: Any, plain: Any) -> Any:
        owner = array.base
        facts = type(array), array.dtype, array.shape
        writeable = bool(array.flags.writeable)
        if type(owner) is plain and owner.flags.owndata and owner.dtype.kind in _KINDS:
            if owner.nbytes <= WHOLE * array.nbytes or id(owner) in self._whole:
                offset = _address(array) - _address(owner)
                return make_view, (*facts, array.strides, offset, writeable, owner)
            self.torn = self.torn or id(owner) in self._cut
            self._cut[id(owner)] = owner
        axes = _axes(array)
        copied = array.view(plain).transpose(axes).copy()
        strides = copied.transpose(_inverse(axes)).strides
        return make_view, (*facts, strides, 0, writeable, copied.reshape(-1).copy())


def _axes(array: Any) -> tuple[int, ...] | None:
    """Give the axes in the order in which the array lies in memory; None where that is theirs."""
    if array.flags.c_contiguous:
        return None
    steps = array.strides
    return tuple(sorted(range(len(steps)), key=lambda axis: -abs(steps[axis])))


def _inverse(axes: tuple[int, ...] | None) -> tuple[int, ...] | None:
    return None if axes is None else tuple(sorted(range(len(axes)), key=axes.__getitem__))


def _address(array: Any) -> int:
    address: int = array.__array_interface__["data"][0]
    return address


def _bytes_of(array: Any, axes: tuple[int, ...] | None) -> Any:
    """Give the bytes of an array as another array, not copied where it has no gaps."""
    plain = array.view(sys.modules["numpy"].ndarray)
    ordered = plain if axes is None else plain.transpose(axes)
    return ordered.reshape(-1).view("u1")


def make_owner(
    kind: Any,
    dtype: Any,
    shape: tuple[int, ...],
    axes: tuple[int, ...] | None,
    writeable: bool,
    data: Any,
) -> Any:
    """Give an array that owns its data."""
    import numpy

    if axes is None and isinstance(data, LaterBytes):
        # Not as large from the start: NumPy asks for huge pages then, and where the system has
        # to clear them first, to read 80 MB takes 0.3 s, not 0.06.
        array = numpy.ndarray.__new__(kind, (1,), dtype)
        array.resize(shape, refcheck=False)
    elif axes is None:
        array = numpy.ndarray.__new__(kind, shape, dtype)
    elif axes == tuple(range(len(shape)))[::-1]:
        array = numpy.ndarray.__new__(kind, shape, dtype, order="F")
    else:
        lies = numpy.empty([shape[axis] for axis in axes], dtype)
        array = numpy.empty_like(lies.transpose(_inverse(axes)))
    there = _bytes_of(array, axes)
    if isinstance(data, LaterBytes):
        data.read_into(memoryview(there))
    else:
        there[:] = numpy.frombuffer(data, "u1")
    if not writeable:
        array.flags.writeable = False
    return array


def make_view(
    kind: Any,
    dtype: Any,
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    offset: int,
    writeable: bool,
    owner: Any,
) -> Any:
    """Give an array that is a view of another one."""
    import numpy

    array = numpy.ndarray.__new__(kind, shape, dtype, owner, offset, strides)
    if not writeable:
        array.flags.writeable = False
    return array
