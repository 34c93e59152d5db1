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

Reloaded = tuple[tuple[str, int], ...]  # names of modules, and how many times

_lock = threading.Lock()
after_fork.renew(_lock)
_known: set[str] = set()  # modules that were looked at
_specs: dict[str, Any] = {}  # of the user's, as they were then: an import makes a new one
# Of each of them, what its file and the code in it were.
_written: dict[str, tuple[tuple[int, int] | None, list[types.CodeType]]] = {}
_times: dict[str, int] = {}  # that modules were reloaded here
_followed: dict[str, int] = {}  # how far this process has followed another


def reloaded() -> Reloaded:
    """Give the modules that were reloaded in this process since a run can have sent them."""
    from ..system.user_code import is_library_file  # sysconfig: 1 ms of a worker's start

    with _lock:
        for name in sys.modules.keys() - _known:
            _known.add(name)
            spec = _spec(name)
            origin = getattr(spec, "origin", None)
            if isinstance(origin, str) and not is_library_file(origin):
                _specs[name] = spec
                _written[name] = _stamp(spec), _codes(name)
        for name, before in [*_specs.items()]:
            spec = _spec(name)
            if spec is not None and (spec is not before or _is_patched(name, spec)):
                _specs[name] = spec
                _written[name] = _stamp(spec), _codes(name)
                _times[name] = _times.get(name, 0) + 1
        return tuple(_times.items())


def _is_patched(name: str, spec: Any) -> bool:
    """Whether functions of a module have other code now, and its file was written anew."""
    stamp, codes = _written[name]
    if stamp == _stamp(spec):
        return False
    now = _codes(name)
    return len(now) != len(codes) or any(
        one is not was for one, was in zip(now, codes, strict=True)
    )


def _stamp(spec: Any) -> tuple[int, int] | None:
    try:
        found = os.stat(spec.origin)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def _codes(name: str) -> list[types.CodeType]:
    """Give the code of a module's functions and methods."""
    from ..serialize.live_modules import unchanged_code

    module = sys.modules.get(name)
    found: list[types.CodeType] = []
    todo = [*vars(module).values()] if isinstance(module, types.ModuleType) else []
    classes: set[int] = set()
    for one in todo:
        if isinstance(one, type) and one.__module__ == name and id(one) not in classes:
            classes.add(id(one))
            todo += vars(one).values()
        elif isinstance(one, classmethod | staticmethod):
            todo.append(one.__func__)
        elif isinstance(one, property):
            todo += (one.fget, one.fset, one.fdel)
        elif isinstance(one, types.FunctionType) and one.__module__ == name:
            found.append(unchanged_code(one))
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
        news = [(name, times) for name, times in there if _followed.get(name, 0) < times]
    for name, times in news:
        module = sys.modules.get(name)
        if module is not None:
            try:
                importlib.reload(module)
            except Exception:
                _forget(name)
        with _lock:
            _followed[name] = times


def _forget(name: str) -> None:
    sys.modules.pop(name, None)
    package, _, last = name.rpartition(".")
    if package in sys.modules:
        sys.modules[package].__dict__.pop(last, None)
