"""Module reloads: workers reload the modules that were reloaded in the kernel.

A function of a module is sent by its name.  A worker that imported the module for an earlier
run would go on with the code that it had, after ``importlib.reload`` or ``%autoreload``.
So it would where ``%autoreload`` puts the new code of some functions into them: then a module
stays as it was but for these, and its file is another one.
This is about modules that were written here: what was installed isn't looked at.
"""

from __future__ import annotations

import importlib
import os
import sys
import threading
import types
from typing import Any

from ..system import after_fork

# Names of modules, how many times, and whether functions that were there have new code as well.
Reloaded = tuple[tuple[str, int, bool], ...]
Functions = dict[str, types.FunctionType]  # by their paths

PACKAGE = __name__.partition(".")[0]
_OF_PYTHON = ("built-in", "frozen")  # what such modules have in the place of a file
_lock = threading.Lock()
after_fork.renew(_lock)
_known: set[str] = set()  # modules that were looked at
_specs: dict[str, Any] = {}  # of the user's, as they were then: an import makes a new one
# Of each of them, what its file was, and its functions with their code.
_written: dict[str, tuple[tuple[int, int] | None, dict[str, Any]]] = {}
_times: dict[str, tuple[int, bool]] = {}  # that modules were reloaded here
_followed: dict[str, int] = {}  # how far this process has followed another
_before: dict[str, list[Functions]] = {}  # functions that modules had here before


def reloaded() -> Reloaded:
    """Give the modules that were reloaded in this process since a run can have sent them."""
    from ..system.user_code import is_library_file  # sysconfig: 1 ms of a worker's start

    with _lock:
        for name in sys.modules.keys() - _known:
            _known.add(name)
            if name.partition(".")[0] == PACKAGE:  # which may be in a folder of its developer's
                continue
            spec = _spec(name)
            origin = getattr(spec, "origin", None)
            own = isinstance(origin, str) and origin not in _OF_PYTHON
            if own and not is_library_file(origin):
                _specs[name] = spec
                _written[name] = _stamp(spec), _with_code(name)
        for name, before in [*_specs.items()]:
            spec = _spec(name)
            if spec is not None and (spec is not before or _is_patched(name, spec)):
                times, in_place = _times.get(name, (0, False))
                _times[name] = times + 1, in_place or _has_new_code(name)
                _specs[name] = spec
                _written[name] = _stamp(spec), _with_code(name)
        return tuple((name, *found) for name, found in _times.items())


def _is_patched(name: str, spec: Any) -> bool:
    """Whether functions of a module have other code now, and its file was written anew."""
    stamp, functions = _written[name]
    if stamp == _stamp(spec):
        return False
    return functions.keys() != _functions(name).keys() or _has_new_code(name)


def _has_new_code(name: str) -> bool:
    """Whether functions that a module had have other code now: who imported them sees it too."""
    return any(_code(one) is not code for one, code in _written[name][1].values())


def _with_code(name: str) -> dict[str, Any]:
    return {path: (one, _code(one)) for path, one in _functions(name).items()}


def _code(function: types.FunctionType) -> types.CodeType:
    from ..serialize.live_modules import unchanged_code

    return unchanged_code(function)


def _stamp(spec: Any) -> tuple[int, int] | None:
    try:
        found = os.stat(spec.origin)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def _functions(name: str) -> Functions:
    """Give a module's functions and methods, by their paths."""
    module = sys.modules.get(name)
    found: Functions = {}
    todo = [*vars(module).items()] if isinstance(module, types.ModuleType) else []
    classes: set[int] = set()
    for path, one in todo:
        if isinstance(one, type) and one.__module__ == name and id(one) not in classes:
            classes.add(id(one))
            todo += [(f"{path}.{key}", held) for key, held in vars(one).items()]
        elif isinstance(one, classmethod | staticmethod):
            todo.append((path, one.__func__))
        elif isinstance(one, property):
            todo += [(path, one.fget), (f"{path}=", one.fset), (f"del {path}", one.fdel)]
        elif isinstance(one, types.FunctionType) and one.__module__ == name:
            found[path] = one
    return found


def _spec(name: str) -> Any:
    try:  # not getattr: it would load what is imported lazily
        return object.__getattribute__(sys.modules[name], "__dict__").get("__spec__")
    except (AttributeError, KeyError):
        return None


def follow(there: Reloaded) -> None:
    """Reload the modules that were reloaded in the kernel and are imported here.

    A module that can't be reloaded is dropped: code that needs it imports it, and gets the error.
    """
    with _lock:
        news = [one for one in there if _followed.get(one[0], 0) < one[1]]
    for name, times, in_place in news:
        module = sys.modules.get(name)
        if module is not None:
            try:
                before = _before.setdefault(name, [])
                before.append(_functions(name))
                importlib.reload(module)
                if in_place:
                    _patch(before, _functions(name))
            except Exception:
                _forget(name)
        with _lock:
            _followed[name] = times


def _patch(before: list[Functions], new: Functions) -> None:
    """Put the new code into the functions that were there: others may have imported them."""
    for path, one in (pair for functions in before for pair in functions.items()):
        made = new.get(path, one)
        if made.__code__.co_freevars == one.__code__.co_freevars:
            one.__code__ = made.__code__
            one.__defaults__, one.__kwdefaults__ = made.__defaults__, made.__kwdefaults__


def _forget(name: str) -> None:
    sys.modules.pop(name, None)
    package, _, last = name.rpartition(".")
    if package in sys.modules:
        sys.modules[package].__dict__.pop(last, None)
