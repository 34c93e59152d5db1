"""NewValues: the values that operators, displays, iteration and unknown code make."""

from __future__ import annotations

import ast
import types
from collections.abc import Iterable
from dataclasses import replace

from .abstract_values import FROZEN, Value, join, joined
from .analysis import Analysis
from .heap import ANY, ITEMS, KEYS
from .library_values import LibraryValues
from .source import is_own_class


def inert(value: Value) -> bool:
    """Whether it does no harm to hold this: a function, a class, a module."""
    return value.checked or isinstance(
        value.known, types.ModuleType | types.FunctionType | types.BuiltinFunctionType | type
    )


class NewValues:
    """Describes objects that an iteration makes, by the place in the source that makes them."""

    def __init__(self, analysis: Analysis) -> None:
        self.analysis = analysis
        self.library = LibraryValues(analysis)

    def made(
        self, node: ast.AST, held: list[Value], kind: type | None = None, field: str = ITEMS
    ) -> Value:
        """Describe a new object that holds `held`."""
        value = Value(sites=frozenset([node]), type=kind)
        self.analysis.heap.put(value, field, joined(held))
        return value

    def unknown(self, node: ast.AST, values: list[Value], result: bool = True) -> Value:
        """Describe the result of unknown code on `values`: something new, or part of them."""
        reached = self.analysis.heap.reach(one for one in values if not inert(one))
        value = Value(sites=frozenset([node]))
        self.analysis.heap.put(value, ANY, join(reached, value))
        return join(value, reached) if result else value

    def contents(self, value: Value) -> Value:
        """Describe an item of an iteration over a value, or an entry of it."""
        found = self.library.part(value)
        return self.perhaps(self.analysis.heap.items(value), [value]) if found is None else found

    def perhaps(self, found: Value, values: Iterable[Value]) -> Value:
        """Describe `found`, or the result of a method of the user's on `values` instead."""
        analysis = self.analysis
        own = [
            one
            for one in values
            if not one.frozen
            and (is_own_class(one.type) if one.type is not None else bool(analysis.involved))
        ]
        if not own:
            return found
        reached = analysis.heap.reach(own)
        analysis.heap.mix([analysis.gives, reached])
        return joined([found, analysis.gives, reached, analysis.heap.reach([analysis.gives])])

    def computed(self, node: ast.AST, values: list[Value]) -> Value:
        """Describe the result of an operator: something new, which may hold its operands."""
        if all(value.frozen for value in values):
            return FROZEN
        heap = self.analysis.heap
        kinds = {value.type for value in values}
        if kinds in ({list}, {dict}, {set}):
            made = self.made(node, [heap.get(one, ITEMS) for one in values], kinds.pop())
            heap.put(made, KEYS, joined(heap.get(one, KEYS) for one in values))
            return made
        kind = self.library.computed(values)
        if kind is not None:
            return Value(sites=frozenset([node]), type=kind)
        return self.perhaps(self.made(node, [heap.reach(values)], field=ANY), values)

    def tuple_of(self, node: ast.AST, parts: tuple[Value, ...]) -> Value:
        """Describe a tuple."""
        if all(part.frozen for part in parts):
            return Value(type=tuple, parts=parts)
        return replace(self.made(site_inside(node), list(parts), tuple), parts=parts)


def site_inside(node: ast.AST) -> ast.AST:
    """Give a site of its own for objects that are made inside the object of `node`."""
    site: ast.AST | None = getattr(node, "_nbexec_inside", None)
    if site is None:
        site = ast.copy_location(ast.Pass(), node)
        node._nbexec_inside = site  # type: ignore[attr-defined]
    return site
