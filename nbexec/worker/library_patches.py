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
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..system.user_code import is_library_module
from .library_looks import FUNCTIONS, Glance, Look, Own
from .module_facts import GONE, find
from .registrations import found_in, is_container
from .written_names import ATOMS, constants, is_unwritten, written

_CONTAINERS = {list, dict, set, tuple, frozenset}
_HEAP = 1 << 9  # the flag of classes that were made by a `class` statement, or like one
SMALL = 16  # submodules
FEW = 8  # names beside those that a module makes as it runs
# What is set of the first two is called in the kernel, with what items log and warn; of the last
# there are the streams and hooks of each process.
_IN_KERNEL = {"logging", "warnings"}
_OF_PROCESS = {"sys"}


_own = Own()  # the last one: it is mostly the same
_glance: Glance | None = None  # of the last time, if nothing was changed then
_looked: tuple[str, ...] = ()  # the modules of the last time
_looks: dict[str, Look] = {}  # by module
_looks_of_classes: dict[int, Look] = {}  # of the last time


def patches(spaces: Iterable[dict[str, Any]], local: bool = True) -> dict[str, dict[str, Any]]:
    """Give what was changed, by module and path; `GONE` for what was deleted.

    Parameters
    ----------
    spaces : iterable of dict
        The globals of the notebook, and of the user's modules.
    local : bool
        Whether the worker has the same files: of installed modules in C it takes on all plain
        values, which elsewhere may be others.

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
    global _own, _looks_of_classes, _glance, _looked
    spaces = [*spaces]
    own = Own({id(space): str(space.get("__name__")) for space in spaces})
    own = _own = _own if own == _own else own
    all_named = [
        value
        for space in spaces
        for value in [*space.values()]
        if type(value) is types.ModuleType or issubclass(type(value), type)
    ]
    last = _glance
    if last is not None and last.holds(own, all_named):
        return {}
    _glance = None
    modules: dict[str, types.ModuleType] = {}
    classes: dict[int, type] = {}
    for value in all_named:
        if type(value) is types.ModuleType:
            modules[value.__name__] = value
        else:
            classes[id(value)] = value
    found: dict[str, dict[str, Any]] = {}
    looked: list[Look] = []
    in_c: dict[str, dict[str, Any]] = {}
    further: dict[int, type] = {}  # classes of which only what is added counts
    named, waiting = set(modules), [*modules.values()]
    for module in waiting:
        name = module.__name__
        if not _is_library(name) or name in _IN_KERNEL:
            continue
        look = _look(name, module, own)
        looked.append(look)
        for one in look.submodules if name in named else ():
            if one.__name__ not in modules:
                modules[one.__name__] = one
                waiting.append(one)
        if sys.modules.get(name) is module:
            classes.update((id(one), one) for one in look.classes)
            further.update((id(one), one) for one in look.further)
            if look.changes:
                found.setdefault(name, {}).update(look.changes)
            if look.in_c and name in named:
                in_c[name] = dict(look.in_c)
    looks = {}
    for at, kind in classes.items():
        look = looks[at] = _look_of_class(kind, own)
        for key, value in look.changes:
            name, path = kind.__module__, kind.__qualname__
            if find(name, path) is kind:
                found.setdefault(name, {})[f"{path}.{key}"] = value
    for at, kind in further.items():
        if at not in classes:
            look = looks[at] = _look_of_class(kind, own)
            for key, value in look.changes:
                if find(kind.__module__, kind.__qualname__) is kind:
                    found.setdefault(kind.__module__, {})[f"{kind.__qualname__}.{key}"] = value
    _looks_of_classes = looks
    _looked = tuple(modules)
    if local:
        found.update({name: {**one, **found.get(name, {})} for name, one in in_c.items()})
    if not found and not in_c:
        kinds = [looks[at] for at, kind in classes.items() if _is_a_library_s(kind)]
        _glance = Glance(own, all_named, modules, looked, kinds)
    return found


def looked_through() -> tuple[str, ...]:
    """Give the names of the modules that `patches` looked through the last time."""
    return _looked


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
    further = _further(name, held)
    found = _looks[name] = Look(
        *(module, [*held], [*held.values()], _atoms(held), own),
        [*_changes(name, module, held, own)],
        classes,
        _submodules(name, held),
        _atoms(held) if is_unwritten(name, module) else [],
        *_with_sizes([*_registries(held), *map(vars, further)]),
        further,
    )
    return found


def _further(name: str, held: dict[str, Any]) -> list[type]:
    """Give the classes of other modules of a package that one of its modules has, too."""
    top = name.partition(".")[0]
    if top in sys.stdlib_module_names:
        return []
    kinds = [one for key, one in held.items() if key[:1] != "_" and issubclass(type(one), type)]
    where = [(one, str(vars(one).get("__module__"))) for one in kinds if one.__flags__ & _HEAP]
    return [one for one, module in where if module != name and module.partition(".")[0] == top]


def _registries(held: Mapping[str, Any]) -> list[Any]:
    return [one for key, one in held.items() if key[:1] != "_" and is_container(one)]


def _with_sizes(sized: list[Any]) -> tuple[list[Any], list[int]]:
    return sized, [*map(len, sized)]


def _registered(held: Mapping[str, Any], own: Own) -> Iterator[tuple[str, Any]]:
    """Give the entries of containers that are the user's."""
    for key, value in [*held.items()]:
        if key[:1] != "_" and is_container(value) and value:
            found = found_in(value, own.has_any)
            if found is not None:
                yield key, found


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
    new = dict(_added(added, known.sort))
    yield from new.items()
    yield from _registered({key: one for key, one in held.items() if key not in new}, own)
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
    if not _is_a_library_s(kind):
        return Look(kind, [*held], [*held.values()], [], own, [])
    changes = [*_changes_of_class(held, own), *_registered(held, own)]
    sized, sizes = _with_sizes(_registries(held))
    names, values = [*held], [*held.values()]
    return Look(kind, names, values, [], own, changes, sized=sized, sizes=sizes)


def _changes_of_class(held: Mapping[str, Any], own: Own) -> Iterator[tuple[str, Any]]:
    for key, value in [*held.items()]:
        if type(value) in FUNCTIONS:
            if own.has_function(value):
                yield key, value
        elif key[:1] != "_" and not issubclass(type(value), (type, types.ModuleType)):
            inside = _inside(value)  # of a descriptor, such as an accessor
            if type(inside) is dict and any(map(own.has_any, [*inside.values()])):
                yield key, value


def _inside(value: Any) -> Any:
    try:
        return getattr(value, "__dict__", None)
    except Exception:  # a lazy object, say, which has nothing yet
        return None


def _is_a_library_s(kind: type) -> bool:
    """Whether a class is a library's, and can be changed."""
    name = vars(kind).get("__module__")  # not as an attribute, which a metaclass may have, too
    return bool(kind.__flags__ & _HEAP) and type(name) is str and _is_library(name)


def _is_same(value: Any, constant: Any) -> bool:
    return type(value) is type(constant) and (value == constant or repr(value) == repr(constant))
