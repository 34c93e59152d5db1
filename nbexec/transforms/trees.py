"""Trees: dicts, tuples, named tuples and dataclasses, and what is in their leaves.

A list is a leaf, unlike in JAX: it is what Python code has for a batch.
"""

from __future__ import annotations

import dataclasses
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any, NamedTuple


class TreeShape(NamedTuple):
    """The shape of a container; None is that of a leaf."""

    kind: type
    keys: tuple[Any, ...]  # of a dict, the names of fields, or positions
    children: tuple[Any, ...]  # of each key: a `TreeShape`, or None

    def __str__(self) -> str:
        of = ", ".join(str(key) for key in self.keys)
        return f"{self.kind.__name__} of {of or 'nothing'}"


class Leaf(NamedTuple):
    """What a tree holds, and where."""

    where: str  # "batch['text']", "points.x", "pair[0]"
    value: Any


def shape_of(tree: Any) -> TreeShape | None:
    """Give the shape of a tree.

    Examples
    --------
    >>> shape_of([1, 2]) is None
    True
    >>> str(shape_of({"a": 1, "b": (2, 3)}))
    'dict of a, b'
    """
    keys = _keys(tree)
    if keys is None:
        return None
    children = tuple(shape_of(_child(tree, key)) for key in keys)
    return TreeShape(type(tree), keys, children)


def leaves_of(tree: Any, where: str = "") -> Iterator[Leaf]:
    """Give the leaves of a tree, in order.

    Examples
    --------
    >>> [leaf.where for leaf in leaves_of({"a": 1, "b": (2, 3)}, "x")]
    ["x['a']", "x['b'][0]", "x['b'][1]"]
    """
    keys = _keys(tree)
    if keys is None:
        yield Leaf(where, tree)
        return
    dotted = dataclasses.is_dataclass(tree)
    for key in keys:
        yield from leaves_of(_child(tree, key), f"{where}.{key}" if dotted else f"{where}[{key!r}]")


def leaves_in(shape: TreeShape | None, tree: Any) -> Iterator[Any]:
    """Give the values of a tree's leaves, in the order that another one of its shape has.

    Examples
    --------
    >>> list(leaves_in(shape_of({"a": 1, "b": 2}), {"b": "y", "a": "x"}))
    ['x', 'y']
    """
    if shape is None:
        yield tree
        return
    for key, child in zip(shape.keys, shape.children, strict=True):
        yield from leaves_in(child, _child(tree, key))


def unordered(shape: TreeShape | None) -> Any:
    """Give what is equal for two shapes whose dicts have the same keys, in whatever order."""
    if shape is None:
        return None
    children = [unordered(child) for child in shape.children]
    pairs = tuple(zip(shape.keys, children, strict=True))
    return shape.kind, frozenset(pairs) if shape.kind is dict else pairs


def fields_of(value: Any) -> dict[str, Any] | None:
    """Give the fields of a dataclass by name, also where it has slots; None of anything else."""
    if not dataclasses.is_dataclass(type(value)):
        return None
    return {key: getattr(value, key) for key in _keys(value) or ()}


def build(shape: TreeShape | None, leaves: Iterator[Any]) -> Any:
    """Give a tree of this shape with these leaves.

    Examples
    --------
    >>> build(shape_of({"a": 1, "b": (2, 3)}), iter("xyz"))
    {'a': 'x', 'b': ('y', 'z')}
    """
    if shape is None:
        return next(leaves)
    values = [build(child, leaves) for child in shape.children]
    if issubclass(shape.kind, dict):
        return shape.kind(zip(shape.keys, values, strict=True))
    if issubclass(shape.kind, tuple):
        make = getattr(shape.kind, "_make", shape.kind)
        return make(values)
    made = object.__new__(shape.kind)  # its `__init__` may want, or check, something else
    for key, value in zip(shape.keys, values, strict=True):
        object.__setattr__(made, key, value)
    return made


def _keys(tree: Any) -> tuple[Any, ...] | None:
    kind = type(tree)
    if kind in (dict, OrderedDict):
        return tuple(tree)
    if kind is tuple or (issubclass(kind, tuple) and hasattr(kind, "_make")):
        return tuple(range(len(tree)))
    if dataclasses.is_dataclass(kind):
        return tuple(one.name for one in dataclasses.fields(kind) if hasattr(tree, one.name))
    return None


def _child(tree: Any, key: Any) -> Any:
    return getattr(tree, key) if dataclasses.is_dataclass(tree) else tree[key]
