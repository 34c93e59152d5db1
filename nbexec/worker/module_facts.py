"""What is known of a name of a module without pickling what it stands for.

A function or a class of a module is known by where it is written: the worker has it from there.
"""

from __future__ import annotations

import enum
import functools
import sys
import types
from collections.abc import Iterator
from typing import Any, NamedTuple

from ..serialize.live_modules import is_defined, module_of, unchanged_code

Fact = tuple[Any, ...]

VALUE: Fact = ("v",)  # is sent
SKIPPED: Fact = ("-",)  # is left as it is there
GONE: Fact = ("x",)  # was deleted
UNSENT = "!"  # what can't be pickled: with its class, and whether it is surely another one there

_ATOMS = {int, float, bool, str, bytes, complex, type(None)}
_WRAPPERS: dict[Any, tuple[str, ...]] = {
    classmethod: ("__func__",),
    staticmethod: ("__func__",),
    property: ("fget", "fset", "fdel"),
}
_OF_PYTHON = (
    types.MemberDescriptorType,
    types.GetSetDescriptorType,
    types.WrapperDescriptorType,
    types.MethodDescriptorType,
    types.ClassMethodDescriptorType,
)
_CACHED = functools._lru_cache_wrapper
_PARTS = ("__defaults__", "__kwdefaults__")  # of a function, which may hold values


class HeldValues(NamedTuple):
    """What a module holds: what is known of each of its names, and the values of some.

    Attributes
    ----------
    names : bytes
        A `HeldNames`, pickled.
    data : bytes
        The values, pickled.
    buffers : list
        Their large buffers.
    """

    names: bytes
    data: bytes
    buffers: list[Any]


class HeldNames(NamedTuple):
    """What is known of the names of a module.

    Attributes
    ----------
    facts : dict
        What is known, by path: ``"RATE"``, ``"Model.rate"``.
    paths : list of str
        Where the values stand.
    links : dict
        Where in other modules the same objects stand.
    singles : dict
        Values that were pickled by themselves, by path.
    partly : bool
        Whether there is more in the module, which is its own.
    """

    facts: dict[str, Fact]
    paths: list[str]
    links: dict[str, list[tuple[str, str]]]
    singles: dict[str, bytes]
    partly: bool = False


def fact(value: Any) -> Fact:
    """Give what is known of a value.

    Examples
    --------
    >>> import math, textwrap
    >>> fact(math), fact(textwrap.TextWrapper), fact(3)
    (('m', 'math'), ('r', 'textwrap', 'TextWrapper'), ('v',))
    """
    kind = type(value)
    if kind in _ATOMS:
        return VALUE
    if kind is types.FunctionType:
        return _of_function(value)
    if issubclass(kind, types.ModuleType):
        return "m", value.__name__
    if kind in _WRAPPERS:
        return _of_wrapper(value, kind)
    if (
        issubclass(kind, _OF_PYTHON)
        or kind.__name__ == "_tuplegetter"
        or kind.__module__ in ("typing", "_abc", "__future__")
    ):
        return SKIPPED
    if issubclass(kind, type) or hasattr(kind, "__call__"):  # noqa: B004  # of the class
        name, module = _own(value, "__qualname__"), _own(value, "__module__")
        known = isinstance(name, str) and isinstance(module, str) and module != "__main__"
        if known and find(module, name) is value:
            return "r", module, name
    return VALUE


def _own(value: Any, name: str) -> Any:
    try:
        return getattr(value, name, None)
    except Exception:
        return None


def _of_function(value: types.FunctionType) -> Fact:
    module = module_of(value)
    if module is None:
        if str(value.__globals__.get("__name__")).startswith("namedtuple_"):
            return SKIPPED
        return VALUE
    code = unchanged_code(value)
    where = module, value.__qualname__, code.co_name, code.co_firstlineno
    return "f", *where, *(_cell(cell) for cell in value.__closure__ or ())


def _cell(cell: types.CellType) -> Any:
    """Give what is in a closure's cell, where that is plain; else its class."""
    try:
        value = cell.cell_contents
    except ValueError:  # it is empty
        return None
    return (type(value).__name__, value if type(value) in _ATOMS else None)


def is_written(name: str, path: str, value: Any) -> bool:
    """Whether a function, of which there is a fact, is in its module as that was written.

    Not one that was made by another one, such as a wrapper: a worker may have none.
    """
    kind = type(value)
    if kind in _WRAPPERS:
        inner = [getattr(value, one) for one in _WRAPPERS[kind]]
        return all(
            one is None
            or (
                type(one) is types.FunctionType
                and is_written(name, path, one)
                and one.__qualname__ == path
                and module_of(one) == name
            )
            for one in inner
        )
    if kind is not types.FunctionType:
        return True
    module = module_of(value)
    has_name = module is not None and find(module, value.__qualname__) is value
    return is_defined(value) and (module == name or has_name)


def _of_wrapper(value: Any, kind: type) -> Fact:
    found = []
    for name in _WRAPPERS[kind]:
        inner = getattr(value, name)
        known = SKIPPED if inner is None else fact(inner)
        if known is VALUE:
            return VALUE
        found.append(known)
    return "w", kind.__name__, *found


def find(module: str, path: str) -> Any:
    """Give what stands at a path of a module that was imported; None where nothing does."""
    return find_in(sys.modules.get(module), path)


def find_in(owner: Any, path: str) -> Any:
    """Give what stands at a path of a module; None where nothing does."""
    found = owner
    for name in path.split("."):
        if found is None:
            return None
        try:
            found = vars(found).get(name)
        except TypeError:
            return None
    return found


def attributes_of(name: str, module: types.ModuleType) -> list[tuple[str, Any]]:
    """Give what a module holds, with paths: of its classes and functions, too.

    Examples
    --------
    >>> import textwrap
    >>> [path for path, _ in attributes_of("textwrap", textwrap) if "fill" in path]
    ['TextWrapper.fill', 'fill']
    """
    found: list[tuple[str, Any]] = []
    _collect(name, "", vars(module), found)
    return found


def _collect(name: str, prefix: str, own: Any, found: list[tuple[str, Any]]) -> None:
    """Collect what is in a module's or a class's namespace."""
    for key, value in [*own.items()]:
        kind, path = type(value), prefix + key
        if kind is types.FunctionType:
            if prefix or not is_hidden(key):
                found.append((path, value))
                if value.__defaults__ or value.__kwdefaults__ or value.__dict__:
                    found.extend(_of_parts(name, path, value))
        elif not (is_hidden(key) or (prefix and _is_bound(kind))):
            found.append((path, value))
            if issubclass(kind, type) and is_own_class(name, path, value):
                _collect(name, f"{path}.", vars(value), found)


def is_hidden(name: str) -> bool:
    """Whether Python keeps a name for itself."""
    return name[:2] == "__" and name[-2:] == "__"


def _is_bound(kind: type) -> bool:
    """Whether something of a class is a descriptor that isn't known here: it is the class's."""
    return hasattr(kind, "__get__") and kind not in _WRAPPERS and kind is not _CACHED


def is_own_class(name: str, path: str, value: type) -> bool:
    """Whether a class is written in a module, and found there by its name."""
    own = value.__module__ == name and value.__qualname__ == path
    return own and not issubclass(value, enum.Enum)


def _of_parts(name: str, path: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Give what a function keeps between its calls: defaults that change, and attributes."""
    if value.__module__ != name:
        return
    for part in _PARTS:
        held = getattr(value, part)
        inside = held.values() if type(held) is dict else held or ()
        if any(type(one) not in _ATOMS and fact(one) is VALUE for one in inside):
            yield f"{path}.{part}", held
    for key, held in [*value.__dict__.items()]:
        if type(held) in _ATOMS or (type(held) in (dict, list, set) and _is_data(held)):
            yield f"{path}.{key}", held


def _is_data(held: Any) -> bool:
    inside = held.values() if type(held) is dict else held
    return all(type(one) in _ATOMS or type(one) in (dict, list, set, tuple) for one in inside)
