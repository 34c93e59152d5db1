"""What the notebook changed in modules of Python and of installed packages.

Most of what these hold is theirs: caches, handles, what they know of their process.  So only
this counts: a function or an object of a class of the user's, a public constant that is another
one than their code says, a plain value of a name that their code has not, and a name that their
code has and that is gone.  They are looked for in the modules and classes that the user's code
has names for.
"""

from __future__ import annotations

import operator
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
    """What a namespace was like when it was looked through, and what was found."""

    names: list[str]
    values: list[Any]
    own: Own
    changes: list[tuple[str, Any]]
    classes: list[type]

    def holds(self, held: Any, own: Own) -> bool:
        """Whether it would be found again; a tenth of looking once more."""
        return (
            len(self.names) == len(held)
            and all(map(operator.is_, self.names, held))
            and all(map(operator.is_, self.values, held.values()))
            and self.own == own
        )


_looks: dict[str, Look] = {}  # by module
_looks_of_classes: dict[tuple[str, str], Look] = {}  # by module and path


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
    spaces = [*spaces]
    own = Own({id(space): str(space.get("__name__")) for space in spaces})
    modules: dict[str, types.ModuleType] = {}
    classes: dict[int, type] = {}
    for value in [value for space in spaces for value in [*space.values()]]:
        kind = type(value)
        if kind is types.ModuleType:
            modules[value.__name__] = value
            modules.update(_submodules(value))
        elif issubclass(kind, type):
            classes[id(value)] = value
    found: dict[str, dict[str, Any]] = {}
    for name, module in modules.items():
        if sys.modules.get(name) is module and name not in _IN_KERNEL and _is_library(name):
            look = _look(name, module, own)
            classes.update((id(one), one) for one in look.classes)
            if look.changes:
                found.setdefault(name, {}).update(look.changes)
    for one in classes.values():
        name, path = one.__module__, one.__qualname__
        if not one.__flags__ & _HEAP or not isinstance(name, str) or not _is_library(name):
            continue
        for key, value in _look_of_class(one, own).changes:
            if find(name, path) is one:
                found.setdefault(name, {})[f"{path}.{key}"] = value
    return found


def _submodules(package: types.ModuleType) -> dict[str, types.ModuleType]:
    """Give the submodules that a small package has names for: ``import http.client``."""
    held = vars(package)
    if "__path__" not in held:
        return {}
    found = {
        one.__name__: one
        for name, one in [*held.items()]
        if type(one) is types.ModuleType and one.__name__ == f"{package.__name__}.{name}"
    }
    return found if len(found) <= SMALL else {}


def _is_library(name: str) -> bool:
    return name.partition(".")[0] != "nbexec" and is_library_module(name)


def _look(name: str, module: types.ModuleType, own: Own) -> Look:
    """Look through a module, unless it holds what it held before."""
    before, held = _looks.get(name), vars(module)
    if before is not None and before.holds(held, own):
        return before
    names, values = [*held], [*held.values()]
    classes = [
        value
        for value in values
        if issubclass(type(value), type) and vars(value).get("__module__") == name
    ]
    changes = [*_changes(name, module, dict(zip(names, values, strict=False)), own)]
    found = _looks[name] = Look(names, values, own, changes, classes)
    return found


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
    where, held = (kind.__module__, kind.__qualname__), vars(kind)
    before = _looks_of_classes.get(where)
    if before is not None and before.holds(held, own):
        return before
    names, values = [*held], [*held.values()]
    changes = [
        (key, value)
        for key, value in zip(names, values, strict=False)
        if type(value) in _FUNCTIONS and own.has_function(value)
    ]
    found = _looks_of_classes[where] = Look(names, values, own, changes, [])
    return found


def _is_same(value: Any, constant: Any) -> bool:
    return type(value) is type(constant) and (value == constant or repr(value) == repr(constant))
