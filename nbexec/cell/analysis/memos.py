"""Memos: dicts from outside that code looks keys up in and stores what it has computed.

The analysis notes where such a dict is used; `loops.memo_uses` decides whether that is all that
is done with it.
"""

from __future__ import annotations

import ast
import types
from dataclasses import dataclass, field, replace
from typing import Any

from .abstract_values import SHARED, UNKNOWN, Value, describe
from .library_kinds import Array, family_of
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
    >>> memos.stores(node, Value(True, known=cache, type=dict), Value(type=int))
    True
    >>> memos.entry(cache).type
    <class 'int'>
    """

    def __init__(self) -> None:
        self.found: dict[int, dict[Any, Any]] = {}
        self.lines: dict[int, int] = {}
        self.seen: dict[int, Seen] = {}
        self._kinds: dict[int, type | None] = {}  # of what is stored

    def look(self, node: ast.AST, value: Value) -> None:
        """Take in what an expression is."""
        thing = value.known
        if thing is not UNKNOWN and (type(thing) is dict or _leads(thing)):
            self.seen.setdefault(id(node), Seen(node)).things[id(thing)] = thing

    def stores(self, node: ast.AST, into: Value, value: Value) -> bool:
        """Whether storing an entry may be recorded; takes in that it is."""
        memo = into.known
        if type(memo) is not dict:
            return False
        if isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Store):
            return False
        if id(memo) not in self.found:
            self.found[id(memo)] = memo
            self.lines[id(memo)] = getattr(node, "lineno", 0)
            self._kinds[id(memo)] = describe(list(memo.values())).type if memo else value.type
        self._kinds[id(memo)] = _both(self._kinds[id(memo)], value.type)
        return True

    def entry(self, memo: Any) -> Value:
        """Describe an entry of a memo."""
        return replace(SHARED, type=self._kinds[id(memo)])

    @property
    def what(self) -> str:
        """What is done with the first of them, for messages."""
        for at in self.found:
            for seen in self.seen.values():
                if at in seen.things and isinstance(seen.node, ast.Name | ast.Attribute):
                    return f"changes `{ast.unparse(seen.node)}` in place"
        return "changes what it keeps in place"

    @property
    def line(self) -> int:
        """The first line that stores in one."""
        return min(self.lines.values(), default=0)

    def state(self) -> Any:
        """Give what an analysis depends on."""
        return dict(self._kinds)

    def has(self, thing: Any) -> bool:
        """Whether it is one of those that are stored in."""
        return id(thing) in self.found


def _leads(thing: Any) -> bool:
    """Whether an attribute of a thing may be a memo of the user's."""
    if isinstance(thing, types.FunctionType):
        return is_own_code(thing.__code__)
    return is_own_class(thing if isinstance(thing, type) else type(thing))


def _both(one: type | None, other: type | None) -> type | None:
    """Give the kind of what is of either of two."""
    if one is other:
        return one
    return Array if family_of(one) == family_of(other) == "numpy" else None
