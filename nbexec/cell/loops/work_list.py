"""``while todo: x = todo.pop(); ...``: a loop that takes its items from a list that it adds to."""

from __future__ import annotations

import ast
from collections import deque
from dataclasses import dataclass
from typing import Any

from ..analysis.analysis import Refusal
from .find import ItemLoop, find_loop
from .split import AHEAD, Split, in_order

_PURE = (ast.Name, ast.Constant, ast.Compare, ast.BoolOp, ast.UnaryOp, ast.BinOp, ast.Call)
_PARTS = (ast.cmpop, ast.boolop, ast.unaryop, ast.operator, ast.expr_context)


@dataclass(frozen=True, eq=False)
class WorkList:
    """A loop over the items that wait in a list, the loop's own among them.

    Attributes
    ----------
    stmt : ast.While
        The loop.
    name : str
        The name of the list, or deque.
    from_end : bool
        Whether items are taken from its end.
    loop : ItemLoop
        What comes after an item is taken, as a for loop over the list.
    """

    stmt: ast.While
    name: str
    from_end: bool
    loop: ItemLoop

    def waiting(self, namespace: dict[str, Any]) -> list[Any]:
        """Give the items that wait, in the order in which they would be taken."""
        found: Any = namespace.get(self.name)
        if type(found) not in (list, deque):
            return []
        return [*reversed(found)] if self.from_end else [*found]

    def rewritten(self, split: Split | None = None) -> ast.While:
        """Give the loop as it stands, but for its `else`, and as long as `AHEAD.more()`.

        With a split, it takes values from `AHEAD`.
        """
        first = self.stmt.body[0]
        assert isinstance(first, ast.Assign)
        taking = ast.Assign(first.targets, ast.Call(_method("item"), [first.value], []))
        test = ast.BoolOp(ast.And(), [self.stmt.test, ast.Call(_method("more"), [], [])])
        through = ast.Expr(ast.Call(_method("through"), [], []))
        body = [taking, *in_order(split).body] if split is not None else self.stmt.body
        made = ast.copy_location(ast.While(test, body, [through]), self.stmt)
        for one, place in ((test, self.stmt.test), (taking, first), (through, self.stmt)):
            for part in ast.walk(one):
                if isinstance(part, ast.expr | ast.stmt) and not hasattr(part, "lineno"):
                    ast.copy_location(part, place)
        return made


def _method(name: str) -> ast.Attribute:
    return ast.Attribute(ast.Name(AHEAD, ast.Load()), name, ast.Load())


def find_work_list(stmt: ast.stmt, namespace: dict[str, Any]) -> WorkList | None:
    """Give the work list of a statement; None where it is no loop over one.

    Parameters
    ----------
    stmt : ast.stmt
        The statement.
    namespace : dict
        The notebook's names.

    Examples
    --------
    >>> text = "while todo:\\n    x = todo.pop(0)\\n    print(x)"
    >>> found = find_work_list(ast.parse(text).body[0], {"todo": [1, 2]})
    >>> found.name, found.from_end
    ('todo', False)
    """
    match stmt:
        case ast.While(
            test,
            [
                ast.Assign(
                    [target],
                    ast.Call(ast.Attribute(ast.Name(name), "pop" | "popleft" as method), given, []),
                ),
                *rest,
            ],
        ) if rest and all(isinstance(part, (*_PURE, *_PARTS)) for part in ast.walk(test)):
            pass
        case _:
            return None
    kind = type(namespace.get(name))
    first = [one.value for one in given if isinstance(one, ast.Constant)] == [0]
    if (method == "popleft" and kind is not deque) or kind not in (list, deque):
        return None
    if given and not (first and len(given) == 1 and method == "pop" and kind is list):
        return None
    calls = [part for part in ast.walk(test) if isinstance(part, ast.Call)]
    if any(not (isinstance(one.func, ast.Name) and one.func.id == "len") for one in calls):
        return None
    made = ast.For(target, ast.Name(name, ast.Load()), rest, [])
    ast.copy_location(made, stmt)
    ast.copy_location(made.iter, stmt)
    try:
        loop = find_loop(made, namespace, mapped=False)
    except Refusal:
        return None
    if name in loop.bound | loop.targets:
        return None
    return WorkList(stmt, name, not first and method == "pop", loop)
