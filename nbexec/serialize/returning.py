"""Pickling in a worker of what goes back to the kernel.

What the kernel has goes back as a reference to it: its classes and functions that can't be
imported, and what is the only one of its kind in a module, such as ``dataclasses.MISSING``.
"""

from __future__ import annotations

import contextlib
import functools
import pickle
from pathlib import Path
from typing import Any
from weakref import WeakSet

from . import (
    block_files,
    by_value,
    cached_functions,
    classes_by_value,
    cloud_pickler,
    made_exceptions,
    pickling,
    singletons,
    standard_objects,
    tracebacks,
)
from .owned_arrays import ArrayReducer, is_array


def dumps(value: Any, exact: bool = False, lossy: bool = False) -> bytes:
    """Pickle what goes back to the kernel.

    Parameters
    ----------
    value : object
        What goes back.
    exact : bool
        Whether it must be what it would be if it had been made in the kernel: a class that was
        made here can't be, nor can arrays that share memory.  It holds, too, for what is in an
        object whose class has ``__nbexec_exact__``.
    lossy : bool
        Whether exceptions leave out what can't be pickled; a note on them names it.
    """

    def prepare(made: Any) -> None:
        made.exact, made.lossy = exact, lossy

    return pickling.dumped(pickler(), value, prepare=prepare)


def dumps_error(error: BaseException) -> bytes | None:
    """Pickle an exception for `loads_error`, with its traceback and what it came from.

    What can't be pickled is left out; None where not even the rest can be.
    """
    for alone, lossy in made_exceptions.WAYS:
        with contextlib.suppress(BaseException):
            data = dumps(tracebacks.pack(error, alone), lossy=lossy)
            if lossy or made_exceptions.alike(loads_error(data), error):
                return data
    return None


def loads_error(data: bytes) -> BaseException:
    """Undo `dumps_error`."""
    return tracebacks.unpack(pickling.loads(data))


def dumps_beside(value: Any, file: Path | str | None) -> tuple[bytes, int]:
    """Pickle as `dumps` does; large buffers go to `file` as in `pickling.dumps_beside`."""
    if file is None:
        return dumps(value), 0
    apart = pickling.Apart()
    made: list[Any] = []
    data = pickling.dumped(pickler(), value, apart, made.append)
    if not apart.buffers:
        return data, 0
    later = {at for at, one in enumerate(apart.buffers) if id(one) in made[-1].arrays.buffers}
    try:
        return b"", block_files.write_file(file, data, apart.buffers, later)
    except OSError:  # no room for a file
        return dumps(value), 0


@functools.cache
def pickler() -> Any:
    """Give the pickler."""

    class Pickler(cloud_pickler.pickler()):  # type: ignore[misc]  # cloudpickle has no types
        def __init__(self, *args: Any, **named: Any) -> None:
            super().__init__(*args, **named)
            self.arrays = ArrayReducer()
            self.exact = False  # see `dumps`
            self._exact_kind: type | None = None

        def reducer_override(self, thing: Any) -> Any:
            kind = type(thing)
            if kind in self.plain:
                return NotImplemented
            if kind is self._exact_kind:
                self.arrays.begin()
                return NotImplemented
            if kind in standard_objects.BY_VALUE:
                return self._named(thing)
            if issubclass(kind, type):
                return self._class(thing)
            if hasattr(kind, "__nbexec_exact__"):
                self.exact, self._exact_kind = True, kind
                self.arrays.begin()
                return NotImplemented
            return self._array(thing) if is_array(kind) else self.of_instance(thing, kind)

        def of_instance(self, thing: Any, kind: type) -> Any:
            if self.exact and kind is WeakSet:
                raise pickle.PicklingError("it gives weak references, to what would be copies")
            found = super().of_instance(thing, kind)
            if self.exact and issubclass(kind, BaseException):
                return tracebacks.kept(thing, found)
            if self.exact and found is NotImplemented and singletons.place(thing, kind):
                raise pickle.PicklingError("it gives an object that stands in a module")
            return found

        def _named(self, thing: Any) -> Any:
            found = by_value.back(thing)
            if found is not None:
                return found
            if self.exact and cached_functions.is_used(thing):
                raise pickle.PicklingError(
                    f"it gives {thing!r}, which was made in a worker and holds results"
                )
            return super().reducer_override(thing)

        def _array(self, thing: Any) -> Any:
            reduced = self.arrays.reduce(thing)
            if self.arrays.torn and self.exact:
                raise pickle.PicklingError("its arrays share memory, which copies would not")
            return reduced

        def _class(self, thing: Any) -> Any:
            found = classes_by_value.class_back(thing)
            if found is not None:
                return found
            reduced = self.dynamic_class(thing)
            if reduced is None:
                return self.as_cloudpickle_does(thing)
            if self.exact:
                raise pickle.PicklingError(
                    f"it gives the class {thing.__qualname__}, which was made in a worker"
                )
            return classes_by_value.class_made_here(thing, reduced)

    return Pickler
