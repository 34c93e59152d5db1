"""What the notebook changed in modules of Python and of installed packages.

Most of what these hold is theirs: caches, handles, what they know of their process.  So only
two things count: a function of the user's in the place of theirs, and a public constant that
is another one than their code says.  They are looked for in the modules and classes that the
user's code has names for.
"""

from __future__ import annotations

import sys
import types
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from ..system import bytecode
from ..system.user_code import is_library_module
from .module_facts import find

_ATOMS = {int, float, bool, str, bytes, complex, type(None)}
_INNER = {classmethod: "__func__", staticmethod: "__func__", property: "fget"}
_FUNCTIONS = {types.FunctionType, *_INNER}
_HEAP = 1 << 9  # the flag of classes that were made by a `class` statement, or like one
SMALL = 16  # submodules
# What is set of these is called in the kernel, with what items log and warn.
_IN_KERNEL = {"logging", "warnings"}
# Modules in C that hold constants and nothing of their process: another one can be made.
_REMADE = {"array", "binascii", "cmath", "errno", "itertools", "math", "unicodedata", "zlib"}
_constants: dict[str, tuple[Any, dict[str, Any]]] = {}  # by module, with its spec


def patches(spaces: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Give what was changed, by module and path.

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
    own = {id(space) for space in spaces}
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
            for key, value in _of_module(name, module, own, classes):
                found.setdefault(name, {})[key] = value
    for one in classes.values():
        name, path = one.__module__, one.__qualname__
        if not one.__flags__ & _HEAP or not isinstance(name, str) or not _is_library(name):
            continue
        for key, value in [*vars(one).items()]:
            if type(value) in _FUNCTIONS and _is_of(value, own) and find(name, path) is one:
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


def _of_module(
    name: str, module: types.ModuleType, own: set[int], classes: dict[int, type]
) -> Iterator[tuple[str, Any]]:
    held = vars(module)
    for key, value in [*held.items()]:
        kind = type(value)
        if kind is types.FunctionType:
            if id(value.__globals__) in own:
                yield key, value
        elif issubclass(kind, type) and vars(value).get("__module__") == name:  # of ABCs, too
            classes[id(value)] = value
    for key, constant in constants(name, module).items():
        value = held.get(key, constant)
        if type(value) in _ATOMS and not _is_same(value, constant):
            yield key, value


def _is_of(value: Any, own: set[int]) -> bool:
    """Whether something in a class is a function of the user's."""
    kind = type(value)
    if kind in _INNER:
        value = getattr(value, _INNER[kind])
    return type(value) is types.FunctionType and id(value.__globals__) in own


def constants(name: str, module: types.ModuleType) -> dict[str, Any]:
    """Give the public constants of a module, as its code has them.

    Parameters
    ----------
    name : str
        Its name.
    module : module
        The module.

    Examples
    --------
    >>> import json.decoder, http.client
    >>> constants("http.client", http.client)["HTTP_PORT"]
    80
    """
    spec = module.__spec__
    known = _constants.get(name)
    if known is None or known[0] is not spec:
        try:
            code = spec.loader.get_code(name)  # type: ignore[union-attr]
            if code is not None:
                found = _constants_of(code)
            else:
                found = _constants_made(module) if name in _REMADE else {}
        except Exception:
            found = {}
        known = _constants[name] = spec, found
    return known[1]


def _is_same(value: Any, constant: Any) -> bool:
    return type(value) is type(constant) and (value == constant or repr(value) == repr(constant))


def _constants_made(module: types.ModuleType) -> dict[str, Any]:
    """Give the public constants of a module in C, as it has them when it is made."""
    import importlib.util

    spec: Any = module.__spec__
    made = importlib.util.module_from_spec(spec)
    if made is module:
        return {}
    spec.loader.exec_module(made)
    return {
        name: value
        for name, value in vars(made).items()
        if name[:1] != "_" and type(value) in _ATOMS
    }


def _constants_of(code: types.CodeType) -> dict[str, Any]:
    found: dict[str, Any] = {}
    stored: Counter[str] = Counter()
    nothing = object()
    constant: Any = nothing
    for operation, at in bytecode.operations(code):
        if operation == bytecode.STORE:
            name = code.co_names[at]
            stored[name] += 1
            if type(constant) in _ATOMS:
                found[name] = constant
        elif operation == bytecode.DELETE:
            stored[code.co_names[at]] += 2
        if operation == bytecode.CONSTANT:
            constant = code.co_consts[at]
        else:
            constant = at if operation == bytecode.SMALL else nothing
    changing = {*bytecode.functions_assign(code)}
    return {
        key: value
        for key, value in found.items()
        if key[:1] != "_" and stored[key] == 1 and key not in changing
    }
