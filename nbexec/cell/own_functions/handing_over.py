"""HandingOver: a source whose loops take their items from a `FunctionLoop`.

A ``for`` loop becomes

    while True:
        for x in loop: ...
        else:
            if loop.more():
                x = loop.values["x"]         # what workers did
                if loop.again: continue      # over what they could not do
            ...                              # its own `else`
        break
    del loop

and a comprehension the value of ``loop``, to which it is added once or twice.  Both run
natively, in the function's own frame, with its own lines.
"""

from __future__ import annotations

import ast
import copy
import types
from collections import ChainMap
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ...system.parsing import tree_of
from ..analysis import bindings
from ..analysis.library_calls import names_of
from ..callbacks.known_methods import calls_back
from ..loops.consumers import CONSUMERS, Consumed, consumed
from ..loops.displays import as_in_loop
from ..loops.rewrite import replaced
from ..pools.constructors import makes_pool
from .loop_site import LoopSite

LOOP = "_nbexec_loop"
_LOOPS = (ast.For, ast.ListComp, ast.SetComp, ast.DictComp)
SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
# Names under which a generator is consumed to its end; they are looked up when it is.
_CONSUMERS = {name.rpartition(".")[2] for name in CONSUMERS}
_CHEAP = {
    *("len", "abs", "min", "max", "int", "str", "float", "bool", "ord", "chr", "isinstance"),
    *("range", "enumerate", "zip", "list", "tuple", "set", "dict", "round", "divmod", "print"),
}


class HandingOver(ast.NodeTransformer):
    """Replaces the loops of a function's body, the outermost and those inside them.

    Parameters
    ----------
    named : tuple
        The function's name, its qualified name, file and flags.
    shared : set of str
        Names that other functions see.
    entering : callable
        Gives what has the method that is called with a loop's iterable when it begins.
    scope : dict
        Names, as far as they are known; None for a local one.

    Attributes
    ----------
    inside : int
        Loops around the node.
    sets : list of frozenset
        Those among the constants of the code as it was.
    found : list of LoopSite
        The loops.
    """

    def __init__(
        self,
        named: tuple[str, str, str, int],
        shared: set[str],
        entering: Callable[[LoopSite], ast.expr],
        scope: Mapping[str, Any],
    ) -> None:
        self._scope = scope
        self._named = named
        self._shared = shared
        self._entering = entering
        self.inside = 0
        self.sets: list[frozenset[Any]] = []
        self.found: list[LoopSite] = []

    def block(self, body: list[ast.stmt]) -> list[ast.stmt]:
        """Instrument statements."""
        made: list[ast.stmt] = []
        for stmt in body:
            new = self.visit(stmt)
            made += new if isinstance(new, list) else [new]
        return made

    def visit(self, node: ast.AST) -> Any:
        if isinstance(node, SCOPES):
            return node
        return super().visit(node)

    # ------------------------------------------------------------ for loops

    def visit_For(self, node: ast.For) -> Any:
        fit = self._fit(node)
        original = copy.deepcopy(node) if fit else node
        self.inside += 1
        self.generic_visit(node)
        self.inside -= 1
        if not fit:
            return node
        names = sorted(set(bindings.stored([original.target, *original.body])))
        original.orelse = []
        _Breaking().visit(original)
        handle, enter = self._entered(original, node.iter)
        more = ast.Call(ast.Attribute(_load(handle), "more", ast.Load()), [], [])
        values = f"{handle}.values"
        assign = [
            _parsed(f"if {name!r} in {values}: {name} = {values}[{name!r}]") for name in names
        ]
        again = ast.If(_attribute(handle, "again"), [ast.Continue()], [])
        taken = ast.If(more, [*assign, again], [])
        inner = ast.For(node.target, _load(handle), node.body, [taken, *node.orelse])
        whole = ast.While(ast.Constant(True), [inner, ast.Break()], [])
        begin = ast.Assign([ast.Name(handle, ast.Store())], enter)
        for one in (begin, taken, whole):
            _placed(one, node)
        ast.copy_location(inner, node)
        inner.iter = ast.copy_location(inner.iter, node.iter)
        # No `= None`: CPython 3.11 does a store and the load after it in one, and an error of the
        # load, of a name that isn't bound yet, would be told of our line.
        return [begin, whole, _placed(_parsed(f"del {handle}"), node)]

    def _fit(self, node: ast.For) -> bool:
        """Whether what workers do can be put into the function's frame."""
        if _leaves_outer(node.orelse):
            return False
        names = set(bindings.stored([node.target, *node.body]))
        if names & self._shared or any(name.startswith("__") for name in names):
            return False
        refused = (*SCOPES[:3], ast.Delete, ast.Yield, ast.YieldFrom, ast.Await)
        parts = [part for one in (node.target, *node.body) for part in ast.walk(one)]
        if any(isinstance(part, refused) or _private(part) for part in parts):
            return False
        inner = [part for part in parts if isinstance(part, ast.For | ast.While)]
        returning = any(isinstance(part, ast.Return) for one in inner for part in ast.walk(one))
        return not returning and self._worth(node)

    # ------------------------------------------------------------ comprehensions

    def _comprehension(self, node: Any) -> Any:
        if node.generators[0].is_async or self._binding(node) or not self._worth(node):
            return self.generic_visit(node)
        handle, enter = self._entered(copy.deepcopy(node), node.generators[0].iter)
        first, again = self._over(node, handle), self._over(copy.deepcopy(node), handle)
        if isinstance(again, ast.SetComp):  # its elements are added in their order, not a set's
            again = ast.copy_location(ast.ListComp(again.elt, again.generators), again)
        add = ast.Attribute(_load(handle), "add", ast.Load())
        added: list[ast.expr] = [ast.Call(add, [one], []) for one in (first, again)]
        begin = ast.NamedExpr(ast.Name(handle, ast.Store()), enter)
        take = ast.Call(_attribute(handle, "take"), [], [])
        whole = ast.Tuple([begin, ast.BoolOp(ast.Or(), added), take])
        whole.ctx = ast.Load()
        return _placed(ast.Subscript(whole, ast.Constant(-1), ast.Load()), node, but=(first, again))

    visit_ListComp = visit_SetComp = visit_DictComp = _comprehension

    def visit_GeneratorExp(self, node: ast.GeneratorExp) -> Any:
        return node  # nobody knows when its items are asked for

    def visit_Call(self, node: ast.Call) -> Any:
        made = self._consumer(node)
        if made is not None:
            return made
        inner = node.args[0] if len(node.args) == 1 and not node.keywords else None
        if not (isinstance(inner, ast.GeneratorExp) and _consumes(node.func, self._scope)):
            self.generic_visit(node)
            known = calls_back(node, self._scope) or makes_pool(node, self._scope)
            return self._calling_back(node) if known else node
        if inner.generators[0].is_async or self._binding(inner) or not self._worth(inner):
            return node
        node.args = [self._chained(node, inner, inner.generators[0].iter)]
        return node

    def _calling_back(self, node: ast.Call) -> Any:
        """Give ``(handle := call(f, x)).end(handle.callee(*handle.args))`` for ``f(x)``."""
        handle, site = self._at(copy.deepcopy(node))
        call = ast.Call(ast.Attribute(site, "call", ast.Load()), [node.func, *node.args], [])
        call.keywords = node.keywords
        begin = ast.NamedExpr(ast.Name(handle, ast.Store()), call)
        # The traceback of a call in a chain has the line of the method's name.
        callee = ast.copy_location(_attribute(handle, "callee"), node.func)
        starred: list[ast.expr] = [ast.Starred(_attribute(handle, "args"), ast.Load())]
        called = ast.Call(callee, starred, [ast.keyword(None, _attribute(handle, "kwargs"))])
        end = ast.Attribute(begin, "end", ast.Load())
        return _placed(ast.Call(end, [called], []), node)

    def _consumer(self, node: ast.expr) -> ast.expr | None:
        """Instrument what consumes a generator, a `map` or a `key=`; None where it isn't known."""
        found = consumed(node, self._as_known(node))
        if found is not None and found.folds is not None:  # its calls go in their order
            found = None
        if found is None or found.sources or isinstance(found.place, ast.GeneratorExp):
            return None if found is None or found.sources else self._of_generator(node, found)
        function: Any = found.place if found.key else getattr(found.place, "args", [None])[0]
        inside = function.body if isinstance(function, ast.Lambda) else function
        items = found.node.generators[0].iter
        if self._binding(inside) or self._binding(items) or not self._worth(found.node):
            return None
        if not found.key:
            return self._in_place(node, found.place, items)
        handle, enter = self._entered(copy.deepcopy(node), items, False, found.key)
        begin: ast.expr = ast.NamedExpr(ast.Name(handle, ast.Store()), enter)
        listed = found.key == "list.sort"
        owner = begin if listed else _load(handle)
        key = ast.Call(ast.Attribute(owner, "replayed", ast.Load()), [function], [])
        pairs = [(function, _placed(key, function, but=(function,)))]
        if not listed:
            pairs.append((items, _placed(ast.Attribute(begin, "items", ast.Load()), items)))
        made: ast.expr = replaced(node, *pairs)
        return made

    def _of_generator(self, node: ast.expr, found: Consumed) -> ast.expr | None:
        inner: Any = found.place
        if inner.generators[0].is_async or self._binding(inner) or not self._worth(inner):
            return None
        return self._in_place(node, inner, inner.generators[0].iter)

    def _in_place(self, node: ast.expr, place: Any, items: ast.expr) -> ast.expr:
        made: ast.expr = replaced(node, (place, self._chained(node, place, items)))
        return made

    def _chained(self, node: ast.expr, place: Any, items: ast.expr) -> ast.expr:
        """Give what stands for a generator or a `map`: its elements come from a handle."""
        argument = not isinstance(place, ast.GeneratorExp)
        whole: Any = ast.List([node], ast.Load()) if isinstance(node, ast.Starred) else node
        handle, enter = self._entered(_placed(copy.deepcopy(whole), node), items, not argument)
        name = ast.copy_location(_load(handle), items)
        over = [replaced(place, (items, name)) for _ in range(2)]
        begin = ast.NamedExpr(ast.Name(handle, ast.Store()), enter)
        chained = ast.Call(ast.Attribute(begin, "chain", ast.Load()), over, [])
        placed: ast.expr = _placed(chained, place, but=tuple(over))
        return placed

    def visit_Starred(self, node: ast.Starred) -> Any:
        return self._consumer(node) or self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> Any:
        return self._consumer(node) or self.generic_visit(node)

    def _as_known(self, node: ast.expr) -> Mapping[str, Any]:
        """Give the names that are known; a local one that is sorted may be a list."""
        match node:
            case ast.Call(ast.Attribute(ast.Name(name), "sort"), []) if (
                self._scope.get(name) is None
            ):
                return ChainMap({name: []}, self._scope)  # type: ignore[arg-type]
        return self._scope

    def _worth(self, node: ast.AST) -> bool:
        """Whether an iteration may take a while: it calls something, or has a loop of its own."""
        own = [part for part in ast.walk(node) if part is not node]
        calls = (part for part in own if isinstance(part, ast.Call))
        if any(not (isinstance(one.func, ast.Name) and one.func.id in _CHEAP) for one in calls):
            return True
        return not self.inside and any(isinstance(part, (ast.While, *_LOOPS)) for part in own)

    def _binding(self, node: Any) -> bool:
        """Whether it binds names, or has private ones."""
        return any(
            isinstance(part, ast.NamedExpr | ast.Lambda | ast.Yield | ast.YieldFrom | ast.Await)
            or _private(part)
            for part in ast.walk(node)
        )

    def _over(self, node: Any, handle: str) -> Any:
        node.generators[0].iter = ast.copy_location(_load(handle), node.generators[0].iter)
        return node

    def _entered(
        self, node: Any, source: ast.expr, in_loop: bool = True, key: str = ""
    ) -> tuple[str, ast.Call]:
        handle, site = self._at(node, key)
        given = as_in_loop(source, self.sets) if in_loop else self.visit(copy.deepcopy(source))
        return handle, ast.Call(ast.Attribute(site, "enter", ast.Load()), [given], [])

    def _at(self, node: Any, key: str = "") -> tuple[str, ast.expr]:
        """Give the name for what a loop takes its items from, and what gives it."""
        site = LoopSite(node, *self._named, key=key)
        self.found.append(site)
        return f"{LOOP}{len(self.found)}", self._entering(site)


class _Breaking(ast.NodeTransformer):
    """Has a `return` end the loop: the item that comes to it is done by the function itself."""

    def visit_Return(self, node: ast.Return) -> ast.stmt:
        return ast.copy_location(ast.Break(), node)


def _leaves_outer(body: list[ast.stmt]) -> bool:
    """Whether a `break` or `continue` among statements is that of a loop around them."""
    todo: list[ast.AST] = [*body]
    while todo:
        part = todo.pop()
        if isinstance(part, ast.Break | ast.Continue):
            return True
        if isinstance(part, ast.For | ast.AsyncFor | ast.While):
            todo += part.orelse
        elif not isinstance(part, SCOPES):
            todo += ast.iter_child_nodes(part)
    return False


def _load(name: str) -> ast.Name:
    return ast.Name(name, ast.Load())


def _attribute(handle: str, name: str) -> ast.Attribute:
    return ast.Attribute(_load(handle), name, ast.Load())


def _private(part: ast.AST) -> bool:
    """Whether it is a name that a class mangles, or that of the class."""
    name = getattr(part, "attr", getattr(part, "id", ""))
    if not isinstance(name, str):
        return False
    return (name.startswith("__") and not name.endswith("__")) or name in ("super", "__class__")


def _consumes(node: ast.expr, scope: Mapping[str, Any]) -> bool:
    match node:
        case ast.Name(name) if isinstance(scope.get(name, sum), types.FunctionType | None):
            return False  # the user's own of that name, or a local one
        case ast.Name(name) | ast.Attribute(_, name):
            return name in _CONSUMERS or name == "join"
    return False


def looked_up(code: types.CodeType, scope: Mapping[str, Any]) -> frozenset[Any]:
    """Give what is looked at of a function's globals: what kinds of things its names stand for.

    Examples
    --------
    >>> before = looked_up(looked_up.__code__, {})
    >>> looked_up(looked_up.__code__, {"map": max, "other": 1}) == before
    True
    >>> looked_up(looked_up.__code__, {"frozenset": looked_up}) == before
    False
    """
    names = {name for one in _codes(code) for name in one.co_names}
    return frozenset((name, _kind(scope[name])) for name in names if name in scope)


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _codes(constant)


def _kind(thing: Any) -> Any:
    kind = type(thing)
    if issubclass(kind, types.FunctionType | types.BuiltinFunctionType | type):
        return names_of(thing)[0], kind
    return (thing.__name__, kind) if kind is types.ModuleType else kind


def _parsed(text: str) -> ast.stmt:
    """Give a statement that has no position."""
    made: ast.stmt = tree_of(text).body[0]
    for part in ast.walk(made):
        for name in ("lineno", "col_offset", "end_lineno", "end_col_offset"):
            vars(part).pop(name, None)
    return made


def _placed(made: Any, node: Any, but: tuple[Any, ...] = ()) -> Any:
    """Give all new parts of a tree the position of the loop that it stands for."""
    for part in ast.iter_child_nodes(made):
        if part not in but and not hasattr(part, "lineno"):
            _placed(part, node, but)
    if hasattr(made, "_attributes") and "lineno" in made._attributes:
        ast.copy_location(made, node)
    return made
