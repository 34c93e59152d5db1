"""Brings the user's modules in a worker to what they hold in the kernel.

Those that are imported already at once, those that come later when they are imported.  What
an earlier run left in a module is undone with that.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.abc
import importlib.machinery
import importlib.util
import marshal
import pickle
import sys
import threading
import types
from typing import Any

from ..serialize import nans
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
    find_in,
    is_hidden,
)
from .sent_modules import SentModule
from .unsent_values import NotSent
from .value_changes import NOTHING, Changes

_lock = threading.RLock()
_held: dict[str, HeldValues] = {}
_sent: dict[str, SentModule] = {}
_made: dict[str, tuple[Any, SentModule]] = {}  # modules that were made here of what was sent
_brought: set[str] = set()  # modules that hold by now what they hold in the kernel
_patched: dict[tuple[str, str], tuple[types.ModuleType, Any]] = {}  # what was there before
_first: dict[str, tuple[types.ModuleType, dict[Fact, Any]]] = {}  # as a module was imported


def take_on(held: dict[str, HeldValues], sent: dict[str, SentModule]) -> None:
    """Have the user's modules hold what they hold in the kernel, from now on.

    Parameters
    ----------
    held : dict
        What they hold, by their names.
    sent : dict
        Those that can't be imported here.
    """
    with _lock:
        _held.clear()
        _held.update(held)
        _sent.clear()
        _sent.update(sent)
        _brought.clear()
        _undo_patches()
        _drop_others()
        if not any(isinstance(one, Finder) for one in sys.meta_path):
            sys.meta_path.insert(0, Finder())
        for name in held:
            module = sys.modules.get(name)
            if isinstance(module, types.ModuleType) and not _initializing(module):
                bring(name, module)


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


def _is_same(module: types.ModuleType, sent: SentModule) -> bool:
    """Whether a module that was imported here is the one that was sent."""
    loader: Any = getattr(getattr(module, "__spec__", None), "loader", None)
    if sent.source is None:
        return sent.whole is None and getattr(module, "__file__", None) == sent.origin
    try:
        return bool(loader.get_data(module.__file__) == sent.source)
    except Exception:
        return False


def _initializing(module: types.ModuleType) -> bool:
    return bool(getattr(vars(module).get("__spec__"), "_initializing", False))


class Finder(importlib.abc.MetaPathFinder):
    """Finds the modules that were sent, and notes when one of the user's is imported."""

    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        sent = _sent.get(name)
        if sent is not None:
            return _spec(name, sent)
        if name not in _held:
            return None
        for finder in [*sys.meta_path]:
            if finder is self or not hasattr(finder, "find_spec"):
                continue
            spec: Any = finder.find_spec(name, path, target)
            if spec is not None:
                if hasattr(spec.loader, "exec_module"):
                    spec.loader = _Following(spec.loader)
                return spec
        return None


def _spec(name: str, sent: SentModule) -> Any:
    spec: Any
    if sent.why:
        raise ModuleNotFoundError(sent.why, name=name)
    if not (sent.alias or sent.source or sent.code or sent.whole) and sent.source is None:
        if sent.origin is None:  # a namespace
            spec = importlib.machinery.ModuleSpec(name, None, is_package=True)
            spec.submodule_search_locations = sent.search
            return spec
        spec = importlib.util.spec_from_file_location(name, sent.origin)
        if spec is not None and spec.loader is not None:
            spec.loader = _Following(spec.loader)
        return spec
    loader: Any = SentLoader(sent) if not sent.alias else AliasLoader(sent.alias)
    is_package = sent.search is not None
    spec = importlib.machinery.ModuleSpec(name, loader, origin=sent.origin, is_package=is_package)
    if is_package:
        spec.submodule_search_locations = [*(sent.search or ())]
    spec.has_location = sent.origin is not None
    return spec


class SentLoader(importlib.abc.ExecutionLoader):
    """Makes a module of what was sent.

    Parameters
    ----------
    sent : SentModule
        What was sent.
    """

    def __init__(self, sent: SentModule) -> None:
        self._sent = sent

    def is_package(self, name: str) -> bool:
        return self._sent.search is not None

    def get_source(self, name: str) -> str | None:
        source = self._sent.source
        return None if source is None else importlib.util.decode_source(source)

    def get_filename(self, name: str) -> str:
        if self._sent.origin is None:
            raise ImportError
        return self._sent.origin

    def get_data(self, path: str) -> bytes:
        if path == self._sent.origin and self._sent.source is not None:
            return self._sent.source
        with open(path, "rb") as file:
            return file.read()

    def get_code(self, name: str) -> types.CodeType | None:
        sent = self._sent
        if sent.code is not None:
            code: types.CodeType = marshal.loads(sent.code)
            return code
        if sent.source is None:
            return None
        return compile(sent.source, sent.origin or f"<{name}>", "exec", dont_inherit=True)

    def exec_module(self, module: types.ModuleType) -> None:
        name = module.__spec__.name if module.__spec__ is not None else module.__name__
        vars(module)["__package__"] = self._sent.package
        code = self.get_code(name)
        if code is not None:
            exec(code, vars(module))
        elif self._sent.whole is not None:
            vars(module).update(nans.loads(self._sent.whole))
        _made[name] = module, self._sent
        _first.pop(name, None)
        bring(name, module)


class AliasLoader(importlib.abc.Loader):
    """Gives a module that has another name.

    Parameters
    ----------
    name : str
        That name.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._spec: Any = None

    def create_module(self, spec: Any) -> Any:
        __import__(self._name)
        module = sys.modules[self._name]
        self._spec = module.__spec__
        return module

    def exec_module(self, module: types.ModuleType) -> None:
        module.__spec__ = self._spec


class _Following(importlib.abc.Loader):
    """A loader after which a module is brought to what it holds in the kernel."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def create_module(self, spec: Any) -> Any:
        return self._loader.create_module(spec)

    def exec_module(self, module: types.ModuleType) -> None:
        name = module.__name__
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
            name = module.__spec__.name
        module.__loader__ = self._loader
        self._loader.exec_module(module)
        _first.pop(name, None)
        bring(name, module)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)


def bring(name: str, module: types.ModuleType) -> None:
    """Bring a module to what it holds in the kernel.

    Parameters
    ----------
    name : str
        Its name.
    module : module
        The module.
    """
    held = _held.get(name)
    names: HeldNames | None = None if held is None else pickle.loads(held.names)
    if held is not None and names is not None and names.partly:
        _patch(name, module, _values(held, names))
        return
    known = _first.get(name)
    if known is None or known[0] is not module:
        known = _first[name] = module, _as_imported(name, module)
    if held is None or names is None:
        return
    values = _values(held, names)
    changes = Changes()
    for path, places in names.links.items():
        for place in places:
            if path in values and place[0] in _brought:
                changes.is_now(values[path], find(*place))
    there = dict(attributes_of(name, module))
    for path in there.keys() - names.facts.keys():
        _delete(module, path, there[path])
    for path, what in names.facts.items():
        old = there.get(path, NOTHING)
        if what == VALUE:
            if path in values:
                _set(module, path, old, changes.brought(old, values[path]))
        elif what == SKIPPED:
            _set(module, path, old, known[1].get(("at", path), old))
        elif what[0] == UNSENT:
            _set(
                module, path, old, _unsent(what, f"{name}.{path}", known[1].get(("at", path), old))
            )
        elif what[0] == "m" and what[1].startswith(f"{name}."):
            continue  # a submodule is imported where it is needed
        elif old is NOTHING or fact(old) != what:
            _set(module, path, old, _of(what, values.get(path, old)))
    _forget_calls(there)
    _brought.add(name)


def _patch(name: str, module: types.ModuleType, values: dict[str, Any]) -> None:
    """Set some names of a library's module; what was there comes back with another run."""
    for path, value in values.items():
        owner, _, last = path.rpartition(".")
        at = find(name, owner) if owner else module
        old = NOTHING if at is None else vars(at).get(last, NOTHING)
        _patched[name, path] = module, old
        _set(module, path, old, value)


def _undo_patches() -> None:
    for (name, path), (module, old) in [*_patched.items()]:
        if sys.modules.get(name) is not module:
            continue
        if old is NOTHING:
            _delete(module, path, None)
        else:
            _set(module, path, NOTHING, old)
    _patched.clear()


def _unsent(what: Fact, where: str, first: Any) -> Any:
    """Give what is there in the place of what can't be sent."""
    _, kind, surely = what
    own = type(first)
    if surely or first is NOTHING or f"{own.__module__}.{own.__qualname__}" != kind:
        return NotSent(where, kind)
    return first


def _values(held: HeldValues, names: HeldNames) -> dict[str, Any]:
    found: dict[str, Any] = {}
    with contextlib.suppress(Exception):  # what an import gives is the best that there is
        if names.paths:
            buffers = [_copied(memoryview(one)) for one in held.buffers]  # others the next time
            found.update(zip(names.paths, nans.loads(held.data, buffers), strict=True))
    for path, data in names.singles.items():
        with contextlib.suppress(Exception):
            found[path] = nans.loads(data)
    return found


def _copied(view: memoryview) -> bytes | bytearray:
    return bytes(view) if view.readonly else bytearray(view)


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


def _set(module: types.ModuleType, path: str, old: Any, new: Any) -> None:
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


def _delete(module: types.ModuleType, path: str, value: Any) -> None:
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


def _forget_calls(there: dict[str, Any]) -> None:
    """Empty the caches of functions: an earlier run filled them."""
    for value in there.values():
        inner = getattr(value, "__func__", value) if isinstance(value, staticmethod) else value
        if isinstance(inner, functools._lru_cache_wrapper):
            inner.cache_clear()
