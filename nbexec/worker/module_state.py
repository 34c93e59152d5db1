"""Brings the user's modules in a worker to what they hold in the kernel.

Those that are imported already at once, those that come later when they are imported.  What
an earlier run left in a module is undone with that.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.abc
import pickle
import sys
import threading
import types
from typing import Any

from . import left_behind
from .arrived_values import unchanged, values_of
from .module_facts import (
    SKIPPED,
    UNSENT,
    VALUE,
    Fact,
    HeldNames,
    HeldValues,
    attributes_of,
    fact,
    find,
)
from .sent_loaders import Following, spec_of
from .sent_modules import SentModule
from .set_names import delete_at, patch, set_at, undo_patches
from .unsent_values import NotSent
from .value_changes import NOTHING, Changes, is_changed_in_place

_lock = threading.RLock()
_held: dict[str, HeldValues] = {}
_sent: dict[str, SentModule] = {}
_made: dict[str, tuple[Any, SentModule]] = {}  # modules that were made here of what was sent
_brought: set[str] = set()  # modules that hold by now what they hold in the kernel
_at_names: dict[int, Any] = {}  # what their names stand for, by its id
_first: dict[str, tuple[types.ModuleType, dict[Fact, Any]]] = {}  # as a module was imported


def take_on(
    held: dict[str, HeldValues],
    sent: dict[str, SentModule],
    named: tuple[str, ...] = (),
    later: bool = False,
) -> None:
    """Have the user's modules hold what they hold in the kernel, from now on.

    Parameters
    ----------
    held : dict
        What they hold, by their names.
    sent : dict
        Those that can't be imported here.
    named : tuple of str
        Modules of Python and of packages that the user's code has names for.
    later : bool
        Whether it is for the same executor: what its initializer, setup and calls have left
        stays, but for what the kernel has changed since.
    """
    with _lock:
        before = {**_held} if later else {}
        _held.clear()
        _held.update(held)
        _sent.clear()
        _sent.update(sent)
        _brought.clear()
        _at_names.clear()
        undo_patches()
        if later:
            left_behind.note_more(named)
        else:
            left_behind.put_back()
            left_behind.note(named)
        _drop_others()
        if not any(isinstance(one, Finder) for one in sys.meta_path):
            sys.meta_path.insert(0, Finder())
        for name in held:
            module = sys.modules.get(name)
            spec = getattr(module, "__spec__", None)
            if isinstance(module, types.ModuleType) and not getattr(spec, "_initializing", 0):
                bring(name, module, before.get(name))


def _drop_others() -> None:
    """Forget modules of names that are sent, but are others: made of what was sent before."""
    for name in {*_sent, *_made}:
        module = sys.modules.get(name)
        made, of = _made.get(name, (None, None))
        if module is None or (module is made and of == _sent.get(name)):
            continue
        if module is not made and (name not in _sent or _is_same(module, _sent[name])):
            continue
        for one in [*sys.modules]:
            if one == name or one.startswith(f"{name}."):
                _forget(one)


def _forget(name: str) -> None:
    _made.pop(name, None)
    _first.pop(name, None)
    del sys.modules[name]
    package, _, last = name.rpartition(".")
    if package in sys.modules:
        vars(sys.modules[package]).pop(last, None)


def let_go() -> None:
    """Keep none of the values: the run has ended."""
    _held.clear()
    _at_names.clear()


def _is_same(module: types.ModuleType, sent: SentModule) -> bool:
    """Whether a module that was imported here is the one that was sent."""
    loader: Any = getattr(getattr(module, "__spec__", None), "loader", None)
    if sent.source is None:
        return sent.whole is None and getattr(module, "__file__", None) == sent.origin
    try:
        return bool(loader.get_data(module.__file__) == sent.source)
    except Exception:
        return False


class Finder(importlib.abc.MetaPathFinder):
    """Finds the modules that were sent, and notes when one of the user's is imported."""

    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        sent = _sent.get(name)
        if sent is not None:
            return spec_of(name, sent, _loaded)
        if name not in _held:
            return None
        for finder in [*sys.meta_path]:
            if finder is self or not hasattr(finder, "find_spec"):
                continue
            spec: Any = finder.find_spec(name, path, target)
            if spec is not None:
                if hasattr(spec.loader, "exec_module"):
                    spec.loader = Following(spec.loader, _loaded)
                return spec
        return None


def _loaded(name: str, module: types.ModuleType, sent: SentModule | None) -> None:
    """Take in that a module was imported, or made of what was sent."""
    if sent is not None:
        _made[name] = module, sent
    _first.pop(name, None)
    bring(name, module)


def bring(name: str, module: types.ModuleType, before: HeldValues | None = None) -> None:
    """Bring a module to what it holds in the kernel.

    Parameters
    ----------
    name, module
        Its name, and the module.
    before : HeldValues or None
        What it was brought to before: only what is another now is set, then.
    """
    held = _held.get(name)
    names: HeldNames | None = None if held is None else pickle.loads(held.names)
    if held is not None and names is not None and names.partly:
        patch(name, module, names.facts, values_of(held, names))
        return
    known = _first.get(name)
    if known is None or known[0] is not module:
        known = _first[name] = module, _as_imported(name, module)
    if held is None or names is None:
        return
    values = values_of(held, names)
    changes = Changes()
    for path, places in names.links.items():
        for place in places:
            if path in values and place[0] in _brought:
                changes.is_now(values[path], find(*place))
    there = dict(attributes_of(name, module))
    names_now: dict[str, Any] = {}
    known_before, same = unchanged(before, held, names, values) if before else (None, set())
    for path in there.keys() - names.facts.keys():
        if known_before is None or path in known_before.facts:
            delete_at(module, path, there[path])
    for path, what in names.facts.items():
        old = there.get(path, NOTHING)
        if path in same:
            if path in values and old is not NOTHING:
                changes.is_now(values[path], old)
                names_now[path] = old
        elif what == VALUE:
            if path in values:
                # What another module has by a name of its own is another object than this.
                before = NOTHING if id(old) in _at_names else old
                new = names_now[path] = changes.brought(before, values[path])
                set_at(module, path, old, new)
        elif what == SKIPPED:
            set_at(module, path, old, known[1].get(("at", path), old))
        elif what[0] == UNSENT:
            set_at(
                module, path, old, _unsent(what, f"{name}.{path}", known[1].get(("at", path), old))
            )
        elif what[0] == "m" and what[1].startswith(f"{name}."):
            continue  # a submodule is imported where it is needed
        elif old is NOTHING or fact(old) != what:
            set_at(module, path, old, _of(what, values.get(path, old)))
    _forget_calls(there)
    _brought.add(name)
    _at_names.update((id(one), one) for one in names_now.values() if is_changed_in_place(one))


def _unsent(what: Fact, where: str, first: Any) -> Any:
    """Give what is there in the place of what can't be sent."""
    _, kind, surely = what
    own = type(first)
    if surely or first is NOTHING or f"{own.__module__}.{own.__qualname__}" != kind:
        return NotSent(where, kind)
    return first


def _as_imported(name: str, module: types.ModuleType) -> dict[Fact, Any]:
    """Give the functions and classes of a module, and what stands where."""
    found: dict[Fact, Any] = {}
    for path, value in attributes_of(name, module):
        what = fact(value)
        found["at", path] = value
        if what is not VALUE and what is not SKIPPED:
            found.setdefault(what, value)
    return found


def _of(what: Fact, old: Any) -> Any:
    """Give what a fact is about; what was there where it can't be found."""
    with contextlib.suppress(Exception):
        if what[0] == "m":
            __import__(what[1])
            return sys.modules[what[1]]
        found = _first_of(what)
        if found is NOTHING and what[0] != "w":
            __import__(what[1])
            there = find(what[1], what[2])
            found = there if fact(there) == what else _first_of(what)
        return old if found is NOTHING else found
    return old


def _first_of(what: Fact) -> Any:
    """Give the function or class of a module, as it was imported."""
    for _, first in [*_first.values()]:
        if what in first:
            return first[what]
    return NOTHING


def _forget_calls(there: dict[str, Any]) -> None:
    """Empty the caches of functions: an earlier run filled them."""
    for value in there.values():
        inner = getattr(value, "__func__", value) if isinstance(value, staticmethod) else value
        if isinstance(inner, functools._lru_cache_wrapper):
            inner.cache_clear()
