"""What the notebook changed in modules of Python and of installed packages.

Most of what these hold is theirs: caches, handles, what they know of their process.  So only
this counts: a function or an object of a class of the user's, a public constant that is another
one than their code says, a plain value of a name that their code has not, and a name that their
code has and that is gone.  They are looked for in the modules and classes that the user's code
has names for.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from ..system.user_code import is_library_module
from .module_facts import GONE, find
from .written_names import ATOMS, constants, written

_INNER = {classmethod: "__func__", staticmethod: "__func__", property: "fget"}
_FUNCTIONS = {types.FunctionType, *_INNER}
_CONTAINERS = {list, dict, set, tuple, frozenset}
_HEAP = 1 << 9  # the flag of classes that were made by a `class` statement, or like one
SMALL = 16  # submodules
FEW = 8  # names beside those that a module makes as it runs
# What is set of the first two is called in the kernel, with what items log and warn; of the last
# there are the streams and hooks of each process.
_IN_KERNEL = {"logging", "warnings"}
_OF_PROCESS = {"sys"}


class Own(dict[int, str]):
    """The user's namespaces: their ids, and the names of their modules."""

    def has(self, value: Any) -> bool:
        """Whether a value is a class of the user's, or an object of one."""
        kind = value if isinstance(value, type) else type(value)
        return getattr(kind, "__module__", None) in self.values()

    def has_function(self, value: Any) -> bool:
        """Whether a value is a function of the user's, or holds one as methods do."""
        kind = type(value)
        if kind in _INNER:
            value = getattr(value, _INNER[kind])
        return type(value) is types.FunctionType and id(value.__globals__) in self


class Look(NamedTuple):
    """What a module or a class held when it was looked through, and what was found."""

    of: Any
    names: list[str]
    values: list[Any]
    atoms: list[tuple[str, Any]]  # which may be equal and another
    own: Own
    changes: list[tuple[str, Any]]
    classes: list[type] = []  # noqa: RUF012  # never changed; of a module
    submodules: list[types.ModuleType] = []  # noqa: RUF012

    def holds(self, of: Any, held: Any, own: Own) -> bool:
        """Whether it would be found again: lists are compared by identity first, in C."""
        if self.of is not of or self.own is not own:
            return False
        try:
            same = [*held] == self.names and [*held.values()] == self.values
            return same and all(held[name] is value for name, value in self.atoms)
        except Exception:  # what values say to that
            return False


_own = Own()  # the last one: it is mostly the same
_looks: dict[str, Look] = {}  # by module
_looks_of_classes: dict[int, Look] = {}  # of the last time


def patches(spaces: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Give what was changed, by module and path; `GONE` for what was deleted.

    Parameters
    ----------
    spaces : iterable of dict
        The globals of the notebook, and of the user's modules.

    Examples
    --------
    >>> import textwrap
    >>> patches([globals()])
    {}
    >>> textwrap.dedent = lambda text: text
    >>> list(patches([globals()])["textwrap"])
    ['dedent']
    >>> textwrap = __import__("importlib").reload(textwrap)
    """
    global _own, _looks_of_classes
    spaces = [*spaces]
    own = Own({id(space): str(space.get("__name__")) for space in spaces})
    own = _own = _own if own == _own else own
    modules: dict[str, types.ModuleType] = {}
    classes: dict[int, type] = {}
    for value in [value for space in spaces for value in [*space.values()]]:
        kind = type(value)
        if kind is types.ModuleType:
            modules[value.__name__] = value
        elif issubclass(kind, type):
            classes[id(value)] = value
    found: dict[str, dict[str, Any]] = {}
    named, waiting = set(modules), [*modules.values()]
    for module in waiting:
        name = module.__name__
        if not _is_library(name) or name in _IN_KERNEL:
            continue
        look = _look(name, module, own)
        for one in look.submodules if name in named else ():
            if one.__name__ not in modules:
                modules[one.__name__] = one
                waiting.append(one)
        if sys.modules.get(name) is module:
            classes.update((id(one), one) for one in look.classes)
            if look.changes:
                found.setdefault(name, {}).update(look.changes)
    looks = {}
    for at, kind in classes.items():
        look = looks[at] = _look_of_class(kind, own)
        for key, value in look.changes:
            name, path = kind.__module__, kind.__qualname__
            if find(name, path) is kind:
                found.setdefault(name, {})[f"{path}.{key}"] = value
    _looks_of_classes = looks
    return found


def _submodules(package: str, held: dict[str, Any]) -> list[types.ModuleType]:
    """Give the submodules that a small package has names for: ``import http.client``."""
    if "__path__" not in held:
        return []
    found = [
        one
        for name, one in held.items()
        if type(one) is types.ModuleType and one.__name__ == f"{package}.{name}"
    ]
    return found if len(found) <= SMALL else []


def _is_library(name: str) -> bool:
    return name.partition(".")[0] != "nbexec" and is_library_module(name)


def _look(name: str, module: types.ModuleType, own: Own) -> Look:
    """Look through a module, unless it holds what it held before."""
    before, held = _looks.get(name), vars(module)
    if before is not None and before.holds(module, held, own):
        return before
    held = dict(held)
    classes = [
        value
        for value in held.values()
        if issubclass(type(value), type) and vars(value).get("__module__") == name
    ]
    found = _looks[name] = Look(
        *(module, [*held], [*held.values()], _atoms(held), own),
        [*_changes(name, module, held, own)],
        classes,
        _submodules(name, held),
    )
    return found


def _atoms(held: dict[str, Any]) -> list[tuple[str, Any]]:
    return [(key, one) for key, one in held.items() if type(one) in ATOMS and key[:1] != "_"]


def _changes(
    name: str, module: types.ModuleType, held: dict[str, Any], own: Own
) -> Iterator[tuple[str, Any]]:
    known, added = written(name, module), {}
    for key, value in held.items():
        if type(value) is types.FunctionType:
            if id(value.__globals__) in own:
                yield key, value
        elif key[:1] == "_" or name in _OF_PROCESS:
            continue
        elif own.has(value):
            yield key, value
        elif key not in known.names:
            added[key] = value
    for key, constant in constants(name, module).items():
        value = held.get(key, constant)
        if type(value) in ATOMS and not _is_same(value, constant):
            yield key, value
    yield from _added(added, known.sort)
    for key in known.always - held.keys():
        if key[:1] != "_":
            yield key, GONE


def _added(added: dict[str, Any], sort: str) -> Iterator[tuple[str, Any]]:
    """Give those names that the module's own code has not."""
    plain = {key: value for key, value in added.items() if type(value) in ATOMS}
    for key, value in added.items():
        # Those that a module makes as it runs are the same there: there may be some of them.
        some = not sort or (sort == "any" and len(plain) <= FEW)
        if (some and key in plain) or (not sort and type(value) in _CONTAINERS):
            yield key, value


def _look_of_class(kind: type, own: Own) -> Look:
    before, held = _looks_of_classes.get(id(kind)), vars(kind)
    if before is not None and before.holds(kind, held, own):
        return before
    name = kind.__module__
    if not kind.__flags__ & _HEAP or not isinstance(name, str) or not _is_library(name):
        return Look(kind, [*held], [*held.values()], [], own, [])
    changes = [
        (key, value)
        for key, value in [*held.items()]
        if type(value) in _FUNCTIONS and own.has_function(value)
    ]
    return Look(kind, [*held], [*held.values()], [], own, changes)


def _is_same(value: Any, constant: Any) -> bool:
    return type(value) is type(constant) and (value == constant or repr(value) == repr(constant))
