"""Fingerprints of values: digests that are equal in every process.

A pickle won't do: it depends on the order of a set, which differs between processes, and on
which equal strings happen to be the same object.  So a value is walked as pickle would walk it,
and each piece goes into a hash: sets sorted, dicts in their order, functions and classes of the
user's by their code (`code_fingerprint`), those of libraries by their name and version.
"""

from __future__ import annotations

import copyreg
import functools
import hashlib
import marshal
import pickle
import sys
import types
from collections.abc import Callable, Iterable
from typing import Any

from ..serialize import own_generators, standard_objects, weak_references
from ..system.user_code import is_library_module
from .moved import before

SIZE = 16  # bytes of a digest
MOST = 2_000_000  # pieces of one value: more would take longer than most items do

ATOMS = frozenset({int, float, complex, str, bytes, bool, type(None), type(...)})
# What marshal writes begins with a byte below 0xff: nothing else can be taken for a mark.
_MARK = b"\xff"

Refer = Callable[[Any], bytes]  # gives the digest of a function or class of the user's


class NoFingerprint(Exception):
    """A value has no fingerprint; the message names the part that has none."""


def digest(pieces: Iterable[bytes]) -> bytes:
    """Give the digest of several digests or texts, in order."""
    made = hashlib.blake2b(digest_size=SIZE)
    for piece in pieces:
        made.update(len(piece).to_bytes(8, "little"))
        made.update(piece)
    return made.digest()


def flat(value: Any) -> bytes:
    """Give the bytes of an atom, or of a tuple or list of atoms.

    Version 0 of marshal's format knows nothing of shared or interned objects.
    """
    return marshal.dumps(value, 0)


def fingerprint(value: Any, refer: Refer) -> bytes:
    """Give the digest of a value.

    Parameters
    ----------
    value : object
        Anything that pickle, or cloudpickle, could send.
    refer : callable
        Gives the digest of a function or a class of the user's.

    Raises
    ------
    NoFingerprint
        Something in it can't be pickled, or there is too much of it.

    Examples
    --------
    >>> fingerprint({"b", "a"}, repr) == fingerprint({"a", "b"}, repr)
    True
    """
    while type(value) not in ATOMS:
        stand_in = getattr(type(value), "__nbexec_key__", None)
        if stand_in is None:
            break
        value = stand_in(value)
    if type(value) in ATOMS:
        return hashlib.blake2b(flat(value), digest_size=SIZE).digest()
    walk = _Walk(refer)
    try:
        walk.feed(value)
    except RecursionError:
        raise NoFingerprint(f"{_sort(value)} is nested too deeply") from None
    return walk.digest()


def version_of(module: str) -> str:
    """Give the version of the package that a library's module is of, or ""."""
    found = getattr(sys.modules.get(module.partition(".")[0]), "__version__", "")
    return found if isinstance(found, str) else ""


def by_name(thing: Any) -> tuple[str, str] | None:
    """Give module and name of a library's function or class; None if it isn't one."""
    module, name = getattr(thing, "__module__", None), getattr(thing, "__qualname__", None)
    if not (isinstance(module, str) and isinstance(name, str)) or not is_library_module(module):
        return None
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return (before(module, name), name) if found is thing else None


class _Walk:
    """Feeds a value to a hash, piece by piece."""

    def __init__(self, refer: Refer) -> None:
        self._refer = refer
        self._hash = hashlib.blake2b(digest_size=SIZE)
        self._seen: dict[int, int] = {}  # mutable objects: sharing counts
        self._alive: list[Any] = []  # so that no id is used twice
        self._pieces = 0

    def digest(self) -> bytes:
        return self._hash.digest()

    def _mark(self, kind: bytes, *pieces: bytes) -> None:
        self._hash.update(_MARK + kind)
        for piece in pieces:
            self._hash.update(b"%d:" % len(piece))
            self._hash.update(piece)

    def feed(self, value: Any) -> None:
        kind = type(value)
        if kind in ATOMS:
            self._hash.update(flat(value))
            return
        self._pieces += 1
        if self._pieces > MOST:
            raise NoFingerprint(f"there are over {MOST:,} objects in it")
        if kind is tuple:
            self._sequence(b"t", value)
        elif kind is frozenset:
            self._set(kind, value)
        elif issubclass(kind, type) or kind is types.FunctionType:
            self._defined(value)
        else:
            number = self._seen.get(id(value))
            if number is not None:
                self._mark(b"@", b"%d" % number)
                return
            self._seen[id(value)] = len(self._seen)
            self._alive.append(value)
            self._changeable(kind, value)

    def _sequence(self, mark: bytes, values: Any) -> None:
        if set(map(type, values)) <= ATOMS:
            self._mark(mark.upper())
            self._hash.update(flat(values))
            return
        self._mark(mark, b"%d" % len(values))
        for value in values:
            self.feed(value)

    def _defined(self, thing: Any) -> None:
        named = by_name(thing)
        if named is None:
            self._mark(b"u", self._refer(thing))
        else:
            self._named(*named)

    def _named(self, module: str, name: str) -> None:
        self._mark(b"n", module.encode(), name.encode(), version_of(module).encode())

    def _changeable(self, kind: type, value: Any) -> None:
        if kind is list:
            self._sequence(b"l", value)
        elif kind is dict or kind is types.MappingProxyType:
            self._mapping(value)
        elif kind is set:
            self._set(kind, value)
        elif kind in (bytearray, memoryview, pickle.PickleBuffer):
            self._buffer(value)
        elif kind in _PARTS:
            mark, parts = _PARTS[kind]
            self._parts(mark, *parts(value))
        elif kind is types.CodeType:
            self._mark(b"c", self._refer(value))
        elif kind is types.ModuleType:
            self._named(value.__name__, "")
        elif kind is types.BuiltinFunctionType and _of_module(value):
            self._named(value.__module__ or "", value.__qualname__)
        elif kept := own_generators.place(value, kind):
            self._named(*kept)
        elif isinstance(value, functools._lru_cache_wrapper):
            self._parts(b"w", value.__wrapped__)
        elif kind in weak_references.KINDS:
            self._parts(b"a", weak_references.content(value))
        else:
            self._reduced(kind, value)

    def _parts(self, mark: bytes, *parts: Any) -> None:
        self._mark(mark, b"%d" % len(parts))
        for part in parts:
            self.feed(part)

    def _mapping(self, value: Any) -> None:
        """Feed a dict in its order, which a reader can see."""
        self._mark(b"D", b"%d" % len(value))
        for key, held in value.items():
            self.feed(key)
            self.feed(held)

    def _set(self, kind: type, value: Any) -> None:
        if set(map(type, value)) <= ATOMS:
            pieces = sorted(map(flat, value))
        else:  # each on its own: their order differs between processes
            pieces = sorted(fingerprint(one, self._refer) for one in sorted(value, key=_names))
        self._mark(b"S", kind.__name__.encode(), *pieces)

    def _buffer(self, value: Any) -> None:
        try:
            raw = value.raw() if type(value) is pickle.PickleBuffer else memoryview(value)
            data = raw.cast("B")
        except (BufferError, TypeError):
            data = memoryview(bytes(memoryview(value)))
        self._mark(b"b", b"%d" % len(data))
        self._hash.update(data)

    def _reduced(self, kind: type, value: Any) -> None:
        """Feed an object in the parts that pickle would reduce it to."""
        try:
            # What is the same in each run, where not all that is pickled is.
            reduce = getattr(kind, "__nbexec_content__", None) or copyreg.dispatch_table.get(kind)
            reduced: Any = NotImplemented if reduce is None else reduce(value)
            if reduced is NotImplemented:
                reduced = standard_objects.plain(value)
            if reduced is NotImplemented:
                reduced = value.__reduce_ex__(5)
        except RecursionError:
            raise
        except Exception as error:
            raise NoFingerprint(f"{_sort(value)} has no fingerprint: {error}") from error
        if isinstance(reduced, str):
            wrapped = getattr(value, "__wrapped__", None)
            module = getattr(value, "__module__", None) or kind.__module__
            self._named(str(module), reduced)
            if wrapped is not None:
                self.feed(wrapped)
            return
        self._alive.append(reduced)
        state, listed, mapped = (*reduced[2:5], None, None, None)[:3]
        self._parts(b"r", reduced[0], reduced[1], state)
        if listed is not None:
            self._parts(b"i", *listed)
        if mapped is not None:
            self._parts(b"j", *mapped)


def _names(thing: Any) -> tuple[str, str]:
    """Give an order of what is in a set: classes and functions are numbered as they are met."""
    return type(thing).__qualname__, str(getattr(thing, "__qualname__", ""))


def _contents(cell: types.CellType) -> tuple[Any, ...]:
    try:
        return (cell.cell_contents,)
    except ValueError:  # not assigned yet
        return ()


def _sort(value: Any) -> str:
    kind = type(value)
    return f"a {kind.__module__}.{kind.__qualname__}".replace("a builtins.", "a ")


def _of_module(function: Any) -> bool:
    """Whether a function of C is a module's, and no method of an object."""
    return type(function.__self__) in (types.ModuleType, type(None))


def _owner_and_name(descriptor: Any) -> tuple[str, str]:
    return descriptor.__objclass__.__qualname__, descriptor.__name__


_PARTS: dict[type, tuple[bytes, Callable[[Any], tuple[Any, ...]]]] = {
    types.MethodType: (b"m", lambda method: (method.__func__, method.__self__)),
    types.CellType: (b"k", _contents),
    staticmethod: (b"s", lambda method: ("staticmethod", method.__func__)),
    classmethod: (b"s", lambda method: ("classmethod", method.__func__)),
    property: (b"p", lambda one: (one.fget, one.fset, one.fdel)),
    types.MemberDescriptorType: (b"d", _owner_and_name),
    types.GetSetDescriptorType: (b"d", _owner_and_name),
    types.WrapperDescriptorType: (b"d", _owner_and_name),
    types.MethodDescriptorType: (b"d", _owner_and_name),
    types.ClassMethodDescriptorType: (b"d", _owner_and_name),
}
