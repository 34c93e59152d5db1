"""Heap: what objects that an iteration makes may hold, by the place that makes them."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from .abstract_values import FROZEN, SHARED, UNKNOWN, Value, describe, join, joined, shallow

ITEMS, KEYS, ANY = "[]", "keys", "*"  # entries of a container; a dict's keys; anywhere
LARGEST = 50_000  # items of a container that are described: about 1 ms, a few if they are tuples


class Heap:
    """The abstract heap.  It only grows: the analysis is repeated until nothing is added.

    Attributes
    ----------
    grown : bool
        Whether something was added since it was last set.
    """

    def __init__(self) -> None:
        self._cells: dict[ast.AST, dict[str, Value]] = {}
        self._described: dict[int, tuple[Any, Value]] = {}  # real containers, by id
        self.grown = False

    def put(self, into: Value, field: str, value: Value) -> None:
        """Take in that an object may hold a value."""
        value = shallow(replace(value, known=UNKNOWN) if value.frozen else value)
        for site in into.sites:
            cell = self._cells.setdefault(site, {})
            before = cell.get(field)
            after = value if before is None else join(before, value)
            if after != before:
                cell[field] = after
                self.grown = True

    def get(self, value: Value, *fields: str) -> Value:
        """Describe the contents of any of these fields; frozen where they are empty."""
        if value.shared:
            return SHARED
        held = [
            cell[field]
            for site in value.sites
            for cell in (self._cells.get(site, {}),)
            for field in (*fields, ANY)
            if field in cell
        ]
        return joined(held)

    def items(self, value: Value) -> Value:
        """Describe an entry of a container, or an item of an iteration over it."""
        if value.parts is not None:
            return joined(value.parts)
        if type(value.known) in (list, tuple, set, frozenset):
            return self._items_of(value.known)
        if value.type is str:
            return value if value.known is UNKNOWN else Value(type=str)
        if value.type is not None and issubclass(value.type, dict):
            return self.get(value, KEYS)
        return self.get(value, ITEMS, KEYS)

    def _items_of(self, container: Any) -> Value:
        """Describe the items of a real container, once."""
        if len(container) > LARGEST:
            return SHARED
        if id(container) not in self._described:
            self._described[id(container)] = container, describe(list(container))
        return self._described[id(container)][1]

    def everything(self, value: Value) -> Value:
        """Describe anything that the value holds directly."""
        if value.shared:
            return SHARED
        return joined(one for site in value.sites for one in self._cells.get(site, {}).values())

    def reach(self, values: Iterable[Value]) -> Value:
        """Describe anything that can be reached from `values`, themselves included."""
        found = joined(replace(value, parts=None) for value in values)
        todo, seen = set(found.sites), set(found.sites)
        shared = found.shared
        while todo:
            for one in self._cells.get(todo.pop(), {}).values():
                inside = joined([one, *(one.parts or ())])
                shared |= inside.shared
                todo |= inside.sites - seen
                seen |= inside.sites
        if not seen:
            return SHARED if shared else FROZEN
        return Value(shared, frozenset(seen))

    def mix(self, values: list[Value]) -> None:
        """Take in that each of these, and anything in it, may now hold any other of them."""
        if len(values) < 2:
            return
        for one in values:
            others = [other for other in values if other is not one]
            reached = self.reach([one])
            if reached.sites:
                self.put(replace(reached, shared=False), ANY, self.reach(others))
