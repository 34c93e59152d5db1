"""The names that the code of a module writes, and its constants.

They are read from its bytecode, once: nothing of it runs.
"""

from __future__ import annotations

import importlib.machinery
import sys
import types
from typing import Any, NamedTuple

from ..system import bytecode

ATOMS = {int, float, bool, str, bytes, complex, type(None)}
ADDED = {*ATOMS, list, dict, set, tuple, frozenset}  # plain values, and containers
# Modules in C that hold constants and nothing of their process: another one can be made.
_REMADE = {"array", "binascii", "cmath", "errno", "itertools", "math", "unicodedata", "zlib"}
# Likewise, but for constants that are of their process.
_NAMED = {"fcntl", "mmap", "resource", "select", "termios", "time"}


class Written(NamedTuple):
    """The names of a module, as its code has them.

    Attributes
    ----------
    names : frozenset of str
        All that it assigns by name.
    always : frozenset of str
        Those that are surely there once it was imported.
    sort : str
        "" where these are all names; "any" where it may make others as it runs, "unknown" where
        nobody knows which.
    constants : dict
        Its public constants.
    """

    names: frozenset[str] = frozenset()
    always: frozenset[str] = frozenset()
    sort: str = "unknown"
    constants: dict[str, Any] = {}  # noqa: RUF012  # it is never changed


_written: dict[str, tuple[Any, Written]] = {}  # by module, with its spec


def written(name: str, module: types.ModuleType) -> Written:
    """Give the names of a module, as its code has them.

    Parameters
    ----------
    name : str
        Its name.
    module : module
        The module.

    Examples
    --------
    >>> import math, textwrap
    >>> "fill" in written("textwrap", textwrap).always, written("math", math).sort
    (True, '')
    """
    spec = module.__spec__
    known = _written.get(name)
    if known is None or known[0] is not spec:
        try:
            code = spec.loader.get_code(name)  # type: ignore[union-attr]
            if code is not None:
                found = _of_code(code)
            elif name == "builtins":
                found = _of_builtins(module)
            else:
                found = _made(module) if name in _REMADE | _NAMED else Written()
        except Exception:
            found = Written()
        known = _written[name] = spec, found
    return known[1]


def constants(name: str, module: types.ModuleType) -> dict[str, Any]:
    """Give the public constants of a module, as its code has them.

    Parameters
    ----------
    name : str
        Its name.
    module : module
        The module.

    Examples
    --------
    >>> import json.decoder, http.client
    >>> constants("http.client", http.client)["HTTP_PORT"]
    80
    """
    return written(name, module).constants


def is_unwritten(name: str, module: types.ModuleType) -> bool:
    """Whether a module is an installed one in C, of which nobody knows what it held at first.

    Parameters
    ----------
    name : str
        Its name.
    module : module
        The module.

    Examples
    --------
    >>> import math, xxhash._xxhash
    >>> is_unwritten("xxhash._xxhash", xxhash._xxhash), is_unwritten("math", math)
    (True, False)
    """
    loader = getattr(module.__spec__, "loader", None)
    in_c = isinstance(loader, importlib.machinery.ExtensionFileLoader)
    return in_c and name.partition(".")[0] not in sys.stdlib_module_names


def _of_code(code: types.CodeType) -> Written:
    found = bytecode.assigned_by(code)
    sort = "unknown" if found.star else "any" if found.any else ""
    constants = {
        name: value
        for name, value in found.constants.items()
        if name[:1] != "_" and type(value) in ATOMS
    }
    always = frozenset() if found.any else found.always
    return Written(found.names, always, sort, constants)


def _of_builtins(module: types.ModuleType) -> Written:
    """Give the names of `builtins`: all that is plain there was added, but for the constants."""
    names = {name for name, value in [*vars(module).items()] if type(value) not in ADDED}
    return Written(frozenset({"True", "False", "None", *names}), sort="")


def _made(module: types.ModuleType) -> Written:
    """Give the names of a module in C, as it has them when it is made."""
    import importlib.util

    spec: Any = module.__spec__
    made = importlib.util.module_from_spec(spec)
    if made is module:
        return Written()
    spec.loader.exec_module(made)
    names = frozenset(vars(made))
    found = {
        name: value
        for name, value in vars(made).items()
        if name[:1] != "_" and type(value) in ATOMS
    }
    return Written(names, names, "", found if spec.name in _REMADE else {})
