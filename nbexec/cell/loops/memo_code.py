"""The code of a loop that uses memos: what it does with them goes through a record.

``if n in memo`` becomes ``if n in recorded(memo)``, in the body of the loop and in the functions
that it calls, while workers run.  `recorded` gives the memo itself wherever no item is run.
"""

from __future__ import annotations

import ast
import copy
import threading
import types
from collections.abc import Iterable

from ..analysis.analysis import Analysis, Refusal
from ..analysis.memos import Memos
from ..analysis.recompile import recompiled
from ..analysis.source import function_node
from ..iteration.memo_record import recorded
from .find import ItemLoop
from .memo_uses import places_of
from .places import Places

_MARK = "_nbexec_recorded_"
_lock = threading.Lock()
_exchanged: set[int] = set()  # functions whose code is exchanged, by their ids


class RecordedPlaces(Places):
    """Puts a call of `recorded` around expressions, wherever a copy of these stands in a source.

    Parameters
    ----------
    nodes : iterable of ast.expr
        Names and attributes.
    """

    def __init__(self, nodes: Iterable[ast.expr]) -> None:
        super().__init__([])
        self._things = {_MARK: recorded}
        self._at = {_place(node) for node in nodes}

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self._around(node)

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        self.generic_visit(node)
        return self._around(node)

    def _around(self, node: ast.Name | ast.Attribute) -> ast.expr:
        if not isinstance(node.ctx, ast.Load) or _place(node) not in self._at:
            return node
        called = ast.copy_location(ast.Constant(_MARK), node)
        return ast.copy_location(ast.Call(called, [node], []), node)


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
        self._own: list[types.CodeType] = []
        for function in analysis.entered.values():
            node = function_node(function.__code__)
            if isinstance(node, ast.FunctionDef) and places_of(memos, node):
                self._codes.append((function, _code(function, node, memos)))

    def put(self) -> None:
        """Have the functions record what they do; raises `Refusal` where another loop has it."""
        with _lock:
            if any(id(function) in _exchanged for function, _ in self._codes):
                raise Refusal(0, "calls a function that another loop calls meanwhile")
            _exchanged.update(id(function) for function, _ in self._codes)
        self._own = [function.__code__ for function, _ in self._codes]
        for function, code in self._codes:
            function.__code__ = code

    def take_back(self) -> None:
        """Have the functions do what they did."""
        for (function, _), own in zip(self._codes, self._own, strict=False):
            function.__code__ = own
        with _lock:
            _exchanged.difference_update(id(function) for function, _ in self._codes if self._own)
        self._own = []


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
