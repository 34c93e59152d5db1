"""Annotations that contradict each other: a producer's return type and a consumer's parameter.

Only what is certain counts: plain classes, and unions of them, none of which is a subclass of
one on the other side.
"""

from __future__ import annotations

import types
import typing
from typing import Any

from .nodes import Node

# What a type checker takes for the other one: PEP 484, "The numeric tower".
TOWER = {int: (float, complex), float: (complex,), bool: (int, float, complex)}


def contradiction(producer: Node, name: str, consumer: Node) -> str:
    """Say why an output can't be a parameter; "" where it may be."""
    gives = _classes(_given(producer, name))
    takes = _classes(_hints(consumer.fn).get(consumer.parameter(name)))
    if gives is None or takes is None or any(_fits(a, b) for a in gives for b in takes):
        return ""
    return (
        f"step {producer.name} gives {_what(producer, name)}{_said(gives)}, but step "
        f"{consumer.name} takes {name} as {_said(takes)}"
    )


def _given(producer: Node, name: str) -> Any:
    """Give the annotation of an output: of one of several, the part of the tuple."""
    hint = _hints(producer.fn).get("return")
    count = len(producer.outputs)
    if count == 1:
        return hint
    parts = typing.get_args(hint) if typing.get_origin(hint) is tuple else ()
    if len(parts) != count or ... in parts:
        return None
    return parts[producer.outputs.index(name)]


def _hints(fn: Any) -> dict[str, Any]:
    try:
        return typing.get_type_hints(fn)
    except Exception:  # a name that isn't there at run time, an object without any
        return {}


def _classes(hint: Any) -> tuple[type, ...] | None:
    """Give the classes that a hint allows; None where that isn't certain."""
    if hint is None or hint is Any:
        return None
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        found = [_classes(one) for one in typing.get_args(hint)]
        if any(one is None for one in found):
            return None
        return tuple(cls for one in found if one for cls in one)
    origin = typing.get_origin(hint) or hint
    if not isinstance(origin, type) or origin is object or _is_protocol(origin):
        return None
    return (origin,)


def _is_protocol(cls: type) -> bool:
    """Whether other classes may count as it without having it as a base."""
    return bool(getattr(cls, "_is_protocol", False)) or "__subclasshook__" in vars(cls)


def _fits(given: type, taken: type) -> bool:
    return issubclass(given, taken) or issubclass(taken, given) or taken in TOWER.get(given, ())


def _what(producer: Node, name: str) -> str:
    return f"{name} as " if len(producer.outputs) > 1 else ""


def _said(classes: tuple[type, ...]) -> str:
    return " or ".join(cls.__name__ for cls in classes)
