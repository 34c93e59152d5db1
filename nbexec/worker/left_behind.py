"""What an item has left in a worker: the next run finds modules of Python as they were.

A function that was replaced, a constant, a name that was added, `sys.stdout`, a hook, a module
that was made up.  They are looked for in the modules that the user's code has names for, in
those that are replaced most, and in their classes.  What a library does to itself, such as an
import when it is needed, stays.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import types
from collections.abc import Mapping
from typing import Any

from ..system.user_code import is_library_module
from .library_looks import FUNCTIONS
from .set_names import before_patches
from .streams import NAMES, Router
from .value_changes import NOTHING
from .written_names import ADDED, ATOMS, written

# Those that code replaces functions of, whether it has a name for them or imports them itself.
# Few, and not their classes: to look at 100 namespaces takes 0.2 ms a run, which aren't in the
# processor's cache any more.
_MOST = ("builtins", "os", "time", "random", "json", "datetime", "socket", "subprocess", "shutil")
_HOOKS = ("excepthook", "displayhook", "unraisablehook", "stdin", *NAMES)
_LISTS = ("meta_path", "path_hooks")
_IN_C = ("_cython_", "cython_runtime", "pybind11_")  # what such modules have in common
_HEAP = 1 << 9  # the flag of classes that were made by a `class` statement, or like one
_CALLED = (*FUNCTIONS, types.BuiltinFunctionType, type)
_METHODS = {types.MethodType, classmethod, staticmethod}


class Noted:
    """A module, or a class, and what it held before an item ran.

    Parameters
    ----------
    name : str
        The name of the module.
    of : module or class
        Itself.
    """

    def __init__(self, name: str, of: Any) -> None:
        self.name, self.of = name, of
        self._first = {**vars(of), **before_patches(of)}
        for key in [key for key, value in self._first.items() if value is NOTHING]:
            del self._first[key]
        self._looked()

    def _looked(self) -> None:
        self._names, self._values = [*vars(self.of)], [*vars(self.of).values()]

    def put_back(self) -> None:
        """Undo what was left there."""
        try:  # lists are compared by identity first, in C
            if [*vars(self.of).values()] == self._values and [*vars(self.of)] == self._names:
                return
        except Exception:  # what values say to that
            pass
        for key, old in self._first.items():
            new = vars(self.of).get(key, NOTHING)
            if new is not old and self._is_left(key, old, new):
                self._set(key, old)
        if isinstance(self.of, types.ModuleType):
            known = written(self.name, self.of)
            for key, new in [*vars(self.of).items()]:
                strange = key not in self._first and key not in known.names and key[:1] != "_"
                if strange and not known.sort and (type(new) in ADDED or self._is_others(new)):
                    with contextlib.suppress(AttributeError):
                        delattr(self.of, key)
        self._looked()

    def _is_left(self, key: str, old: Any, new: Any) -> bool:
        if issubclass(type(old), _CALLED):
            return self._is_others(new)
        if type(old) not in ATOMS or isinstance(self.of, type):
            return False
        # another object of an item's may be of any kind: it isn't asked whether it is equal
        equal = type(new) is type(old) and new == old
        return key in written(self.name, self.of).constants and not equal

    def _is_others(self, value: Any) -> bool:
        """Whether a value isn't one of the library that has it."""
        # by `type`: objects may raise when they are asked, or say that they are something else
        if issubclass(type(value), types.ModuleType):
            return False
        own = value.__func__ if type(value) in _METHODS else value
        kind = own if issubclass(type(own), _CALLED) else type(own)
        try:
            top = str(kind.__module__).partition(".")[0].lstrip("_")
        except Exception:  # a property of its metaclass, say
            top = ""
        return top != self.name.partition(".")[0].lstrip("_")

    def _set(self, key: str, value: Any) -> None:
        with contextlib.suppress(AttributeError, TypeError):
            (type.__setattr__ if isinstance(self.of, type) else setattr)(self.of, key, value)


_noted: dict[str, list[Noted]] = {}  # a module, and its classes
_spaces: list[Mapping[str, Any]] = []  # what these hold
_held: list[Any] = []  # in a row
_hooks: dict[str, Any] = {}
_lists: dict[str, list[Any]] = {}
_traced: dict[str, Any] = {}
_modules: set[str] = set()
_noted_last: tuple[str, ...] = ()


def note(names: tuple[str, ...]) -> None:
    """Take in what modules hold before the first item of a run.

    Parameters
    ----------
    names : tuple of str
        Modules that the user's code has names for.
    """
    global _noted_last
    if names == _noted_last and len(_modules) == len(sys.modules):
        return
    _noted_last = names
    _note_modules(names)
    for name in _HOOKS:
        found = getattr(sys, name, None)
        if name not in _hooks:
            _hooks[name] = found.original if isinstance(found, Router) else found
    for name in _LISTS:
        _lists[name] = [*getattr(sys, name)]
    _traced.setdefault("trace", sys.gettrace())
    _traced.setdefault("profile", sys.getprofile())
    _traced.setdefault("threads", (threading.gettrace(), threading.getprofile()))
    _modules.clear()
    _modules.update(sys.modules)
    if not _spaces:
        _spaces.extend(vars(one.of) for among in _noted.values() for one in among)
        _held[:] = _in_a_row()


def _note_modules(names: tuple[str, ...]) -> None:
    for name in (*_MOST, *names):
        module = sys.modules.get(name)
        known = _noted.get(name)
        if not isinstance(module, types.ModuleType):
            continue
        if known and known[0].of is module and (len(known) > 1 or name not in names):
            continue
        if is_library_module(name) and name.partition(".")[0] not in ("nbexec", "sys"):
            held = [*vars(module).values()] if name in names else []
            kinds = [one for one in held if _is_own_class(name, one)]
            _noted[name] = [Noted(name, one) for one in (module, *kinds)]
            _spaces.clear()


def note_more(names: tuple[str, ...]) -> None:
    """Take in what further modules hold, while what items of this run have left stays.

    Parameters
    ----------
    names : tuple of str
        As of `note`.
    """
    global _noted_last
    _note_modules(tuple(name for name in names if name not in _noted))
    _noted_last = ()
    _spaces.clear()  # they are looked through before the next run in any case


def _in_a_row() -> list[Any]:
    found: list[Any] = []
    for space in _spaces:
        found += space.values()
    return found


def _is_changed() -> bool:
    try:  # lists are compared by identity first, in C
        return _in_a_row() != _held or not _spaces
    except Exception:  # what values say to that
        return True


def _is_own_class(name: str, thing: Any) -> bool:
    if not issubclass(type(thing), type) or not thing.__flags__ & _HEAP:
        return False
    return bool(vars(thing).get("__module__") == name)


def put_back() -> None:
    """Undo what items have left since."""
    if _is_changed():
        for one in [one for among in _noted.values() for one in among]:
            if isinstance(one.of, type) or sys.modules.get(one.name) is one.of:
                one.put_back()
        _held[:] = _in_a_row()
    for name, found in _hooks.items():
        now = getattr(sys, name, None)
        if now is not found and not isinstance(now, Router):
            setattr(sys, name, found)
    for name, held in _lists.items():
        now_held = getattr(sys, name)
        if len(now_held) > len(held):
            known = {*map(id, held)}
            now_held[:] = [one for one in now_held if id(one) in known or not _is_the_users(one)]
    if _traced and (threading.gettrace(), threading.getprofile()) != _traced["threads"]:
        threading.settrace(_traced["threads"][0])
        threading.setprofile(_traced["threads"][1])
    if _traced and threading.current_thread() is threading.main_thread():
        if sys.gettrace() is not _traced["trace"]:
            sys.settrace(_traced["trace"])
        if sys.getprofile() is not _traced["profile"]:
            sys.setprofile(_traced["profile"])
    for name in sys.modules.keys() - _modules if _modules else ():
        module = sys.modules.get(name)
        if type(module) is not types.ModuleType or vars(module).get("__spec__") is not None:
            continue
        if not _is_of_an_import(name, module):
            del sys.modules[name]


def _is_of_an_import(name: str, module: types.ModuleType) -> bool:
    """Whether a library, as it was imported, has made a module, as those in C do.

    Its import is over: nothing would make the module once more.
    """
    package, _, last = name.rpartition(".")
    if not package:
        return name.startswith(_IN_C)
    held = getattr(sys.modules.get(package), "__dict__", {})
    return is_library_module(package) and held.get(last) is module


def _is_the_users(thing: Any) -> bool:
    kind = thing if isinstance(thing, type) else type(thing)
    return not is_library_module(str(getattr(kind, "__module__", "")))
