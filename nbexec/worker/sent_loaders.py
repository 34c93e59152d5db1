"""Loaders in a worker: of modules that were sent, and of those that are followed."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import marshal
import sys
import types
from collections.abc import Callable
from typing import Any

from ..serialize import nans
from .sent_modules import SentModule

Loaded = Callable[[str, types.ModuleType, SentModule | None], None]


def spec_of(name: str, sent: SentModule, loaded: Loaded) -> Any:
    """Give the spec of a module that was sent; `loaded` is called once it is there."""
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
            spec.loader = Following(spec.loader, loaded)
        return spec
    loader: Any = SentLoader(sent, loaded) if not sent.alias else AliasLoader(sent.alias)
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
    loaded : callable
        Called once the module is there.
    """

    def __init__(self, sent: SentModule, loaded: Loaded) -> None:
        self._sent = sent
        self._loaded = loaded

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
        self._loaded(name, module, self._sent)


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


class Following(importlib.abc.Loader):
    """A loader after which a module is brought to what it holds in the kernel."""

    def __init__(self, loader: Any, loaded: Loaded) -> None:
        self._loader = loader
        self._loaded = loaded

    def create_module(self, spec: Any) -> Any:
        return self._loader.create_module(spec)

    def exec_module(self, module: types.ModuleType) -> None:
        name = module.__name__
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
            name = module.__spec__.name
        module.__loader__ = self._loader
        self._loader.exec_module(module)
        self._loaded(name, module, None)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)
