"""Singletons: objects that are told by their identity, and stand in a module.

``dataclasses.MISSING``, or an ``object()`` that a module keeps as a mark, would arrive in
another process as one more object.  They go as references to the module's.
"""

from __future__ import annotations

import copyreg
import sys
import types
from collections.abc import Iterator
from typing import Any
from weakref import WeakKeyDictionary

_Places = dict[int, tuple[str, str, Any]]  # by id: the module, the name there, and the instance
_places: WeakKeyDictionary[type, tuple[int, _Places]] = WeakKeyDictionary()  # with how many modules
_NOT = ("__main__", "__mp_main__")


def reference(thing: Any, kind: type) -> Any:
    """Give the reduction of a thing to its place in a module; NotImplemented if it has none.

    What has attributes goes by value all the same: they may be others there.

    Examples
    --------
    >>> import dataclasses
    >>> get, where = reference(dataclasses.MISSING, type(dataclasses.MISSING))
    >>> get(*where) is dataclasses.MISSING
    True
    """
    found = place(thing, kind)
    return (at, found) if found is not None and _bare(thing, kind) else NotImplemented


def are_in(kind: type) -> bool:
    """Whether any instance of a class stands in a module: of nearly every class there is none."""
    return bool(_of(kind))


def _of(kind: type) -> _Places:
    known, places = _places.get(kind, (0, {}))
    if known != len(sys.modules):
        places = {id(one): (module, name, one) for module, name, one in _instances(kind)}
        _places[kind] = len(sys.modules), places
    return places


def place(thing: Any, kind: type) -> tuple[str, str] | None:
    """Give the module in which an instance of a class stands, and its name there, if it does."""
    module, name, one = _of(kind).get(id(thing), ("", "", None))
    there = sys.modules.get(module)
    return (module, name) if there is not None and vars(there).get(name) is one is thing else None


def _bare(thing: Any, kind: type) -> bool:
    """Whether a thing is nothing but itself."""
    heap = all(vars(one).get("__slots__", ()) == () for one in kind.__mro__)
    return heap and kind.__basicsize__ <= _Plain.__basicsize__ and not getattr(thing, "__dict__", 0)


class _Plain:
    pass


def at(module: str, name: str) -> Any:
    """Give what a module has by that name."""
    __import__(module)
    return vars(sys.modules[module])[name]


def _instances(kind: type) -> Iterator[tuple[str, str, Any]]:
    """Give the instances of a class that stand in the module of that class, or in those around.

    None where its instances say themselves how they are pickled.
    """
    of_object = vars(object)
    own = [getattr(kind, name) is of_object[name] for name in ("__reduce_ex__", "__reduce__")]
    if not all(own) or kind in copyreg.dispatch_table:
        return
    names = [*sys.modules]
    if kind is not object:
        parts = str(kind.__module__).split(".")
        names = [".".join(parts[:size]) for size in range(1, len(parts) + 1)]
    by_value = _by_value()
    for name in names:
        module = sys.modules.get(name)
        if isinstance(module, types.ModuleType) and name not in by_value and name not in _NOT:
            for key, value in list(vars(module).items()):
                if type(value) is kind:
                    yield name, key, value


def _by_value() -> set[str]:
    """Give the names of the modules that workers get as they are here."""
    cloudpickle = sys.modules.get("cloudpickle")
    return cloudpickle.list_registry_pickle_by_value() if cloudpickle is not None else set()
