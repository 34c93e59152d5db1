"""Patches: what the notebook put into a library's class or module, which other processes lack.

``Fraction.__str__ = mine`` changes what library code does in this process alone.  Looked at
are the classes and modules that a body reaches, and the classes that these modules have.
"""

from __future__ import annotations

import builtins
import copyreg
import functools
import operator
import sys
import types
from collections.abc import Iterable, Iterator
from typing import Any

from ...system.user_code import is_library_file, is_library_module
from .analysis import Analysis
from .object_facts import fields_of

_LAST = {"_", "__", "___", "_i", "_ii", "_iii"}  # of IPython, in builtins, where there are any
ODD = "is pickled in its own way: what another process has may be another one"
_PICKLING = ("__reduce__", "__reduce_ex__", "__getstate__", "__setstate__")
WHY = "was replaced in the notebook, which other processes don't know"
LOOK = 100  # entries whose classes are looked at
_clean: dict[int, tuple[Any, list[Any]]] = {}  # holders that were looked at, and what they held


def patch_of(things: Iterable[Any], namespace: dict[str, Any]) -> str:
    """Give the name of a patch of a library that code may meet which reaches `things`; "" for none.

    Parameters
    ----------
    things : iterable
        Modules, classes, functions and other objects; of the others, the classes count.
    namespace : dict
        The notebook's names.

    Examples
    --------
    >>> from fractions import Fraction
    >>> patch_of([Fraction], globals())
    ''
    """
    for holder in _holders(things):
        found = _patched(holder, namespace)
        if found:
            return found
    return ""


def reached(analysis: Analysis, items: Iterable[Any] = ()) -> list[Any]:
    """Give what a body reaches, as `patch_of` takes it; `items` are some of those of its loop."""
    namespace = analysis.namespace
    named = [namespace[name] for name in analysis.reads if name in namespace]
    own = analysis.own_reads.found.values() if analysis.own_reads else ()
    named += [one for read in own for one in read.entries[:LOOK]]
    return [*named, *analysis.captured.values(), *analysis.modules, *analysis.involved, *items]


def _holders(things: Iterable[Any]) -> Iterator[Any]:
    """Give the library classes and modules that `things` lead to, each once.

    Of a module these are its classes with their bases, and its submodules without theirs: all of
    pandas takes 6 ms, what it shows 0.5.
    """
    yield builtins
    seen: set[int] = {id(builtins), id(object)}
    for thing in things:
        for holder in _leads_to(thing):
            if id(holder) in seen:
                continue
            seen.add(id(holder))
            kinds = [holder]
            if isinstance(holder, types.ModuleType):
                if not is_library_module(holder.__name__):
                    continue
                yield holder
                kinds, modules = _inside(holder)
                for module in modules:
                    if id(module) not in seen:
                        yield module
            for kind in kinds:
                for base in kind.__mro__:
                    if base is kind or id(base) not in seen:
                        seen.add(id(base))
                        if _of_library(base):
                            yield base


def _leads_to(thing: Any) -> list[Any]:
    if isinstance(thing, types.ModuleType):
        if is_library_module(thing.__name__):
            return [thing]
        parts = [part for part in vars(thing).values() if isinstance(part, _NAMED)]
        return [one for part in parts for one in _leads_to_one(part)]
    return _leads_to_one(thing)


_NAMED = (type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType)


def _leads_to_one(thing: Any) -> list[Any]:
    if isinstance(thing, types.ModuleType):
        return [thing]
    if isinstance(thing, type):
        methods = [one for one in vars(thing).values() if isinstance(one, types.FunctionType)]
        return [thing, *(module for one in methods for module in _named_in(one))]
    if isinstance(thing, types.FunctionType | types.BuiltinFunctionType):
        module = sys.modules.get(thing.__module__ or "")
        named = _named_in(thing) if isinstance(thing, types.FunctionType) else []
        return named if module is None else [module, *named]
    return [type(thing)]


def _named_in(function: types.FunctionType) -> list[types.ModuleType]:
    """Give the modules whose names a function of the user's has: it may import them."""
    code = function.__code__
    if is_library_file(code.co_filename):
        return []
    found = [sys.modules.get(name) for name in code.co_names]
    return [one for one in found if isinstance(one, types.ModuleType)]


def _of_library(kind: type) -> bool:
    # Those of C can't be patched, and they are most.  In a namespace without a name, those of
    # the user's say that they are builtins.
    name = kind.__module__
    return bool(kind.__flags__ & _HEAP) and name != "builtins" and is_library_module(name)


_HEAP = 1 << 9  # Py_TPFLAGS_HEAPTYPE


_inner: dict[int, tuple[Any, list[Any], list[Any], list[Any]]] = {}


def _inside(module: types.ModuleType) -> tuple[list[Any], list[Any]]:
    """Give the classes of a module, and its submodules that are loaded."""
    held = vars(module)
    known = _inner.get(id(module))
    if known is not None and known[0] is module and _same(known[1], held):
        return known[2], known[3]
    kinds = [one for one in held.values() if isinstance(one, type) and one.__flags__ & _HEAP]
    modules = [
        one
        for name, one in held.items()
        if isinstance(one, types.ModuleType) and sys.modules.get(f"{module.__name__}.{name}") is one
    ]
    _inner[id(module)] = module, list(held.values()), kinds, modules
    return kinds, modules


def _same(before: list[Any], held: Any) -> bool:
    """Whether a holder has the attributes that it had: at the speed of C, 10 ns each."""
    return len(before) == len(held) and all(map(operator.is_, before, held.values()))


def _patched(holder: Any, namespace: dict[str, Any]) -> str:
    held = vars(holder)
    known = _clean.get(id(holder))
    if known is not None and known[0] is holder and _same(known[1], held):
        return ""
    for name, value in [pair for pair in held.items() if type(pair[1]) not in _PLAIN]:
        if name not in _LAST and _own(value, namespace):
            where = "" if holder is builtins else f"{holder.__name__}."
            return f"{where}{name}"
    _clean[id(holder)] = holder, list(held.values())
    return ""


def _own(value: Any, namespace: dict[str, Any], depth: int = 4) -> bool:
    """Whether an attribute is, or leads to, a function or class of the user's."""
    if isinstance(value, types.FunctionType):
        return _own_function(value, namespace)
    kind = type(value)
    if depth == 0 or kind in _PLAIN:
        return False
    if isinstance(value, type):
        return _own_class(value)
    if kind is property:
        parts = [value.fget, value.fset, value.fdel]
    elif isinstance(value, staticmethod | classmethod | types.MethodType):
        parts = [value.__func__]
    elif isinstance(value, functools.partial | functools.cached_property):
        parts = [value.func]
    elif kind is functools._lru_cache_wrapper:
        parts = [value.__wrapped__]
    elif kind.__module__ == "builtins":
        return False
    elif _own_class(kind) or _mock(kind):
        return True
    else:  # such as an accessor of pandas, which has the user's class
        parts = [part for part in fields_of(value).values() if isinstance(part, _NAMED)]
    return any(_own(part, namespace, depth - 1) for part in parts if part is not None)


_PLAIN = {
    *(str, int, float, bool, bytes, tuple, list, dict, set, frozenset, type(None)),
    *(types.BuiltinFunctionType, types.ModuleType, types.WrapperDescriptorType),
    *(types.MethodDescriptorType, types.GetSetDescriptorType, types.MemberDescriptorType),
    *(types.ClassMethodDescriptorType,),
}


def _own_function(function: types.FunctionType, namespace: dict[str, Any]) -> bool:
    """Whether a function is the user's, rather than one that a library made from a text."""
    scope = function.__globals__
    if scope is not namespace and _of_a_library(scope.get("__name__")):
        return False  # most are: a file's name takes longer to look at
    if is_library_file(function.__code__.co_filename):
        return False
    return scope is namespace or _own_module(scope.get("__name__"))


def _own_class(kind: type) -> bool:
    return _own_module(kind.__module__)


def _own_module(name: Any) -> bool:
    if name == "__main__":
        return True
    module = sys.modules.get(name) if isinstance(name, str) else None
    return getattr(module, "__file__", None) is not None and not is_library_module(str(name))


def _of_a_library(name: Any) -> bool:
    return isinstance(name, str) and is_library_module(name)


def _mock(kind: type) -> bool:
    return kind.__module__.startswith("unittest.mock")


def pickled_its_own_way(kind: type) -> bool:
    """Whether a class of the user's says itself what of an instance another process gets.

    Examples
    --------
    >>> class Open:
    ...     def __getstate__(self): return {}
    >>> pickled_its_own_way(Open), pickled_its_own_way(int)
    (True, False)
    """
    if kind in copyreg.dispatch_table:
        return True
    for base in kind.__mro__:
        for name in _PICKLING:
            found = vars(base).get(name)
            if isinstance(found, types.FunctionType) and _is_users(found):
                return True
    return False


def _is_users(function: types.FunctionType) -> bool:
    # Data classes and attrs write such methods, which leave nothing out.
    file = function.__code__.co_filename
    return not (is_library_file(file) or file.startswith("<attrs"))
