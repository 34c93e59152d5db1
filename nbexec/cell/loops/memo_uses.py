"""``if n in memo: return memo[n]``: whether all that a loop does with a memo can be recorded.

Only to look up a key and to store an entry is recorded, in expressions that were seen to be
the memo; nothing else that the loop uses may lead to it.
"""

from __future__ import annotations

import ast
import inspect
import types
from collections.abc import Iterable, Iterator
from typing import Any

from ..analysis import aliases
from ..analysis.analysis import Analysis, Refusal
from ..analysis.memos import Memos
from ..analysis.object_facts import fields_of
from ..analysis.recompile import may_be_recompiled
from ..analysis.source import function_node, is_own_class, is_own_code
from .find import ItemLoop

LOOKED_UP = ("get", "setdefault")


def memos_of(analysis: Analysis, loop: ItemLoop, roots: Iterable[Any]) -> list[dict[Any, Any]]:
    """Give the memos of a loop; raises `Refusal` where what is done with one can't be recorded.

    Parameters
    ----------
    analysis : Analysis
        What was found of the loop.
    loop : ItemLoop
        The loop.
    roots : iterable
        What its items come from, and those that are known.
    """
    memos = analysis.memos
    if memos is None or not memos.found:
        return []
    uses = _Uses(analysis, loop, memos)
    uses.check()
    _alone(analysis, memos, uses.holders, roots)
    return list(memos.found.values())


def places_of(memos: Memos, tree: ast.AST) -> list[ast.expr]:
    """Give the expressions of a source that are a memo, where a key is looked up or stored."""
    parents = _parents(tree)
    found: list[ast.expr] = []
    for node in ast.walk(tree):
        seen = memos.seen.get(id(node))
        if seen is None or memos.found.keys().isdisjoint(seen.things):
            continue
        if isinstance(node, ast.Name | ast.Attribute) and _is_recorded(node, parents):
            found.append(node)
    return found


def trees(analysis: Analysis, loop: ItemLoop) -> Iterator[ast.AST]:
    """Give the source of the loop, and of each function of the user's that it calls."""
    yield loop.node
    for function in analysis.entered.values():
        node = function_node(function.__code__)
        if node is not None:
            yield node


class _Uses:
    """Looks at each expression that is a memo, or that an attribute of is one.

    Attributes
    ----------
    holders : dict
        Objects with an attribute that is a memo, by their ids.
    """

    def __init__(self, analysis: Analysis, loop: ItemLoop, memos: Memos) -> None:
        self._analysis = analysis
        self._loop = loop
        self._memos = memos
        self.holders: dict[int, Any] = {}
        self._attributes: set[str] = set()

    def check(self) -> None:
        """Raise a `Refusal` where one is used in another way."""
        every = list(trees(self._analysis, self._loop))
        for tree in every:
            for node in ast.walk(tree):
                if isinstance(node, ast.Attribute) and self._is(node, self._memos.found):
                    self._hold(node)
        places = {id(node) for tree in every for node in ast.walk(tree)}
        for seen in self._memos.seen.values():
            if id(seen.node) not in places and self._memos.found.keys() & seen.things.keys():
                self._refuse(seen.node)
        for tree in every:
            self._look(tree)

    def _is(self, node: ast.AST, these: dict[int, Any]) -> bool:
        seen = self._memos.seen.get(id(node))
        return seen is not None and not these.keys().isdisjoint(seen.things)

    def _hold(self, node: ast.Attribute) -> None:
        seen = self._memos.seen.get(id(node.value))
        self._attributes.add(node.attr)
        for thing in seen.things.values() if seen is not None else ():
            if self._memos.has(inspect.getattr_static(thing, node.attr, None)):
                self.holders[id(thing)] = thing
        if not self._is(node.value, self.holders):
            self._refuse(node)

    def _look(self, tree: ast.AST) -> None:
        parents = _parents(tree)
        names: set[str] = set()
        for node in ast.walk(tree):
            if self._is(node, self._memos.found):
                if not (_is_recorded(node, parents) or self._is_passed_on(node, parents)):
                    self._refuse(node, parents)
                if isinstance(node, ast.Name):
                    names.add(node.id)
            elif self._is(node, self.holders):
                if not _leads_on(node, parents):
                    self._refuse(node, parents)
                if isinstance(node, ast.Name):
                    names.add(node.id)
            elif isinstance(node, ast.Attribute) and node.attr in self._attributes:
                self._refuse(node, parents)  # it isn't known whose it is
        if not any(self._is(node, self._memos.found) for node in ast.walk(tree)):
            return
        for node in ast.walk(tree):  # wherever it is not known what the name has
            if not isinstance(node, ast.Name) or node.id not in names:
                continue
            if isinstance(node.ctx, ast.Load) and id(node) not in self._memos.seen:
                self._refuse(node, parents)
        if tree is not self._loop.node and not _can_be_compiled(tree, self._analysis):
            reason = f"{self._memos.what}, in a function that can't be compiled anew"
            raise Refusal(self._memos.line, reason)

    def _is_passed_on(self, node: ast.AST, parents: dict[int, ast.AST]) -> bool:
        """Whether it is an argument of a function of the user's, which was looked into with it."""
        call = parents.get(id(node))
        if isinstance(call, ast.keyword) and call.arg is not None:
            call = parents.get(id(call))
        if not isinstance(call, ast.Call) or node is call.func:
            return False
        if any(isinstance(one, ast.Starred) for one in call.args):
            return False
        seen = self._memos.seen.get(id(call.func))
        called = list(seen.things.values()) if seen is not None else []
        return bool(called) and all(map(_takes_by_name, called))

    def _refuse(self, node: ast.AST, parents: dict[int, ast.AST] | None = None) -> None:
        text = ast.unparse(node)
        around = (parents or {}).get(id(node), node)
        if isinstance(around, ast.Attribute):
            around = (parents or {}).get(id(around), around)
        other = ast.unparse(around).splitlines()[0]
        reason = f"changes `{text}` in place, and does more with it than to look up a key"
        raise Refusal(getattr(node, "lineno", self._memos.line), f"{reason}: `{other}`")


def _is_recorded(node: ast.AST, parents: dict[int, ast.AST]) -> bool:
    """Whether a key is looked up in what this is, or an entry stored, at once and nothing else."""
    around = parents.get(id(node))
    match around:
        case ast.Compare(_, [ast.In() | ast.NotIn()], [container]):
            return container is node
        case ast.Subscript(base, key, how) if base is node and not isinstance(key, ast.Slice):
            if _pauses(key):
                return False
            if isinstance(how, ast.Load):
                return True
            return isinstance(how, ast.Store) and _is_assigned(around, parents)
        case ast.Attribute(_, method) if method in LOOKED_UP:
            call = parents.get(id(around))
            plain = isinstance(call, ast.Call) and call.func is around and not call.keywords
            if not plain:
                return False
            given = call.args  # type: ignore[union-attr]
            fit = (1, 2) if method == "get" else (2,)
            if any(isinstance(one, ast.Starred) or _pauses(one) for one in given):
                return False
            return len(given) in fit
    return False


def _pauses(node: ast.AST) -> bool:
    """Whether other code may run before an expression has its value: no item would run by then."""
    return any(isinstance(one, ast.Yield | ast.YieldFrom | ast.Await) for one in ast.walk(node))


def _is_assigned(place: ast.AST, parents: dict[int, ast.AST]) -> bool:
    """Whether it is a target of a plain assignment."""
    around = parents.get(id(place))
    while isinstance(around, ast.Tuple | ast.List | ast.Starred):
        around = parents.get(id(around))
    return isinstance(around, ast.Assign) or (
        isinstance(around, ast.AnnAssign) and around.target is place
    )


def _leads_on(node: ast.AST, parents: dict[int, ast.AST]) -> bool:
    """Whether an attribute of this is read, or it is called, and nothing else."""
    around = parents.get(id(node))
    if isinstance(around, ast.Attribute):
        return around.value is node
    return isinstance(around, ast.Call) and around.func is node


def _takes_by_name(function: Any) -> bool:
    """Whether each argument of a function has a name in it, and it runs when it is called."""
    if not isinstance(function, types.FunctionType):
        return False
    odd = inspect.CO_VARARGS | inspect.CO_VARKEYWORDS | inspect.CO_GENERATOR
    odd |= inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR
    return is_own_code(function.__code__) and not function.__code__.co_flags & odd


def _can_be_compiled(tree: ast.AST, analysis: Analysis) -> bool:
    for function in analysis.entered.values():
        if function_node(function.__code__) is tree:
            return may_be_recompiled(tree, function.__code__)
    return False


def _parents(tree: ast.AST) -> dict[int, ast.AST]:
    return {id(part): one for one in ast.walk(tree) for part in ast.iter_child_nodes(one)}


def _alone(analysis: Analysis, memos: Memos, holders: dict[int, Any], roots: Iterable[Any]) -> None:
    """Raise a `Refusal` where something else that the loop uses leads to a memo."""
    names = [analysis.namespace[name] for name in analysis.reads if name in analysis.namespace]
    things = [*names, *analysis.captured.values(), *analysis.entered.values()]
    try:
        others = list(_cut([*things, *memos.found.values()], memos, holders))
        for found in aliases.generations([*others, *roots]):
            if not memos.found.keys().isdisjoint(found) or not holders.keys().isdisjoint(found):
                raise Refusal(memos.line, f"{memos.what}, which others lead to as well")
    except aliases.TooLarge:
        reason = f"{memos.what}, and there is too much to see what leads to it"
        raise Refusal(memos.line, reason) from None


def _cut(things: Iterable[Any], memos: Memos, holders: dict[int, Any]) -> Iterator[Any]:
    """Give what these lead to in other ways than those that were looked at."""
    todo, seen = list(things), set[int]()
    while todo:
        one = todo.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if memos.has(one):
            yield from one.values()
        elif isinstance(one, types.FunctionType) and is_own_code(one.__code__):
            todo += [part for part in _held(one) if not memos.has(part)]
        elif isinstance(one, types.MethodType):
            todo += [one.__self__, one.__func__]
        elif id(one) in holders and not isinstance(one, type):
            todo += [part for part in fields_of(one).values() if not memos.has(part)]
        elif not (isinstance(one, type) and is_own_class(one)):
            yield one


def _held(function: types.FunctionType) -> Iterator[Any]:
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # empty
            continue
    yield from function.__defaults__ or ()
    yield from (function.__kwdefaults__ or {}).values()
    yield from vars(function).values()
