"""Drawing: which generators of random numbers a function may draw from.

A function is looked through once a run, in the kernel and in each worker, in one order: its
globals, closures, defaults, what it is bound to, and the user's own functions, classes and
modules that these lead to.  Libraries are not.
"""

from __future__ import annotations

import contextlib
import dis
import functools
import itertools
import sys
import types
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

from ..system.user_code import is_library_module
from .generators import is_generator, own_generator

MOST = 20_000  # objects that are looked at: to look at more would take longer than brief items do

_ATOMS = (int, float, complex, str, bytes, bool, type(None), types.CodeType)
MODULES = ("random", "numpy", "torch")


def reached(things: Iterable[Any]) -> tuple[set[str], list[Any]]:
    """Give the modules whose own generators may be drawn from, and the generators that are held.

    Examples
    --------
    >>> import random
    >>> own = random.Random(1)
    >>> reached([own.random, random.gauss]) == ({"random"}, [own])
    True
    """
    modules, generators, _ = looked_through(things)
    return modules, generators


def looked_through(things: Iterable[Any]) -> tuple[set[str], list[Any], set[str]]:
    """Do as `reached`; give also the libraries that are used, by their top-level names."""
    modules: set[str] = set()
    generators: list[Any] = []
    waiting: deque[Any] = deque(things)
    seen: dict[int, Any] = {}  # the things, too: so that no id is used twice
    for _ in range(MOST):
        if not waiting:
            break
        thing = waiting.popleft()
        if isinstance(thing, _ATOMS) or id(thing) in seen:
            continue
        seen[id(thing)] = thing
        if is_generator(thing):
            generators.append(thing)
        else:
            waiting.extend(itertools.islice(_parts(thing, modules), MOST))
    for name in MODULES:
        kept = own_generator(name) if name in sys.modules else None
        if kept is not None and any(one is kept for one in generators):
            generators = [one for one in generators if one is not kept]
            modules.add(name)
    shared = modules.intersection(MODULES)
    return shared, generators, modules - shared


def _parts(thing: Any, modules: set[str]) -> Iterable[Any]:
    """Give what a thing leads to; add the names of libraries to `modules`."""
    kind = type(thing)
    if kind is types.FunctionType:
        return _of_function(thing, modules)
    if kind is types.MethodType:
        return thing.__func__, thing.__self__
    if kind is types.BuiltinFunctionType:
        return () if isinstance(thing.__self__, types.ModuleType) else (thing.__self__,)
    if isinstance(thing, type):
        if is_library_module(str(thing.__module__)):
            _add_library(str(thing.__module__), modules)
            return ()
        return (*thing.__bases__, *vars(thing).values())
    if kind is staticmethod or kind is classmethod:
        return (thing.__func__,)
    if kind is property:
        return thing.fget, thing.fset, thing.fdel
    if kind is functools._lru_cache_wrapper:
        return (thing.__wrapped__,)
    if kind is functools.partial:
        return thing.func, thing.args, thing.keywords
    if kind is types.ModuleType:  # an object or a default holds it: who knows what is read of it
        _add_held_module(thing.__name__, modules)
        return ()
    return _held(thing)


def _add_held_module(name: str, modules: set[str]) -> None:
    """Note that a module is held, if it is a library."""
    top = name.partition(".")[0]
    if top in MODULES:
        modules.add(top)
    elif is_library_module(name):
        _add_library(name, modules)


def _held(thing: Any) -> Iterator[Any]:
    """Give what an object holds, and its class."""
    if isinstance(thing, dict):
        yield from itertools.chain(thing.keys(), thing.values())
    elif isinstance(thing, list | tuple | set | frozenset | deque):
        yield from thing
    else:
        yield from (type(thing), getattr(thing, "__dict__", None))
        for one in type(thing).__mro__:
            slots = vars(one).get("__slots__", ())
            for name in (slots,) if isinstance(slots, str) else slots:
                yield getattr(thing, name, None)


def _of_function(function: Any, modules: set[str]) -> Iterator[Any]:
    closed = _closed_over(function)
    yield from (one for one in closed.values() if not isinstance(one, types.ModuleType))
    yield from (function.__defaults__, function.__kwdefaults__, vars(function))
    if is_library_module(str(function.__module__)):
        _add_library(str(function.__module__), modules)
        return
    names, codes = function.__globals__, [*_codes(function.__code__)]
    used = {name for code in codes for name in code.co_names}
    if not used.isdisjoint(MODULES):
        for code in codes:
            modules |= {name for name in _imported(code) if _may_draw(name, used)}
    for code in codes:
        for name in _imports(code):
            if is_library_module(name) or name not in sys.modules:
                _add_library(name, modules)
    closed_modules = [one for one in closed.values() if isinstance(one, types.ModuleType)]
    if used.isdisjoint(names) and not closed_modules:
        return
    for name, path, from_closure in itertools.chain.from_iterable(map(_loaded, codes)):
        found = (closed if from_closure else names).get(name)
        if isinstance(found, types.ModuleType):
            yield from _of_module(found, path, modules)
        else:
            yield found


def _closed_over(function: Any) -> dict[str, Any]:
    """Give what a function has from the functions around it, by name."""
    found = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        with contextlib.suppress(ValueError):  # not assigned yet
            found[name] = cell.cell_contents
    return found


def _of_module(module: types.ModuleType, path: tuple[str, ...], modules: set[str]) -> Iterator[Any]:
    """Give what code uses that reads attributes of a module, one of the other."""
    top = module.__name__.partition(".")[0]
    library = top not in MODULES and is_library_module(module.__name__)
    if library or top == "torch" or (top in MODULES and not path):
        modules.add(top)
    else:
        found = vars(module).get(path[0]) if path else None
        if isinstance(found, types.ModuleType):
            yield from _of_module(found, path[1:], modules)
        else:
            yield found


def _may_draw(module: str, used: set[str]) -> bool:
    """Whether code with such names may draw from the own generator of a module it imports."""
    if module == "torch":
        return True
    own = own_generator(module)
    there = vars(sys.modules["random" if module == "random" else "numpy.random"])
    return any(getattr(there.get(name), "__self__", None) is own for name in used)


def _imported(code: types.CodeType) -> Iterator[str]:
    """Give which of the modules code imports."""
    for name in _imports(code):
        top = name.partition(".")[0]
        if top in MODULES:
            yield top


@functools.lru_cache(1024)
def _imports(code: types.CodeType) -> tuple[str, ...]:
    found = dis.get_instructions(code)
    return tuple(str(one.argval) for one in found if one.opname == "IMPORT_NAME")


def _add_library(name: str, modules: set[str]) -> None:
    """Note that a library is used, but for the modules whose draws are seen by themselves."""
    top = name.partition(".")[0]
    if top not in MODULES:
        modules.add(top)


@functools.lru_cache(1024)
def _loaded(code: types.CodeType) -> tuple[tuple[str, tuple[str, ...], bool], ...]:
    """Give the names that code reads, each with the attributes read of it, one of the other.

    And whether it is one of a function around it; else it is a global.
    """
    found: list[tuple[str, tuple[str, ...], bool]] = []
    name, path, closed = "", list[str](), False
    for instruction in dis.get_instructions(code):
        opname = instruction.opname
        if name and opname in ("LOAD_ATTR", "LOAD_METHOD"):
            path.append(str(instruction.argval))
        elif opname not in _BETWEEN:
            if name:
                found.append((name, (*path,), closed))
            closed = opname.startswith(_CLOSED)
            loads = closed or opname.startswith(_GLOBAL)
            name, path = str(instruction.argval) if loads else "", []
    if name:
        found.append((name, (*path,), closed))
    return tuple(found)


_GLOBAL = ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS")
_CLOSED = ("LOAD_DEREF", "LOAD_CLASSDEREF", "LOAD_FROM_DICT_OR_DEREF")
_BETWEEN = ("CACHE", "EXTENDED_ARG", "PUSH_NULL")


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if type(constant) is types.CodeType:
            yield from _codes(constant)
