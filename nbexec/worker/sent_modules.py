"""Modules of the user's that a worker can't import: they are sent to it, and imported there.

One that was loaded by its path, was made with `types.ModuleType`, is found only by a finder of
the kernel's, or is on another machine.  It is sent as its source, or, where it has none, as
what it holds.  In the worker it is imported by its name when something needs it: so all code
there finds it, and its classes and functions go back by their names.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.machinery
import marshal
import os
import sys
import types
from collections.abc import Iterable
from typing import Any, NamedTuple

from ..serialize import live_modules, pickling
from ..system.user_code import is_library_file, is_own_code
from .later_imports import LaterImports
from .module_facts import is_hidden

_NOT = ("__main__", "__mp_main__", "nbexec")
_known: dict[str, tuple[types.ModuleType, bool]] = {}  # whether a module is the user's
_found: dict[str, tuple[Any, ...]] = {}  # modules that a worker can import, and looking where
_made: dict[tuple[str, bool], tuple[types.ModuleType, Any, SentModule]] = {}  # of what, and what


class SentModule(NamedTuple):
    """A module on its way to a worker."""

    source: bytes | None  # None: see the others
    code: bytes | None  # marshalled
    whole: bytes | None  # what it holds, pickled
    origin: str | None  # its file
    search: list[str] | None  # where its submodules are, if it is a package
    package: str
    why: str = ""  # it can't be sent
    alias: str = ""  # the module's own name, where this is another one of it


class ModulesLook(NamedTuple):
    """The modules that there were when they were looked through, and what was found."""

    names: list[str]
    modules: list[Any]
    own: dict[str, types.ModuleType]
    open: list[tuple[str, Any]]  # those that may become the user's

    def holds(self) -> bool:
        """Whether all is as it was: lists are compared by identity first, in C."""
        if [*sys.modules] != self.names:
            return False
        try:
            same = [*sys.modules.values()] == self.modules
        except Exception:  # what stands for a module says to that
            return False
        return same and not any(_is_own(name, module) for name, module in self.open)


_last = ModulesLook([], [], {}, [])


def own_modules() -> dict[str, types.ModuleType]:
    """Give the modules that are the user's own and were imported here, by their names."""
    global _last
    last = _last
    if last.holds():
        return {**last.own}
    found, undecided, items = {}, [], [*sys.modules.items()]
    for name, module in items:
        known = _known.get(name)
        if known is None or known[0] is not module:
            known = module, _is_own(name, module)
            if known[1] or getattr(module, "__spec__", None) is not None:  # it stays that
                _known[name] = known
            else:
                undecided.append((name, module))
        if known[1]:
            found[name] = module
    names, modules = [name for name, _ in items], [module for _, module in items]
    _last = ModulesLook(names, modules, found, undecided)
    return {**found}


def _is_own(name: str, module: Any) -> bool:
    top = name.partition(".")[0]
    if top in _NOT or top in sys.stdlib_module_names:
        return False
    if not isinstance(module, types.ModuleType) or type(module).__name__ == "_LazyModule":
        return False
    origin, search = _places(module)
    if origin is None and search is None:
        above = sys.modules.get(top)
        if above is not module and not _is_own(top, above):
            return False
        return type(module) is types.ModuleType and _holds_own(module)
    places = [*(search or ())] if origin is None else [origin]
    return not any(is_library_file(place) for place in places) and origin != "built-in"


def _holds_own(module: types.ModuleType) -> bool:
    """Whether a module without a file has code of the user's, or nothing but data.

    Cython makes one that has types of C.
    """
    held = [value for name, value in [*vars(module).items()] if not is_hidden(name)]
    classes = [value for value in held if issubclass(type(value), type)]
    inner = [value for one in classes for value in vars(one).values()]
    codes = [one.__code__ for one in (*held, *inner) if type(one) is types.FunctionType]
    return any(map(is_own_code, codes)) if codes else len(held) > len(classes)


def _places(module: types.ModuleType) -> tuple[str | None, list[str] | None]:
    """Give a module's file, and where its submodules are."""
    own = vars(module)
    spec = own.get("__spec__")
    origin = own.get("__file__") or getattr(spec, "origin", None)
    search = own.get("__path__")
    try:
        where = None if search is None else [os.path.abspath(one) for one in search]
    except Exception:
        where = None
    return origin if isinstance(origin, str) else None, where


def to_send(
    own: dict[str, types.ModuleType], local: bool, code: Iterable[types.CodeType] = ()
) -> dict[str, SentModule]:
    """Give those of the user's modules that a worker needs to be sent.

    Parameters
    ----------
    own : dict
        What `own_modules` gives.
    local : bool
        Whether the worker sees the same files, and looks for modules in the same folders.
    code : iterable of code
        Of the notebook: elsewhere, a worker may need what it imports later.
    """
    place = (*sys.path, os.getcwd() if "" in sys.path else "")
    found = {}
    for name, module in own.items():
        if not (local and _importable(name, module, place)):
            found[name] = _sent(name, module, local)
    return found if local else {**found, **_later(found, code)}


def _later(
    found: dict[str, SentModule], notebook: Iterable[types.CodeType]
) -> dict[str, SentModule]:
    """Give the modules that are not imported yet, but may be when an item runs."""
    later = LaterImports({name: sent.search for name, sent in found.items()})
    for code in notebook:
        later.follow(code, "")
    for name, sent in found.items():
        if sent.source is not None:
            later.follow(_compiled(name, sent.origin, sent.source), sent.package)
    return {name: _not_imported(name, spec) for name, spec in later.found.items()}


@functools.lru_cache(1024)
def _compiled(name: str, origin: str | None, source: bytes) -> types.CodeType:
    return compile(source, origin or f"<{name}>", "exec", dont_inherit=True)


def _not_imported(name: str, spec: importlib.machinery.ModuleSpec) -> SentModule:
    search = spec.submodule_search_locations
    package = name if search is not None else name.rpartition(".")[0]
    sent = SentModule(None, None, None, spec.origin, None if search is None else [*search], package)
    if isinstance(spec.loader, importlib.machinery.ExtensionFileLoader):
        return sent._replace(why=_extension(name, spec.origin))
    return _with_contents(sent, name, None, spec.loader)


def _extension(name: str, origin: str | None) -> str:
    return f"{name} is an extension module ({origin}): install it where the workers are"


def _importable(name: str, module: types.ModuleType, place: tuple[str, ...]) -> bool:
    key = module, place
    known = _found.get(name)
    if known is not None and known[0] is module and known[1] == place:
        return True
    package = sys.modules.get(name.rpartition(".")[0])
    path = None if package is None else getattr(package, "__path__", [])
    if "." in name and package is None:
        return False
    try:
        spec = importlib.machinery.PathFinder.find_spec(name, path)
    except Exception:
        spec = None
    if spec is None:
        return False
    origin, search = _places(module)
    same = _path(spec.origin) == _path(origin) if origin else spec.origin is None and bool(search)
    if same:
        _found[name] = key
    return same


def _path(path: str | None) -> str:
    return os.path.realpath(path) if path else ""


def _sent(name: str, module: types.ModuleType, local: bool) -> SentModule:
    origin, search = _places(module)
    loader = getattr(getattr(module, "__spec__", None), "loader", None)
    stamp = _stamp(origin)
    made = _made.get((name, local))
    if made is not None and made[0] is module and made[1] == stamp and not made[2].whole:
        return made[2]
    package = vars(module).get("__package__")
    if not isinstance(package, str):
        package = name if search is not None else name.rpartition(".")[0]
    sent = SentModule(None, None, None, origin, search, package)
    own_name = vars(module).get("__name__")
    if own_name != name and sys.modules.get(str(own_name)) is module:
        return sent._replace(alias=str(own_name))
    if isinstance(loader, importlib.machinery.ExtensionFileLoader):
        if not local:
            sent = sent._replace(why=_extension(name, origin))
    elif origin is None and search is not None and loader is not None:
        pass  # a namespace: it holds nothing but modules
    else:
        sent = _with_contents(sent, name, module, loader)
    _made[name, local] = module, stamp, sent
    return sent


def _stamp(origin: str | None) -> Any:
    """Give what changes when a file does."""
    with contextlib.suppress(OSError, TypeError, ValueError):
        found = os.stat(origin)  # type: ignore[arg-type]
        return found.st_mtime_ns, found.st_size
    return None


def _with_contents(
    sent: SentModule, name: str, module: types.ModuleType | None, loader: Any
) -> SentModule:
    spec_name = getattr(getattr(module, "__spec__", None), "name", name)
    with contextlib.suppress(Exception):
        path = loader.get_filename(spec_name)
        if loader.get_source(spec_name) is not None:
            return sent._replace(source=loader.get_data(path))
    with contextlib.suppress(Exception):
        code = loader.get_code(spec_name)
        if code is not None:
            return sent._replace(code=marshal.dumps(code))
    return sent if module is None else sent._replace(whole=_whole(name, module))


def _whole(name: str, module: types.ModuleType) -> bytes:
    """Pickle what a module holds, but for what can't be pickled."""
    hidden = ("__builtins__", "__spec__", "__loader__", "__name__", "__package__")
    held = {key: value for key, value in vars(module).items() if key not in hidden}
    for _ in range(2):
        try:
            return _dumped(held, name)
        except Exception:
            for key, value in [*held.items()]:
                try:
                    _dumped(value, name)
                except Exception:
                    del held[key]
    return pickling.dumps({})


def _dumped(value: Any, name: str) -> bytes:
    return pickling.dumped(
        live_modules.pickler(), value, prepare=lambda made: setattr(made, "whole", name)
    )
