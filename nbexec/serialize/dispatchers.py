"""Functions of `functools.singledispatch`: they hold weak references, which pickle can't send.

One that can't be imported is made again in the worker, from its default and the functions that
were registered with it.
"""

from __future__ import annotations

import functools
from types import FunctionType
from typing import Any

# Attributes that each dispatcher has of its own.
MADE = ("register", "dispatch", "registry", "_clear_cache", "__wrapped__")


@functools.cache
def _code() -> Any:
    return functools.singledispatch(lambda it: it).__code__  # type: ignore[attr-defined]


def is_dispatcher(thing: Any) -> bool:
    """Whether `functools.singledispatch` made a function.

    Examples
    --------
    >>> is_dispatcher(functools.singledispatch(print)), is_dispatcher(lambda: 1)
    (True, False)
    """
    return type(thing) is FunctionType and thing.__code__ is _code()


def content(thing: Any) -> tuple[dict[type, Any], dict[str, Any]]:
    """Give what a dispatcher does with each class, and the attributes that the user gave it."""
    attributes = {key: one for key, one in vars(thing).items() if key not in MADE}
    return dict(thing.registry), attributes


def reduced(thing: Any) -> tuple[Any, ...]:
    """Give the reduction of a dispatcher by value."""
    registry, attributes = content(thing)
    default = registry.pop(object)
    names = {
        key: getattr(thing, key) for key in functools.WRAPPER_ASSIGNMENTS if hasattr(thing, key)
    }
    state = names, attributes, [*registry.items()]
    return functools.singledispatch, (default,), state, None, None, restored


def restored(thing: Any, state: tuple[dict[str, Any], dict[str, Any], list[Any]]) -> None:
    """Give a dispatcher its attributes and what was registered with it."""
    names, attributes, registry = state
    for key, one in names.items():
        setattr(thing, key, one)
    vars(thing).update(attributes)
    for kind, function in registry:
        thing.register(kind, function)
