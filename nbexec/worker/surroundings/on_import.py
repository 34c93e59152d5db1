"""Calls back once a module is imported: what its library is to be set to can wait for that."""

from __future__ import annotations

import contextlib
import importlib.abc
import importlib.util
import sys
import threading
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_lock = threading.RLock()
_waiting: dict[str, dict[str, Callable[[], None]]] = {}  # by module, then by who asks


def when_imported(module: str, who: str, do: Callable[[], None]) -> None:
    """Call `do` once a module is imported: at once where it is.

    Parameters
    ----------
    module : str
        Its name.
    who : str
        Who asks: what is asked for later takes the place of what was asked for before.
    do : callable
        What it raises is dropped.

    Examples
    --------
    >>> found = []
    >>> when_imported("sys", "an example", lambda: found.append("imported"))
    >>> found
    ['imported']
    """
    with _lock:
        if module not in sys.modules:
            _waiting.setdefault(module, {})[who] = do
            if _FINDER not in sys.meta_path:
                sys.meta_path.insert(0, _FINDER)
            return
        _waiting.get(module, {}).pop(who, None)
    with contextlib.suppress(Exception):
        do()


def forget(module: str, who: str) -> None:
    """Take back what was asked for."""
    with _lock:
        _waiting.get(module, {}).pop(who, None)


class _Finder(importlib.abc.MetaPathFinder):
    """Finds nothing itself: it has the module's own loader call back."""

    def __init__(self) -> None:
        self._inside = threading.local()

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in _waiting or getattr(self._inside, "name", None) == name:
            return None
        self._inside.name = name
        try:
            spec = importlib.util.find_spec(name)
        finally:
            self._inside.name = None
        if spec is not None and spec.loader is not None and hasattr(spec.loader, "exec_module"):
            _follow(spec.loader, name)
        return spec


def _follow(loader: Any, name: str) -> None:
    """Have a loader call back after it has run the module."""
    run = loader.exec_module

    def exec_module(module: ModuleType) -> None:
        run(module)
        with _lock:
            waiting = _waiting.pop(name, {})
        for do in waiting.values():
            with contextlib.suppress(Exception):
                do()

    with contextlib.suppress(AttributeError):  # one that takes no attributes: it is not followed
        loader.exec_module = exec_module


_FINDER = _Finder()
