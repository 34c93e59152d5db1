"""Rewriting of a loop's body into a function of one item.

The function keeps the cell's file name and line numbers, and its frame is called
``<module>``, so that a traceback reads as if the cell itself had run.
"""

from __future__ import annotations

import ast
import copy
import sys
import types
from typing import Any

from ...system.parsing import tree_of
from ...system.silence import silently
from ..analysis.accumulators import Site, operands
from ..iteration.block import BlockBody
from ..iteration.columns import Column
from ..iteration.effect_log import Log
from .block_columns import columns_of, recorded
from .consumers import EACH
from .find import ItemLoop
from .places import Places

ITEM, LOG, LOCALS, HIDDEN = "_nbexec_item", "_nbexec_log", "_nbexec_locals", "_nbexec_items"
COLUMN = "_nbexec_column_"
_RETURN = f"return {LOCALS}()"
_KINDS: dict[type, str] = {ast.SetComp: "distinct", ast.DictComp: "pairs"}
_FRAMES: dict[type, str] = {  # what tracebacks call those that a list stands for
    ast.GeneratorExp: "<genexpr>",
    ast.SetComp: "<setcomp>",
    ast.DictComp: "<dictcomp>",
}


def body_function(
    loop: ItemLoop,
    namespace: dict[str, Any],
    filename: str,
    flags: int,
    inputs: tuple[str, ...] = (),
    places: Places | None = None,
) -> types.FunctionType:
    """Give ``function(item, log, locals)``, which returns the names that the body bound.

    It is a coroutine function where the body awaits.

    Parameters
    ----------
    loop : ItemLoop
        The loop.
    namespace : dict
        The function's globals.
    filename : str
        The cell's file name in tracebacks.
    flags : int
        Compiler flags: the cell's ``from __future__`` imports.
    inputs : tuple of str
        Names that the body reads before it binds them: it gets their current values.
    places : Places or None
        What is to be read from elsewhere than from a name.
    """
    node = loop.node
    body = _of_for(loop, None) if isinstance(node, ast.For) else _of_comprehension(loop)
    code = _compiled(loop, body, (ITEM, LOG, LOCALS, *inputs), filename, flags, places)
    made = types.FunctionType(code, namespace, "body")
    made.__defaults__ = tuple(namespace[name] for name in inputs) or None
    made.__module__ = "__main__"  # cloudpickle sends it by value then
    return made


def runs_in_blocks(loop: ItemLoop) -> bool:
    """Whether several items can be run in one call; see `block_body`."""
    binds = bool(loop.bound) and not isinstance(loop.node, ast.For)
    return not (loop.awaits or loop.defs or binds)


def block_body(
    loop: ItemLoop,
    namespace: dict[str, Any],
    filename: str,
    flags: int,
    places: Places | None = None,
) -> BlockBody | None:
    """Give the body as a function of several items, a loop itself; None where it can't be one.

    Parameters
    ----------
    loop, namespace, filename, flags, places
        As for `body_function`.
    """
    if not runs_in_blocks(loop):
        return None
    columns: dict[int, tuple[str, Column]] = {}
    if isinstance(loop.node, ast.For):
        chosen = columns_of(loop, namespace)
        columns = {one.site: (f"{COLUMN}{at}", one) for at, one in enumerate(chosen)}
        body = _of_for(loop, columns)
    else:
        chosen = [Column(_KINDS.get(type(loop.node), "elements"), 0)]
        body = _of_comprehension_in_block(loop)
    parameters = (ITEM, LOG, LOCALS, *(f"{COLUMN}{at}" for at in range(len(chosen))))
    code = _compiled(loop, body, parameters, filename, flags, places)
    made = types.FunctionType(code, namespace, "body")
    made.__module__ = "__main__"
    return BlockBody(made, tuple(chosen))


def _compiled(
    loop: ItemLoop,
    body: ast.stmt,
    names: tuple[str, ...],
    filename: str,
    flags: int,
    places: Places | None,
) -> types.CodeType:
    """Compile a function with parameters `names`, as if it were code of the cell itself."""
    parameters = ", ".join(names)
    kind = "async def" if loop.awaits else "def"
    function: Any = tree_of(f"{kind} body({parameters}): {_RETURN}").body[0]
    function.body = [body, *function.body]
    if isinstance(body, ast.For):  # what comes after its `else` is there for a `break`
        body.orelse = tree_of(_RETURN).body
        function.body = [body, *tree_of(f"{LOG}.leave()\n{_RETURN}").body]
    ast.copy_location(function, loop.stmt)
    function.lineno = 1  # as the cell's own code has it: IPython numbers its lines from there
    if places is not None:
        places.put(function)
    module = ast.fix_missing_locations(ast.Module([function], type_ignores=[]))
    with silently():
        compiled = compile(module, filename, "exec", flags=flags, dont_inherit=True)
    code = next(one for one in compiled.co_consts if isinstance(one, types.CodeType))
    if loop.place is loop.node and type(loop.node) in _FRAMES:
        code = _as_frames_of(loop.node, code)
    if places is not None:
        code = places.filled(code)
    return _unnested(code).replace(co_name="<module>", co_qualname="<module>")


def _unnested(code: types.CodeType) -> types.CodeType:
    """Give nested functions the qualified names that they would have outside ours."""
    inner = [_unnested(one) if isinstance(one, types.CodeType) else one for one in code.co_consts]
    name = code.co_qualname.removeprefix("body.<locals>.")
    return code.replace(co_consts=tuple(inner), co_qualname=name)


def _as_frames_of(node: ast.AST, code: types.CodeType) -> types.CodeType:
    """Call what stands for a comprehension as tracebacks do: a list, since 3.12 in a function."""
    name = _FRAMES[type(node)]
    stand_ins = ("<listcomp>", "<lambda>") if name == "<genexpr>" else ("<listcomp>",)
    inner = [
        one.replace(co_name=name, co_qualname=f"body.<locals>.{name}")
        if isinstance(one, types.CodeType) and one.co_name in stand_ins
        else one
        for one in code.co_consts
    ]
    return code.replace(co_consts=tuple(inner))


def _of_for(loop: ItemLoop, columns: dict[int, tuple[str, Column]] | None) -> ast.stmt:
    """Give one round of the loop, in which ``continue`` keeps its meaning.

    With `columns`, by their sites and with the names of their parameters, it is the loop itself.
    """
    node = loop.node
    assert isinstance(node, ast.For)
    copied, sites = _copy_with(node, loop.sites)
    copied.iter = _once(node.iter) if columns is None else _named(ITEM, node.iter)
    copied.orelse = []
    _Rewriter(sites, columns or {}).visit(copied)
    return copied


def _named(name: str, place: ast.expr) -> ast.expr:
    return ast.copy_location(ast.Name(name, ast.Load()), place)


def _copy_with(node: ast.For, sites: dict[ast.stmt, Site]) -> tuple[ast.For, dict[int, Site]]:
    memo: dict[int, Any] = {}
    copied: ast.For = copy.deepcopy(node, memo)
    return copied, {id(memo[id(stmt)]): site for stmt, site in sites.items()}


def _once(node: ast.expr) -> ast.expr:
    return ast.copy_location(ast.Tuple([ast.Name(ITEM, ast.Load())], ast.Load()), node)


class _Rewriter(ast.NodeTransformer):
    """Replaces accumulations by calls of the effect log, or by those on columns."""

    def __init__(self, sites: dict[int, Site], columns: dict[int, tuple[str, Column]]) -> None:
        self._sites = sites
        self._columns = columns

    def visit(self, node: ast.AST) -> Any:
        site = self._sites.get(id(node))
        if site is not None and site.index in self._columns:
            name, column = self._columns[site.index]
            return recorded(node, column.kind, name)
        if site is not None:
            return _noted(node, site)
        if isinstance(node, ast.FunctionDef):
            return [node, _reported("define", [node.name], node)]
        if isinstance(node, ast.Delete):
            names = [one.id for one in node.targets if isinstance(one, ast.Name)]
            return [node, _reported("forget", names, node)]
        return self.generic_visit(node)


def _noted(stmt: Any, site: Site) -> ast.stmt:
    args, keywords, place = operands(stmt)
    if site.kind in ("count", "grow", "grow_many", "grow_add"):  # looked up before
        args = [_note("at", site.index, args[:1], [], place), *args[1:]]
    return ast.copy_location(ast.Expr(_note(site.kind, site.index, args, keywords, place)), stmt)


def _reported(method: str, names: list[str], node: ast.AST) -> ast.stmt:
    """Give a statement that reports names to the log, at the position of another statement."""
    given = ", ".join(map(repr, names))
    made: ast.stmt = tree_of(f"{LOG}.{method}({given})").body[0]
    for part in ast.walk(made):
        ast.copy_location(part, node)
    return made


def _note(
    kind: str, index: int, args: list[Any], keywords: list[ast.keyword], place: Any
) -> ast.expr:
    assert hasattr(Log, kind)
    method = ast.Attribute(ast.Name(LOG, ast.Load()), kind, ast.Load())
    call = ast.Call(method, [ast.Constant(index), *args], keywords)
    for node in (call, method, method.value, call.args[0]):
        ast.copy_location(node, place)
    return call


def _of_comprehension(loop: ItemLoop) -> ast.stmt:
    """Give the comprehension over one item alone; its elements go to the log."""
    node: Any = copy.deepcopy(loop.node)
    kind = _KINDS.get(type(loop.node), "elements")
    generator = node.generators[0]
    if loop.place is loop.node or loop.place is None:
        generator.iter = _once(loop.iter)
        listed: ast.expr = ast.ListComp(_element(node), node.generators)
        if _without_frame(loop):
            none = ast.arguments([], [], None, [], [], None, [])
            listed = ast.Call(ast.Lambda(none, ast.copy_location(listed, node)), [], [])
            ast.copy_location(listed.func, node)
    else:  # a `map` or a `filter`, which are no frames of a traceback
        _Renamed(EACH, ITEM).visit(node)
        listed = ast.List([node.elt], ast.Load())
        for test in generator.ifs:
            listed = ast.IfExp(test, listed, ast.List([], ast.Load()))
    ast.copy_location(listed, node)
    return ast.copy_location(ast.Expr(_note(kind, 0, [listed], [], node)), loop.stmt)


def _without_frame(loop: ItemLoop) -> bool:
    """Whether a list in place of a generator would lack its frame: since 3.12 it has none."""
    generator = isinstance(loop.node, ast.GeneratorExp)
    return generator and sys.version_info >= (3, 12) and not (loop.bound or loop.awaits)


def _of_comprehension_in_block(loop: ItemLoop) -> ast.stmt:
    """Give the comprehension over all items; its elements go to a column."""
    node: Any = copy.deepcopy(loop.node)
    node.generators[0].iter = _named(ITEM, loop.iter)
    if not isinstance(node, ast.DictComp):
        node = ast.copy_location(ast.ListComp(node.elt, node.generators), node)
    call = ast.Call(_named(f"{COLUMN}0", node), [node], [])
    return ast.copy_location(ast.Expr(ast.copy_location(call, node)), loop.stmt)


class _Renamed(ast.NodeTransformer):
    def __init__(self, old: str, new: str) -> None:
        self._old, self._new = old, new

    def visit_Name(self, node: ast.Name) -> ast.Name:
        if node.id == self._old:
            node.id = self._new
        return node


def _element(node: Any) -> ast.expr:
    """Give the element expression of a comprehension: a pair, for a dict."""
    if isinstance(node, ast.DictComp):
        return ast.copy_location(ast.Tuple([node.key, node.value], ast.Load()), node.value)
    element: ast.expr = node.elt
    return element


def _alone(node: Any) -> ast.expr:
    """Give a display of one element of a comprehension."""
    made: ast.expr
    if isinstance(node, ast.DictComp):
        made = ast.Dict([node.key], [node.value])
    else:
        made = (ast.Set if isinstance(node, ast.SetComp) else ast.List)([node.elt])
    if isinstance(made, ast.List):
        made.ctx = ast.Load()
    return ast.copy_location(made, node)


def with_hidden(loop: ItemLoop, whole: bool) -> ast.stmt:
    """Give the statement with its iterable replaced by the name `HIDDEN`.

    Parameters
    ----------
    loop : ItemLoop
        The loop.
    whole : bool
        Whether the name stands for the whole result of a comprehension, not for its items.
    """
    name: ast.expr = ast.Name(HIDDEN, ast.Load())
    items = loop.iter if loop.mapped is None else loop.stmt.iter  # type: ignore[attr-defined]
    pairs: list[tuple[Any, ast.expr]] = [(loop.place if whole else items, name)]
    if whole and loop.key:
        pairs = [(loop.place, ast.Attribute(name, "key", ast.Load()))]
        if loop.key != "list.sort":
            again = ast.Name(HIDDEN, ast.Load())
            pairs.append((loop.iter, ast.Attribute(again, "items", ast.Load())))
    for old, new in pairs:
        for part in ast.walk(new):
            if isinstance(part, ast.expr):
                ast.copy_location(part, old)
    return replaced(loop.stmt, *pairs)  # type: ignore[no-any-return]


class _Put(ast.NodeTransformer):
    """Replaces an expression by another."""

    def __init__(self, old: ast.expr, new: ast.expr) -> None:
        self._old, self._new = old, new

    def visit(self, node: ast.AST) -> Any:
        return self._new if node is self._old else self.generic_visit(node)


def replaced(node: Any, *pairs: tuple[ast.expr, ast.expr]) -> Any:
    """Give a copy of a tree in which parts are replaced, given as pairs of old and new."""
    memo: dict[int, Any] = {}
    made = copy.deepcopy(node, memo)
    for old, new in pairs:
        made = _Put(memo[id(old)], new).visit(made)
    return made


def rest_of(loop: ItemLoop) -> ast.Expression:
    """Give an expression for the elements of a comprehension over the items in `HIDDEN`.

    It is a generator expression; or, where it awaits, a list in which each element stands
    alone in a container of its kind, so that one that can't be in it raises in its turn.
    """
    node: Any = copy.deepcopy(loop.node)
    node.generators[0].iter = ast.copy_location(ast.Name(HIDDEN, ast.Load()), loop.iter)
    if loop.awaits:
        made: ast.expr = ast.ListComp(_alone(node), node.generators)
    else:
        made = ast.GeneratorExp(_element(node), node.generators)
    ast.copy_location(made, node)
    return ast.fix_missing_locations(ast.Expression(made))


def over_hidden(loop: ItemLoop) -> ast.expr:
    """Give the comprehension of a loop, or its `map`, as it stands, over the items in `HIDDEN`."""
    name = ast.copy_location(ast.Name(HIDDEN, ast.Load()), loop.iter)
    made: ast.expr = replaced(loop.place, (loop.iter, name))
    return made


def over_parts(loop: ItemLoop, parts: tuple[ast.expr, ...]) -> ast.expr:
    """Give the `map` of a loop over several iterables, which are those in the list `HIDDEN`."""
    pairs = []
    for at, part in enumerate(parts):
        made = ast.Subscript(ast.Name(HIDDEN, ast.Load()), ast.Constant(at), ast.Load())
        for one in (made, made.value, made.slice):
            ast.copy_location(one, part)
        pairs.append((part, made))
    whole: ast.expr = replaced(loop.place, *pairs)
    return whole


def assignment(loop: ItemLoop) -> ast.stmt:
    """Give the statement that binds the loop's target to `HIDDEN`."""
    name = ast.copy_location(ast.Name(HIDDEN, ast.Load()), loop.iter)
    made = ast.Assign([copy.deepcopy(loop.target)], name)
    return ast.fix_missing_locations(ast.copy_location(made, loop.stmt))
