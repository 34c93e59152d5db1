"""Trial: whether a part of an exception could be pickled, by the pickler that is at work."""

from __future__ import annotations

import io
from typing import Any

from . import nans

SMALL = 4096  # bytes of an object that goes along with an AttributeError about it


class _Short(io.RawIOBase):
    """A file that takes no more than `SMALL` bytes."""

    def __init__(self) -> None:
        self._taken = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        size = memoryview(data).nbytes
        self._taken += size
        if self._taken > SMALL:
            raise OverflowError
        return size


def is_small(thing: Any, pickler: Any) -> bool:
    """Whether an object can be pickled in a few bytes.

    Parameters
    ----------
    thing : object
        The object.
    pickler : type
        The class of the pickler.

    Examples
    --------
    >>> import pickle
    >>> is_small([1, 2], pickle.Pickler), is_small(bytes(10_000), pickle.Pickler)
    (True, False)
    """
    try:
        pickler(_Short(), protocol=5).dump(thing)
    except Exception:
        return False
    return True


def is_sendable(thing: Any, pickler: Any) -> bool:
    """Whether an object can be pickled by itself, and unpickled; parameters as of `is_small`.

    Exceptions in it may leave out what can't be, where the pickler can do that.

    Examples
    --------
    >>> import pickle
    >>> is_sendable([1, 2], pickle.Pickler), is_sendable(lambda: 1, pickle.Pickler)
    (True, False)
    """
    try:
        with io.BytesIO() as file:
            made = pickler(file, protocol=5)
            if hasattr(made, "lossy"):
                made.lossy = True
            made.dump(thing)
            nans.loads(file.getvalue())
    except Exception:
        return False
    return True
