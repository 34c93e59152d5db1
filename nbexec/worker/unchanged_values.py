"""What of a module's values needs no second look: functions, and objects of installed packages.

To see whether they changed they aren't pickled: their attributes are compared, by identity.
Data is another matter: it is pickled for each run, since anything in it may have changed.
"""

from __future__ import annotations

import operator
import sys
import types
from typing import Any

from ..system.user_code import is_library_module

FEW = 100  # what a container has that is compared one by one

_ATOMS = {int, float, bool, str, bytes, complex, type(None)}
_FIXED = {*_ATOMS, types.FunctionType, types.ModuleType, types.BuiltinFunctionType, type}
_DATA = {"numpy", "pandas", "polars", "pyarrow", "xarray", "scipy"}


def snapshot(value: Any) -> list[Any] | None:
    """Give objects that are the same ones as long as a value is unchanged; None where none are.

    Examples
    --------
    >>> snapshot([1, 2]) is None
    True
    >>> before, after = snapshot(snapshot), snapshot(snapshot)
    >>> same(before, after)
    True
    """
    found: list[Any] = [value]
    kind = type(value)
    if kind is types.FunctionType:
        return found if _of_function(value, found) else None
    if kind in (classmethod, staticmethod):
        return snapshot(value.__func__)
    if kind is property:
        for inner in (value.fget, value.fset, value.fdel):
            if type(inner) is types.FunctionType and not _of_function(inner, found):
                return None
        return found
    if not _is_a_package_s(kind):
        return None
    own = getattr(value, "__dict__", None)
    for held in own.values() if type(own) is dict else ():
        if not _add(held, found):
            return None
    return found


def same(before: list[Any], now: list[Any]) -> bool:
    """Whether two snapshots are of the same objects."""
    return len(before) == len(now) and all(map(operator.is_, before, now))


def _of_function(function: types.FunctionType, found: list[Any]) -> bool:
    held = [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
    held += function.__dict__.values()
    try:
        held += [cell.cell_contents for cell in function.__closure__ or ()]
    except ValueError:  # one is empty
        return False
    found += [function, function.__code__, function.__globals__]
    for one in held:
        if type(one) not in _FIXED and not _is_a_package_s(type(one)):
            return False
        found.append(one)
    return True


def _add(held: Any, found: list[Any]) -> bool:
    """Add what an attribute holds; give whether that tells all changes."""
    kind = type(held)
    found.append(held)
    if kind in (list, tuple, set, frozenset, dict):
        if len(held) > FEW:
            return False
        found.append(len(held))
        found.extend(held)
        if kind is dict:
            found.extend(held.values())
        return all(type(one) in _FIXED for one in (held.values() if kind is dict else held))
    return kind in _FIXED or _is_a_package_s(kind)


def _is_a_package_s(kind: type) -> bool:
    """Whether a class is one of an installed package, and not one for data."""
    top = str(kind.__module__).partition(".")[0]
    if top in sys.stdlib_module_names or top in _DATA:
        return False
    return is_library_module(kind.__module__)
