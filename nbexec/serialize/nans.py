"""NaNs: floats that are told by their identity, so that it has to survive a pickle.

``math.nan in rows`` is true of the very object alone, and a set has each NaN object once.
Pickle makes a new float of each.  A pickle with NaNs begins with `MARK`.
"""

from __future__ import annotations

import functools
import io
import pickle
import struct
import sys
from typing import Any

MARK = b"\0"  # no pickle begins with it
_PLACES = ("math", "numpy", "cmath")  # modules with a `nan`, each one of its own
_IN_PICKLE = (b"G\x7f\xf8", b"G\xff\xf8")  # BINFLOAT, and how a NaN begins
_DOUBLE = struct.Struct(">d")


def held(data: bytes) -> bool:
    """Whether there may be a NaN in a pickle.

    Examples
    --------
    >>> held(pickle.dumps([1.0, float("nan")])), held(pickle.dumps([1.0]))
    (True, False)
    """
    return any(sign in data for sign in _IN_PICKLE)


@functools.cache
def keeping(pickler: Any) -> Any:
    """Give a pickler's subclass that keeps the identity of NaNs.

    It is asked about every object, which takes ten times as long: it is for pickles that have one.
    """

    class Pickler(pickler):  # type: ignore[misc]
        def __init__(self, *args: Any, **named: Any) -> None:
            super().__init__(*args, **named)
            self._nans: dict[int, tuple[int, float]] = {}
            modules = [(name, sys.modules.get(name)) for name in _PLACES]
            self._places = {id(vars(one)["nan"]): name for name, one in modules if one is not None}

        def persistent_id(self, thing: Any) -> Any:
            if type(thing) is not float or thing == thing:
                return None
            if id(thing) in self._places:
                return self._places[id(thing)]
            number, _ = self._nans.setdefault(id(thing), (len(self._nans), thing))
            return number, _DOUBLE.pack(thing)

    return Pickler


class _Unpickler(pickle.Unpickler):
    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._nans: dict[int, float] = {}

    def persistent_load(self, where: Any) -> float:
        if type(where) is str:
            __import__(where)
            found: float = vars(sys.modules[where])["nan"]
            return found
        number, data = where
        return self._nans.setdefault(number, _DOUBLE.unpack(data)[0])


def loads(data: bytes | memoryview, buffers: Any = ()) -> Any:
    """Unpickle; the data may begin with `MARK`."""
    if data[:1] != MARK:
        return pickle.loads(data, buffers=buffers)
    return _Unpickler(io.BytesIO(data[1:]), buffers=buffers).load()
