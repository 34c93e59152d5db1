"""Modules of the user's that code imports only when it runs: a worker elsewhere needs them, too."""

from __future__ import annotations

import dis
import functools
import importlib.machinery
import importlib.util
import sys
import types
from collections.abc import Iterator
from typing import Any

from ..system.user_code import is_library_file

MOST = 1000  # modules


@functools.lru_cache(4096)
def imports_of(code: types.CodeType, package: str) -> frozenset[str]:
    """Give the names of the modules that code imports, or may: ``from a import b`` gives both.

    Parameters
    ----------
    code : code
        The code, of a module or a function; what is in it counts.
    package : str
        The package that relative imports are relative to.

    Examples
    --------
    >>> sorted(imports_of(compile("import a.b\\nfrom . import c", "", "exec"), "p"))
    ['a', 'a.b', 'p', 'p.c']
    """
    found: set[str] = set()
    constants: list[Any] = []  # the last two: the level, and the names that are imported
    for one in dis.get_instructions(code):
        if one.opname == "IMPORT_NAME":
            level, names = constants[-2:] if len(constants) > 1 else (0, None)
            found.update(_names(one.argval, level, names, package))
        elif one.opname in ("LOAD_CONST", "LOAD_SMALL_INT"):
            constants.append(one.argval)
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            found |= imports_of(inner, package)
    return frozenset(found)


def _names(name: str, level: Any, names: Any, package: str) -> Iterator[str]:
    if isinstance(level, int) and level:
        try:
            name = importlib.util.resolve_name("." * level + name, package)
        except ImportError:
            return
    parts = name.split(".")
    for size in range(1, len(parts) + 1):
        yield ".".join(parts[:size])
    for one in names if isinstance(names, tuple) else ():
        yield f"{name}.{one}"


class LaterImports:
    """Finds modules that were not imported yet, and gives their specs.

    Parameters
    ----------
    known : dict
        Where the submodules are of the packages that are sent.
    """

    def __init__(self, known: dict[str, list[str] | None]) -> None:
        self._search = known
        self._seen = {*known}
        self.found: dict[str, importlib.machinery.ModuleSpec] = {}

    def follow(self, code: types.CodeType, package: str) -> None:
        """Take in what code imports, and what that imports in turn.

        Parameters
        ----------
        code : code
            The code.
        package : str
            Its package.
        """
        for name in sorted(imports_of(code, package) - self._seen):
            if name in self._seen or len(self.found) >= MOST:
                continue
            self._seen.add(name)
            spec = self._find(name)
            if spec is None:
                continue
            self.found[name] = spec
            self._search[name] = spec.submodule_search_locations
            try:
                inner = spec.loader.get_code(name)
            except Exception:  # whoever imports it will see
                continue
            if inner is not None:
                whose = name if spec.submodule_search_locations is not None else ""
                self.follow(inner, whose or name.rpartition(".")[0])

    def _find(self, name: str) -> Any:
        top, _, _ = name.partition(".")
        if name in sys.modules or top in sys.stdlib_module_names or top == "nbexec":
            return None
        package = name.rpartition(".")[0]
        path = self._search.get(package) if package else None
        if package and path is None:
            return None
        try:
            spec = importlib.machinery.PathFinder.find_spec(name, path)
        except Exception:
            return None
        if spec is None or not isinstance(spec.origin, str) or is_library_file(spec.origin):
            return None
        return spec


def notebook_code(fn: Any) -> list[types.CodeType]:
    """Give the code of the notebook's functions."""
    main = sys.modules.get("__main__")
    whose = [fn, getattr(fn, "func", None), *(vars(main).values() if main is not None else ())]
    return [one.__code__ for one in whose if type(one) is types.FunctionType]
