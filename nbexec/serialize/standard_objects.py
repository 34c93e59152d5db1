"""Objects of the standard library that pickle can't send, or sends by a name that isn't there.

They are made again from what they were made of.  Those of `NAMED` are told by their identity,
as functions are: a worker has one of each, and gives the kernel's own back.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import sys
import typing
from collections.abc import Callable
from types import FunctionType, ModuleType
from typing import Any

from ..system.user_code import is_library_module
from . import cached_functions

_Reduce = Callable[[Any], Any]


def _parameter(thing: Any) -> tuple[Any, ...]:
    """Give the reduction of a ``ParamSpec`` or a ``TypeVarTuple``."""
    flags = ("bound", "covariant", "contravariant", "infer_variance")
    given = {flag: getattr(thing, f"__{flag}__", None) for flag in flags}
    return _made_parameter, (type(thing), thing.__name__, thing.__module__, given)


def _made_parameter(kind: Any, name: str, module: str | None, given: dict[str, Any]) -> Any:
    made = kind(name, **{flag: value for flag, value in given.items() if value})
    with contextlib.suppress(AttributeError):
        made.__module__ = module
    return made


def _new_type(thing: Any) -> tuple[Any, ...]:
    names = {key: getattr(thing, key) for key in ("__qualname__", "__module__")}
    return typing.NewType, (thing.__name__, thing.__supertype__), names


def _alias(thing: Any) -> tuple[Any, ...]:
    """Give the reduction of a ``type`` statement's alias, which may refer to itself."""
    name, module, parameters = thing.__name__, thing.__module__, thing.__type_params__
    if not parameters and name.isidentifier():
        return _made_alias, (name, module), thing.__value__, None, None, _set_alias
    kind: Any = type(thing)
    make = functools.partial(kind, type_params=parameters)
    return make, (name, thing.__value__)


def _made_alias(name: str, module: str) -> Any:
    """Make an alias whose value is asked for when it is first used."""
    names: dict[str, Any] = {"__name__": module}
    exec(f"type {name} = __nbexec_value__", names)
    _unset[names[name]] = names
    return names[name]


_unset: dict[Any, dict[str, Any]] = {}  # the names that the values of new aliases come from


def _set_alias(thing: Any, value: Any) -> None:
    names = _unset.pop(thing, None)
    if names is not None:
        names["__nbexec_value__"] = value
        thing.__value__  # noqa: B018  (it is kept from now on)


def _property(thing: Any) -> Any:
    """Give the reduction of a `functools.cached_property`: before Python 3.12 it has a lock."""
    kind: Any = type(thing)
    if kind.__reduce_ex__ is not object.__reduce_ex__:
        return NotImplemented
    attributes = {key: one for key, one in vars(thing).items() if key != "lock"}
    return _made_property, (kind, thing.func), attributes


def _made_property(kind: Any, function: Any) -> Any:
    made = kind.__new__(kind)
    functools.cached_property.__init__(made, function)
    return made


def _context(thing: Any) -> Any:
    """Give the reduction of a context manager of a generator function that was not entered."""
    if not hasattr(thing, "gen") or not _is_new(thing.gen):
        return NotImplemented
    return type(thing), (thing.func, thing.args, thing.kwds)


def _is_new(generator: Any) -> bool:
    if inspect.isasyncgen(generator):
        return generator.ag_frame is not None and generator.ag_frame.f_lasti < 0
    return inspect.getgeneratorstate(generator) == inspect.GEN_CREATED


def _reducers() -> tuple[dict[type, _Reduce], dict[type, _Reduce]]:
    named: dict[type, _Reduce] = {
        cached_functions.KIND: cached_functions.reduced,
        typing.ParamSpec: _parameter,
        typing.TypeVarTuple: _parameter,
        typing.NewType: _new_type,
    }
    plain: dict[type, _Reduce] = {functools.cached_property: _property}
    if sys.version_info >= (3, 12):
        plain[typing.TypeAliasType] = _alias  # which has no weak references
    for name in ("_GeneratorContextManager", "_AsyncGeneratorContextManager"):
        plain[getattr(contextlib, name)] = _context
    return named, plain


NAMED, _PLAIN = _reducers()
BY_VALUE = {FunctionType, ModuleType, *NAMED}  # kinds of things of which a worker has one of each


def plain(thing: Any) -> Any:
    """Give the reduction of an object that is not told by its identity, or NotImplemented.

    Examples
    --------
    >>> make, arguments, attributes = plain(functools.cached_property(len))
    >>> make(*arguments).func
    <built-in function len>
    """
    for kind in type(thing).__mro__:
        if kind in _PLAIN:
            return _PLAIN[kind](thing)
    return NotImplemented


def has_plain(kind: type) -> bool:
    """Whether `plain` may have a reduction for the instances of a class."""
    return any(one in _PLAIN for one in kind.__mro__)


def is_of_another_class(module: ModuleType) -> bool:
    """Whether a module that can be imported has a class of its own, which pickle doesn't know.

    Examples
    --------
    >>> import textwrap
    >>> is_of_another_class(textwrap)
    False
    """
    kind = type(module)
    known = kind is ModuleType or kind.__reduce_ex__ is not object.__reduce_ex__
    if known or kind.__reduce__ is not object.__reduce__:
        return False
    there = sys.modules.get(module.__name__) is module
    # such as torch.backends.cudnn, which takes the place of what was imported
    named = getattr(module, "__spec__", None) is not None or is_library_module(module.__name__)
    return there and named
