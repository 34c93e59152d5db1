"""Pickling of functions, items and results across a process boundary: cloudpickle, protocol 5.

Large buffers (NumPy arrays) go beside the pickle rather than inside it, into a file where
both sides are on one machine.  A worker maps that file copy-on-write, so that an array
that a function captured is in memory once however many workers use it, and yet can be
written to like any other.
"""

from __future__ import annotations

import contextlib
import functools
import io
import mmap
import pickle
import struct
import sys
import traceback as traceback_module
import weakref
from collections.abc import Callable, Container, Iterable, Iterator
from contextvars import ContextVar
from pathlib import Path
from types import CellType, CodeType, FunctionType, ModuleType
from typing import Any

from ..errors import PickleError
from . import (
    by_value,
    context_vars,
    dispatchers,
    made_exceptions,
    nans,
    own_generators,
    singletons,
    standard_objects,
    weak_references,
)
from .owned_arrays import LaterBytes

LARGE = 1 << 16  # bytes; to write a buffer to a file and read it takes 0.03 ms then, a pipe 0.18

_ALIGN = 64  # bytes; what NumPy aligns its own arrays to
_READONLY = 1 << 63  # added to the size of a buffer that must not be written to
_LATER = 1 << 62  # added to that of a buffer which an array reads into its own memory
Piece = bytes | memoryview

_HEAD = struct.Struct("<Q")


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


class Sent:
    """What a run sent to its workers by value, with its task.

    Parameters
    ----------
    run : str
        The run: a name that no other one has.
    anew : bool
        Whether functions are sent anew with items: their globals may be others by then.

    Attributes
    ----------
    known : set of str
        Names of classes, functions and modules: every worker has them when it gets items.
    generators, streamed : list
        Generators of random numbers that were met, and those that items have streams of.
    """

    def __init__(self, run: str, anew: bool = False) -> None:
        self.run = run
        self._anew = anew
        self.known: set[str] = set()
        self.generators: list[Any] = []  # of random numbers, which were met
        self.streamed: list[Any] = []  # those that are set to streams
        self._names: set[str] = set()
        self._owners = own_generators.Owners()
        self._things: list[Any] = []  # they are there as long as they may come back

    def note(self, thing: Any, name: str) -> None:
        """Take in that the task has `thing`."""
        self._things.append(thing)
        if not self._anew or isinstance(thing, type):
            self._names.add(name)

    def complete(self) -> None:
        """Take in that the task is pickled, and items are next."""
        self.known = self._names

    def own_generators(self, index: int, item: Any) -> None:
        """Take in the generators that an item has, but for those that are set to streams.

        Raises
        ------
        PickleError
            Another item has one of them, too.
        """
        met = Sent(self.run)
        met.known = self.known
        dumps_apart(item, met)
        streamed = set(map(id, met.streamed))
        self._owners.add([one for one in met.generators if id(one) not in streamed], index)

    def forget(self) -> None:
        """Let go of what was sent: nothing comes back any more."""
        self._things.clear()
        self._owners = own_generators.Owners()

    @property
    def noting(self) -> bool:
        """Whether it is the task that is pickled."""
        return bool(self.run) and self.known is not self._names


_NOTHING = Sent("")


INSTEAD = "__nbexec_instead__"  # of what is pickled first: see `Pickler.instead`

# Code that functions have for a while, with the code that is to be sent in its place.
stands_for: weakref.WeakKeyDictionary[CodeType, CodeType] = weakref.WeakKeyDictionary()


@functools.cache
def pickler() -> Any:
    """Give cloudpickle's pickler, but for the names of files.

    From 3.1.3 on cloudpickle gives all code that it sends the name "<dynamic-code>": its
    tracebacks would have no lines of the notebook's cell, nor could it be debugged.
    """
    import cloudpickle

    script = sys.modules.get("__mp_main__")  # of whoever started this process; see multiprocessing
    if script is not None:
        cloudpickle.register_pickle_by_value(script)  # as __main__ is: workers have no such module
    table = cloudpickle.Pickler.dispatch_table
    reduce = table[CodeType]

    def reduce_with_name(code: CodeType) -> Any:
        code = stands_for.get(code, code)
        make, arguments, *_ = reduce(code)
        return _code_of_file, (make, arguments, code.co_filename)

    class Pickler(cloudpickle.Pickler):  # type: ignore[misc]  # cloudpickle has no types
        dispatch_table = table.new_child({CodeType: reduce_with_name})
        sent = _NOTHING

        def __init__(self, *args: Any, **named: Any) -> None:
            super().__init__(*args, **named)
            self.instead: dict[int, CodeType] = {}  # code to send of functions, by their ids
            self.plain: set[type] = set()  # classes whose instances pickle knows how to reduce
            self.lossy = False  # whether exceptions leave out what can't be pickled

        def reducer_override(self, thing: Any) -> Any:
            kind = type(thing)
            if kind in self.plain:
                return NotImplemented
            if issubclass(kind, type):
                return self._class(thing)
            if kind in standard_objects.BY_VALUE:
                return self._by_value(thing)
            return self.of_instance(thing, kind)

        def of_instance(self, thing: Any, kind: type) -> Any:
            """Give the reduction of an object that is neither a class nor a function."""
            if singletons.are_in(kind):
                return singletons.reference(thing, kind)
            if issubclass(kind, BaseException):
                return made_exceptions.reduced(thing, kind, type(self), self.lossy)
            if issubclass(kind, ModuleType) and standard_objects.is_of_another_class(thing):
                return cloudpickle.cloudpickle.subimport, (thing.__name__,)
            if kind is ContextVar:
                return context_vars.reduced(thing)
            if own_generators.are(kind):
                kept = own_generators.place(thing, kind)
                if kept is None and self.sent.run:
                    self.sent.generators.append(thing)
                return NotImplemented if kept is None else (singletons.at, kept)
            if self.sent.run and hasattr(kind, "__nbexec_streams__"):
                self.sent.streamed += thing.generators or ()
            if kind in weak_references.KINDS:
                return weak_references.reduction(thing, self.sent.run)
            if standard_objects.has_plain(kind):
                return standard_objects.plain(thing)
            self.plain.add(kind)
            if hasattr(kind, INSTEAD):
                self.instead = getattr(thing, INSTEAD)()
            return NotImplemented

        def _class(self, thing: type) -> Any:
            reduced = self.dynamic_class(thing)
            if reduced is None:
                return self.as_cloudpickle_does(thing)
            if self.sent.noting:
                self.sent.note(thing, by_value.class_name(thing))
            return by_value.class_by_value(thing, reduced, self.sent.known)

        def dynamic_class(self, thing: type) -> Any:
            """Give cloudpickle's reduction of a class by value; None for one that has a name."""
            reduced = self.as_cloudpickle_does(thing)
            return reduced if isinstance(reduced, tuple) and len(reduced) == 6 else None

        def as_cloudpickle_does(self, thing: Any) -> Any:
            """Give cloudpickle's reduction of a class or a function."""
            return super().reducer_override(thing)

        def _by_value(self, thing: Any) -> Any:
            kind, arrives = type(thing), by_value.by_value
            if kind is ModuleType:
                reduced = self.dispatch_table[ModuleType](thing)
                whole = reduced[0] is not cloudpickle.cloudpickle.subimport
            elif kind in standard_objects.NAMED or dispatchers.is_dispatcher(thing):
                if by_value.is_importable(thing):
                    return NotImplemented
                reduce_named: Any = standard_objects.NAMED.get(kind, dispatchers.reduced)
                reduced, whole, arrives = reduce_named(thing), True, by_value.once_by_value
            else:
                code = self.instead.get(id(thing)) or stands_for.get(thing.__code__)
                sent = thing if code is None else with_code(thing, code)
                reduced = self.as_cloudpickle_does(sent)
                whole = reduced is not NotImplemented
                parameters: Any = getattr(thing, "__type_params__", None)
                if whole and parameters:  # cloudpickle leaves them out
                    reduced[2][1]["__type_params__"] = parameters
            if not whole:
                return reduced
            if self.sent.noting:
                self.sent.note(thing, by_value.thing_name(thing))
            return arrives(thing, reduced, self.sent.run, self.sent.known)

    return Pickler


def with_code(function: FunctionType, code: CodeType) -> FunctionType:
    """Give a copy of a function, with other code.

    Examples
    --------
    >>> def one(x=1): return x
    >>> def two(x=1): return x + 1
    >>> made = with_code(one, two.__code__)
    >>> made(), made.__name__
    (2, 'one')
    """
    made = FunctionType(
        code, function.__globals__, function.__name__, function.__defaults__, function.__closure__
    )
    made.__kwdefaults__ = function.__kwdefaults__
    made.__dict__.update(function.__dict__)
    for name in ("__qualname__", "__module__", "__doc__", "__type_params__"):
        if hasattr(function, name):
            setattr(made, name, getattr(function, name))
    lazy = "__annotate__" if hasattr(function, "__annotate__") else "__annotations__"
    setattr(made, lazy, getattr(function, lazy))
    return made


def _code_of_file(make: Callable[..., CodeType], arguments: Any, filename: str) -> CodeType:
    return make(*arguments).replace(co_filename=filename)


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


def dumps_apart(value: Any, sent: Sent = _NOTHING) -> tuple[bytes, list[pickle.PickleBuffer]]:
    """Pickle as `dumps` does, and give the large buffers apart from it, not copied.

    What is sent by value is noted in `sent`.
    """
    apart = Apart()
    return dumped(pickler(), value, apart, _noting(sent)), apart.buffers


def _noting(sent: Sent) -> Callable[[Any], None]:
    return lambda made: setattr(made, "sent", sent)


def pack(value: Any) -> bytes:
    """Pickle `value` into one block, its large buffers aligned behind the pickle."""
    return joined(*dumps_apart(value))


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


def dumps_beside(value: Any, file: Path | str | None, sent: Sent = _NOTHING) -> tuple[bytes, int]:
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
            dumps_apart(value, Sent("trial"))
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
