"""Memos: dicts from outside that code looks keys up in and stores what it has computed.

The analysis notes where such a dict is used; `loops.memo_uses` decides whether that is all that
is done with it.
"""

from __future__ import annotations

import ast
import types
from dataclasses import dataclass, field
from typing import Any

from .abstract_values import UNKNOWN, Value
from .source import is_own_class, is_own_code


@dataclass(frozen=True, eq=False)
class Seen:
    """An expression that was seen to have a value that is known.

    Attributes
    ----------
    node : ast.AST
        The expression.
    things : dict
        What it was seen to be, by the ids.
    """

    node: ast.AST
    things: dict[int, Any] = field(default_factory=dict)


class Memos:
    """What an analysis notes of dicts that may be memos.

    Attributes
    ----------
    found : dict
        Dicts from outside that entries are stored in, by their ids.
    lines : dict
        The line where that was first seen.
    seen : dict
        Expressions that were seen to be a dict, or what may lead to one, by their ids.

    Examples
    --------
    >>> memos, node, cache = Memos(), ast.parse("cache[1] = 2").body[0].targets[0], {}
    >>> memos.stores(node, Value(True, known=cache, type=dict)), [*memos.found.values()]
    (True, [{}])
    """

    def __init__(self) -> None:
        self.found: dict[int, dict[Any, Any]] = {}
        self.lines: dict[int, int] = {}
        self.seen: dict[int, Seen] = {}

    def look(self, node: ast.AST, value: Value) -> None:
        """Take in what an expression is."""
        thing = value.known
        if thing is not UNKNOWN and (type(thing) is dict or _leads(thing)):
            self.seen.setdefault(id(node), Seen(node)).things[id(thing)] = thing

    def stores(self, node: ast.AST, into: Value) -> bool:
        """Whether storing an entry may be recorded; takes in that it is."""
        if type(into.known) is not dict:
            return False
        if isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Store):
            return False
        self.found[id(into.known)] = into.known
        self.lines.setdefault(id(into.known), getattr(node, "lineno", 0))
        return True

    def has(self, thing: Any) -> bool:
        """Whether it is one of those that are stored in."""
        return id(thing) in self.found


def _leads(thing: Any) -> bool:
    """Whether an attribute of a thing may be a memo of the user's."""
    if isinstance(thing, types.FunctionType):
        return is_own_code(thing.__code__)
    return is_own_class(thing if isinstance(thing, type) else type(thing))
