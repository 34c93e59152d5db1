"""The code of a loop that uses memos: what it does with them goes through a record.

``if n in memo`` becomes ``if n in recorded(memo)``, in the body of the loop and in the functions
that it calls, while workers run; and ``memo[n]`` becomes ``getitem(*looked_up(memo, n))``, so that
a KeyError comes from no frame of ours.  Wherever no item is run, it is the memo that is used.
"""

from __future__ import annotations

import ast
import copy
import operator
import types
from collections.abc import Iterable

from ..analysis.analysis import Analysis, Refusal
from ..analysis.memos import Memos
from ..analysis.recompile import recompiled
from ..analysis.source import function_node
from ..iteration.memo_record import looked_up, recorded
from .exchanged_code import exchange, put_back
from .find import ItemLoop
from .memo_uses import places_of
from .places import Places

_MARK, _GET, _AT = "_nbexec_recorded_", "_nbexec_getitem_", "_nbexec_looked_up_"


class RecordedPlaces(Places):
    """Puts a call of `recorded` around expressions, wherever a copy of these stands in a source.

    Where an entry is read, it puts one of `looked_up`.

    Parameters
    ----------
    nodes : iterable of ast.expr
        Names and attributes.
    """

    def __init__(self, nodes: Iterable[ast.expr]) -> None:
        super().__init__([])
        self._things = {_MARK: recorded, _GET: operator.getitem, _AT: looked_up}
        self._at = {_place(node) for node in nodes}

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self._around(node)

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        self.generic_visit(node)
        return self._around(node)

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        of = node.value
        if not isinstance(node.ctx, ast.Load) or not self._is(of):
            self.generic_visit(node)
            return node
        self.generic_visit(of)
        found = _call(_AT, [of, self.visit(node.slice)], node)
        return _call(_GET, [ast.copy_location(ast.Starred(found, ast.Load()), node)], node)

    def _around(self, node: ast.Name | ast.Attribute) -> ast.expr:
        return _call(_MARK, [node], node) if self._is(node) else node

    def _is(self, node: ast.expr) -> bool:
        known = isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load)
        return known and _place(node) in self._at


def _call(mark: str, args: list[ast.expr], node: ast.expr) -> ast.expr:
    called = ast.copy_location(ast.Constant(mark), node)
    return ast.copy_location(ast.Call(called, args, []), node)


def _place(node: ast.AST) -> tuple[str, int, int, int]:
    name = getattr(node, "attr", "") or getattr(node, "id", "")
    ends = getattr(node, "end_col_offset", 0) or 0
    return name, getattr(node, "lineno", 0), getattr(node, "col_offset", 0), ends


class MemoCode:
    """The code of the functions of a loop that record what they do with memos.

    Attributes
    ----------
    places : Places
        For the body of the loop.
    """

    def __init__(self, analysis: Analysis, loop: ItemLoop) -> None:
        memos = analysis.memos
        assert memos is not None
        self.places = _places(memos, [loop.node])
        self._codes: list[tuple[types.FunctionType, types.CodeType]] = []
        self._is_put = False
        for function in analysis.entered.values():
            node = function_node(function.__code__)
            if isinstance(node, ast.FunctionDef) and places_of(memos, node):
                self._codes.append((function, _code(function, node, memos)))

    def put(self) -> None:
        """Have the functions record what they do; raises `Refusal` where another loop has it."""
        if not exchange(self._codes):
            raise Refusal(0, "calls a function that another loop calls meanwhile")
        self._is_put = True

    def take_back(self) -> None:
        """Have the functions do what they did."""
        if self._is_put:
            put_back([function for function, _ in self._codes])
        self._is_put = False


def _places(memos: Memos, sources: Iterable[ast.AST]) -> RecordedPlaces:
    return RecordedPlaces(node for one in sources for node in places_of(memos, one))


def _code(function: types.FunctionType, node: ast.FunctionDef, memos: Memos) -> types.CodeType:
    places = _places(memos, [node])
    made = copy.deepcopy(node)
    places.put(made)
    code = recompiled(made, function.__code__)
    if code is None:
        raise Refusal(node.lineno, "keeps what it has computed, and can't be compiled anew")
    return places.filled(code)
