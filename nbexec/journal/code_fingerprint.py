"""Fingerprints of functions: named digests of the parts, so that a change can be named.

The parts are the code, without line numbers and file names; the defaults; the captured values;
and the globals that the code uses.  The user's own functions and classes among them count in
the same way, and so on.  Those of a library count by name and version.
"""

from __future__ import annotations

import dis
import hashlib
import types
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ..serialize import dispatchers
from ..system.user_code import is_library_module, is_own_code
from .fingerprint import ATOMS, SIZE, NoFingerprint, digest, fingerprint, flat

# Attributes of a class that don't count: its place in the source, and what Python or pydantic
# made of the others.
_PASSING = frozenset(
    (
        *("__module__", "__qualname__", "__doc__", "__dict__", "__weakref__", "__slotnames__"),
        *("__firstlineno__", "__static_attributes__", "__match_args__"),
        *("__annotations__", "__annotations_cache__", "__annotate__", "__annotate_func__"),
        *("__pydantic_core_schema__", "__pydantic_validator__", "__pydantic_serializer__"),
        *("__abstractmethods__", "_abc_impl", "__orig_bases__", "__parameters__"),
    )
)
_OF_A_STEP = "__nbexec_step__"  # how a pipeline calls a function, which is not what it does


@dataclass(frozen=True, slots=True)
class CodePrint:
    """The fingerprint of a function.

    Attributes
    ----------
    digest : bytes
        Of the whole.
    parts : dict of str to str
        Digests of the parts, by a description in words.
    """

    digest: bytes
    parts: dict[str, str]


def differences(old: dict[str, str], new: dict[str, str]) -> list[str]:
    """List the parts that differ; parts that only one has follow from a change of another.

    Examples
    --------
    >>> differences({"its code": "1", "a": "1"}, {"its code": "2", "a": "1", "b": "1"})
    ['its code']
    """
    changed = [part for part in new if part in old and old[part] != new[part]]
    return changed or [part for part in {**new, **old} if (part in old) != (part in new)]


class Codes:
    """Fingerprints of functions, classes and items; each piece of code is visited once.

    For one run: code that was visited is assumed to stay unchanged.
    """

    def __init__(self) -> None:
        self._known: dict[int, bytes] = {}
        self._alive: list[Any] = []
        self._begun: set[int] = set()

    def item(self, value: Any) -> bytes:
        """Give the digest of an item."""
        return fingerprint(value, self._refer)

    def function(self, fn: Any) -> CodePrint:
        """Give the fingerprint of a function, or of any callable.

        Raises
        ------
        NoFingerprint
            Something that it uses has none; the message names it.
        """
        return _Graph(self._refer).print(fn)

    def _refer(self, thing: Any) -> bytes:
        """Give the digest of a function, a class or code of the user's within an item."""
        if type(thing) is types.CodeType:
            return code_digest(thing, self._refer)
        return self.thing(thing)

    def thing(self, thing: Any) -> bytes:
        """Give the digest of a function or a class of the user's."""
        key = id(thing)
        if key not in self._known:
            if key in self._begun:  # a cycle, through something that is in a set
                return str(thing.__qualname__).encode()
            self._begun.add(key)
            try:
                self._known[key] = self.function(thing).digest
            finally:
                self._begun.discard(key)
            self._alive.append(thing)
        return self._known[key]


class _Graph:
    """The functions and classes that one function leads to, each by a number."""

    def __init__(self, outside: Callable[[Any], bytes]) -> None:
        self._outside = outside
        self._parts: dict[str, bytes] = {}
        self._numbers: dict[int, int] = {}
        self._labels: set[str] = set()
        self._waiting: deque[tuple[Any, str]] = deque()

    def print(self, root: Any) -> CodePrint:
        while (stand_in := getattr(type(root), "__nbexec_key__", None)) is not None:
            root, *rest = stand_in(root)
            self._part("what it is given", rest)
        if type(root) is types.FunctionType or isinstance(root, type):
            self._refer(root, root=True)
        else:
            self._callable(root)
        while self._waiting:
            thing, label = self._waiting.popleft()
            if isinstance(thing, type):
                self._class(thing, label)
            else:
                self._function(thing, label)
        total = digest(
            piece for label, part in self._parts.items() for piece in (label.encode(), part)
        )
        return CodePrint(total, {label: part.hex()[:16] for label, part in self._parts.items()})

    def _callable(self, root: Any) -> None:
        """A partial, a bound method, an object that can be called."""
        import functools

        if isinstance(root, functools.partial):
            self._part("what `functools.partial` fixes", [root.args, root.keywords])
            self._part("its function", root.func)
        elif type(root) is types.MethodType:
            self._part("the object that it is a method of", root.__self__)
            self._part("its function", root.__func__)
        else:
            self._part("its code", root)

    def _refer(self, thing: Any, root: bool = False) -> bytes:
        if type(thing) is types.CodeType:
            return code_digest(thing, self._refer)
        number = self._numbers.get(id(thing))
        if number is None:
            number = self._numbers[id(thing)] = len(self._numbers)
            label = "" if root else f"`{_name(thing)}`"
            if label in self._labels:
                label += f" ({number})"
            self._labels.add(label)
            self._waiting.append((thing, label))
        return b"%d" % number

    def _part(self, label: str, value: Any) -> None:
        try:
            self._parts[label] = fingerprint(value, self._refer)
        except NoFingerprint as error:
            raise NoFingerprint(f"{label}: {error}") from error

    def _function(self, fn: types.FunctionType, label: str) -> None:
        own, code = f" of {label}" if label else "", fn.__code__
        if dispatchers.is_dispatcher(fn):
            self._part(f"what was registered{own}", dispatchers.content(fn))
            return
        self._parts[f"{label}, which it calls" if label else "its code"] = code_digest(
            code, self._refer
        )
        if fn.__defaults__ or fn.__kwdefaults__:
            self._part(f"the defaults{own}", [fn.__defaults__, fn.__kwdefaults__])
        for name, cell in zip(code.co_freevars, fn.__closure__ or (), strict=True):
            self._part(f"the captured `{name}`{own}", cell)
        about = {name: value for name, value in vars(fn).items() if name != _OF_A_STEP}
        if about:
            self._part(f"the attributes{own}", about)
        if is_own_code(code):
            for name, value in used_globals(fn):
                self._part(f"the global `{name}`{own}", value)

    def _class(self, kind: type, label: str) -> None:
        label = label or f"`{kind.__qualname__}`"
        self._part(f"{label}, which it uses", [type(kind), *kind.__bases__])
        for name, member in vars(kind).items():
            if name in _PASSING or (name == "__hash__" and _is_salted(member)):
                continue
            if name == "__pydantic_decorators__":
                member = _decorators(member)
            self._part(f"`{name}` of {label}", member)


def _is_salted(method: Any) -> bool:
    """Whether attrs wrote a ``__hash__``: there is a string's hash in it, of this process."""
    code = getattr(method, "__code__", None)
    return code is not None and str(code.co_filename).startswith("<attrs generated")


def _decorators(found: Any) -> list[Any]:
    """Give how pydantic's decorators were called, without the places of classes in memory."""
    return [
        (group, name, one.info)
        for group in found.__dataclass_fields__
        for name, one in getattr(found, group).items()
    ]


def _name(thing: Any) -> str:
    return str(thing.__qualname__).replace("<locals>.", "")


def used_globals(fn: types.FunctionType) -> Iterator[tuple[str, Any]]:
    """Give the globals that a function's code names; of the user's modules, their attributes."""
    seen: set[str] = set()
    for code in codes(fn.__code__):
        for instruction in dis.get_instructions(code):
            name = instruction.argval
            if not isinstance(name, str) or name in seen or name not in fn.__globals__:
                continue
            if not instruction.opname.startswith(("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR")):
                continue
            seen.add(name)
            value = fn.__globals__[name]
            if type(value) is types.ModuleType and not is_library_module(value.__name__):
                yield from _of_module(name, value, fn.__code__)
            else:
                yield name, value


def _of_module(name: str, module: types.ModuleType, code: types.CodeType) -> Iterator[Any]:
    """Give the attributes of a user's module that code may use: those whose names it has."""
    taken = {attribute for one in codes(code) for attribute in one.co_names}
    for attribute, value in vars(module).items():
        if attribute in taken and not attribute.startswith("__"):
            if type(value) is types.ModuleType and not is_library_module(value.__name__):
                yield from _of_module(f"{name}.{attribute}", value, code)
            else:
                yield f"{name}.{attribute}", value


def codes(code: types.CodeType) -> Iterator[types.CodeType]:
    """Give a code object, and those of the functions and classes that it makes."""
    yield code
    for constant in code.co_consts:
        if type(constant) is types.CodeType:
            yield from codes(constant)


def code_digest(code: types.CodeType, refer: Callable[[Any], bytes]) -> bytes:
    """Give the digest of code, whatever its place in the source."""
    made = hashlib.blake2b(digest_size=SIZE)
    shape = (
        *(code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags),
        *(code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars),
    )
    made.update(flat((*shape[:4], *(" ".join(names) for names in shape[4:]))))
    if "__firstlineno__" in code.co_names:  # Python 3.13: of a class, the code has its line
        made.update(fingerprint(list(_without_place(code)), refer))
        return made.digest()
    made.update(digest([code.co_code, code.co_exceptiontable]))
    for constant in code.co_consts:
        made.update(flat(constant) if type(constant) in ATOMS else fingerprint(constant, refer))
    return made.digest()


def _without_place(code: types.CodeType) -> Iterator[tuple[str, Any]]:
    """Give the instructions of a class's body but for those about its place in the source."""
    instructions = list(dis.get_instructions(code))
    for this, following in zip(instructions, [*instructions[1:], None], strict=True):
        stored = following.argval if following and following.opname == "STORE_NAME" else None
        if stored not in ("__firstlineno__", "__static_attributes__"):
            yield this.opname, this.argval
