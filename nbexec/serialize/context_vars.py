"""Context variables: how a `ContextVar` is sent to a worker, and which are set here.

Pickle can't send one.  One that a module has is found there by its name; one of the notebook
gets a name that both sides know.
"""

from __future__ import annotations

import contextvars
import itertools
import pickle
import sys
import threading
import uuid
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

# Modules whose variables belong to the process that they are in.
_OTHERS: tuple[str, ...] = (
    "nbexec",
    "IPython",
    "ipykernel",
    "ipywidgets",
    "asyncio",
    "decimal",
    "numpy",
    "zmq",
)
_OTHERS += ("tornado", "distributed", "dask", "jupyter_client", "traitlets", "comm", "anyio")
MOST = 1 << 20  # bytes of a value that is sent without being asked for

_process = uuid.uuid4().hex
_numbers = itertools.count()
_lock = threading.Lock()
_named: dict[str, ContextVar[Any]] = {}  # those without a module; Python keeps them as long
_names: dict[ContextVar[Any], str] = {}
_places: dict[ContextVar[Any], tuple[str, str] | None] = {}
Reduced = tuple[Callable[..., Any], tuple[Any, ...]]


class _NoDefault:
    """Stands for the default of a variable that has none."""


def reduced(variable: ContextVar[Any]) -> Reduced:
    """Give the reduction of a context variable, for pickle.

    Examples
    --------
    >>> make, arguments = reduced(ContextVar("user"))
    >>> make(*arguments).name
    'user'
    """
    place = _place(variable)
    if place is not None and place[0] not in ("__main__", "__mp_main__"):
        return _of_module, place
    try:
        default = contextvars.Context().run(variable.get)
    except LookupError:
        default = _NoDefault
    return _of_name, (_name(variable), variable.name, default)


def _name(variable: ContextVar[Any]) -> str:
    with _lock:
        name = _names.get(variable)
        if name is None:
            name = _names[variable] = f"{_process}-{next(_numbers)}"
            _named[name] = variable
        return name


def _place(variable: ContextVar[Any]) -> tuple[str, str] | None:
    """Give the module and the attribute that has a variable; None where there is none."""
    found = _places.get(variable)
    if variable not in _places or (found is not None and _attribute(*found) is not variable):
        found = _places[variable] = _searched(variable)
    return found


def _searched(variable: ContextVar[Any]) -> tuple[str, str] | None:
    modules = [(name, _dict(one)) for name, one in [*sys.modules.items()]]
    for module, names in modules:
        if names.get(variable.name) is variable:
            return module, variable.name
    for module, names in modules:  # 20 ms where many are loaded: once for each variable
        for attribute, value in [*names.items()]:
            if value is variable:
                return module, attribute
    return None


def _dict(module: Any) -> dict[str, Any]:
    try:  # not getattr: it would load what is imported lazily
        names = object.__getattribute__(module, "__dict__")
    except AttributeError:
        return {}
    return names if isinstance(names, dict) else {}


def _attribute(module: str, attribute: str) -> Any:
    return _dict(sys.modules.get(module)).get(attribute)


def _of_module(module: str, attribute: str) -> ContextVar[Any]:
    import importlib

    found = getattr(importlib.import_module(module), attribute)
    if not isinstance(found, ContextVar):
        raise pickle.UnpicklingError(f"{module}.{attribute} is no context variable here")
    return found


def _of_name(name: str, shown: str, default: Any) -> ContextVar[Any]:
    with _lock:
        found = _named.get(name)
        if found is None:
            found = (
                ContextVar(shown) if default is _NoDefault else ContextVar(shown, default=default)
            )
            _named[name], _names[found] = found, name
        return found


def set_here() -> list[tuple[ContextVar[Any], Any]]:
    """Give the context variables of the user's that are set here, with their values.

    What can't be pickled is left out: a function that asks for it finds it unset.

    Examples
    --------
    >>> user = ContextVar("user")
    >>> token = user.set("Ada")
    >>> [value for variable, value in set_here() if variable is user]
    ['Ada']
    """
    return [pair for pair in contextvars.copy_context().items() if _is_users(pair[0])]


def _is_users(variable: ContextVar[Any]) -> bool:
    if variable.name == "decimal_context":  # the register has it
        return False
    if variable not in _users:
        place = _place(variable)
        module = "" if place is None else place[0]
        _users[variable] = module.partition(".")[0].lstrip("_") not in _OTHERS
    return _users[variable]


_users: dict[ContextVar[Any], bool] = {}
