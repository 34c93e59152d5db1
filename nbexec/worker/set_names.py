"""Sets and deletes names of modules in a worker; those of libraries come back with another run."""

from __future__ import annotations

import contextlib
import sys
import types
from typing import Any

from .module_facts import GONE, UNSENT, Fact, find, find_in, is_hidden
from .registrations import Registered, is_container, take_out
from .unsent_values import NotSent
from .value_changes import NOTHING

_patched: dict[tuple[str, str], tuple[types.ModuleType, Any]] = {}  # what was there before


def set_at(module: types.ModuleType, path: str, old: Any, new: Any) -> None:
    """Set what stands at a path of a module."""
    if new is old or new is NOTHING:
        return
    owner, _, last = path.rpartition(".")
    at = find_in(module, owner) if owner else module
    if at is None or type(at) is NotSent:
        return
    if isinstance(at, type):
        with contextlib.suppress(TypeError):
            type.__setattr__(at, last, new)
    else:
        with contextlib.suppress(AttributeError, TypeError):
            setattr(at, last, new)


def delete_at(module: types.ModuleType, path: str, value: Any) -> None:
    """Delete what the kernel doesn't have; a submodule that was imported stays."""
    owner, _, last = path.rpartition(".")
    if isinstance(value, types.ModuleType):
        return
    at = find_in(module, owner) if owner else module
    with contextlib.suppress(AttributeError, TypeError):
        if isinstance(at, type):
            type.__delattr__(at, last)
        elif not is_hidden(last):
            delattr(at, last)


def patch(
    name: str, module: types.ModuleType, facts: dict[str, Fact], values: dict[str, Any]
) -> None:
    """Set some names of a library's module; what was there comes back with another run."""
    for path, what in facts.items():
        owner, _, last = path.rpartition(".")
        at = find(name, owner) if owner else module
        if isinstance(values.get(path), Registered):
            _register(module, path, at, last, values[path])
            continue
        old = NOTHING if at is None else vars(at).get(last, NOTHING)
        if _patched.get((name, path), (None,))[0] is not module:  # else this is what was set
            _patched[name, path] = module, old
        if what == GONE:
            delete_at(module, path, old)
        elif what[0] == UNSENT:
            set_at(module, path, old, NotSent(f"{name}.{path}", what[1]))
        else:
            set_at(module, path, old, values.get(path, old))


def _register(module: types.ModuleType, path: str, at: Any, last: str, new: Registered) -> None:
    """Put entries into a container; a class that inherits it has a copy of its own, as there."""
    container = None if at is None else vars(at).get(last)
    if container is None and isinstance(at, type) and is_container(getattr(at, last, None)):
        container = getattr(at, last).copy()
        _patched[module.__name__, path] = module, NOTHING
        set_at(module, path, NOTHING if at is None else None, container)
    new.add_to(container)


def undo_patches() -> None:
    """Put back what was there before the names of libraries were set."""
    take_out()
    for (name, path), (module, old) in [*_patched.items()]:
        if sys.modules.get(name) is not module:
            continue
        if old is NOTHING:
            delete_at(module, path, None)
        else:
            set_at(module, path, NOTHING, old)
    _patched.clear()


def before_patches(of: Any) -> dict[str, Any]:
    """Give what stood in a module, or in a class, before names of it were set; `NOTHING` if none.

    Parameters
    ----------
    of : module or class
        The one.
    """
    name = of.__name__ if isinstance(of, types.ModuleType) else of.__module__
    prefix = "" if isinstance(of, types.ModuleType) else f"{of.__qualname__}."
    found = {}
    for (module, path), (_, old) in _patched.items():
        if module == name and path.startswith(prefix) and "." not in path[len(prefix) :]:
            found[path[len(prefix) :]] = old
    return found
