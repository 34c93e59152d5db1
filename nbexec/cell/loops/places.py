"""Places: names in a source that objects are put in the place of, as constants of its code."""

from __future__ import annotations

import ast
import types
from collections.abc import Iterable
from typing import Any

from ..analysis.recompile import with_things

_MARK = "_nbexec_place_"  # begins the text that stands for an object while code is compiled


class Places(ast.NodeTransformer):
    """Puts objects in the place of names, wherever a copy of these stands in a source.

    Parameters
    ----------
    things : list of tuple
        Names of a source, and the object for them.

    Examples
    --------
    >>> tree = ast.parse("big[i] + small[i]", mode="eval")
    >>> places = Places([([tree.body.left.value], {3: "three"})])
    >>> places.put(tree)
    >>> code = places.filled(compile(ast.fix_missing_locations(tree), "<cell>", "eval"))
    >>> eval(code, {"i": 3, "small": ["", "", "", "!"]})
    'three!'
    """

    def __init__(self, things: Iterable[tuple[list[ast.Name], Any]]) -> None:
        self._marks: dict[tuple[str, int, int], str] = {}
        self._things: dict[str, Any] = {}
        for number, (nodes, thing) in enumerate(things):
            mark = f"{_MARK}{number}_"
            self._things[mark] = thing
            for node in nodes:
                self._marks[node.id, node.lineno, node.col_offset] = mark

    def put(self, tree: ast.AST) -> None:
        """Put marks into a source, which is changed."""
        self.visit(tree)

    def visit_Name(self, node: ast.Name) -> ast.expr:
        at = getattr(node, "lineno", 0), getattr(node, "col_offset", 0)  # a new name has none
        mark = self._marks.get((node.id, *at))
        if mark is None or not isinstance(node.ctx, ast.Load):
            return node
        return ast.copy_location(ast.Constant(mark), node)

    def filled(self, code: types.CodeType) -> types.CodeType:
        """Give code with the objects in the place of the marks."""
        return with_things(code, self._things)
