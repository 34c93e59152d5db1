"""Split: the part of a loop's body that depends on the item alone, and the rest of it.

In ``for x in xs: r = slow(x); state = step(state, r)`` a value goes from one iteration to the
next, but not into ``slow(x)``.  What leads a body, and calls in what follows, are *moved*: they
are computed ahead, for many items at once, while the loop itself runs as it stands.
"""

from __future__ import annotations

import ast
import copy
import functools
from collections.abc import Container, Iterator
from dataclasses import dataclass
from typing import Any

from ..analysis.accumulators import Site
from ..analysis.bindings import inside, stored
from .consumers import EACH
from .evaluated_first import resolve
from .find import ItemLoop
from .folds import ITEM
from .own_items import by_key, changes_of_items, changes_one, reads_unchanged
from .standalone import costly_calls

AHEAD = "_nbexec_loop_ahead"  # the name of what gives the values; a step forgets it at its end
ROW = "_nbexec_loop_row"  # the entry at a key; a step forgets it at its end, too
CACHE: type = type(functools.lru_cache(len))
_SEEING = {"dir", "vars", "locals", "globals", "eval", "exec"}
_MOVED = (ast.Assign, ast.AugAssign, ast.Expr, ast.If, ast.For, ast.While, ast.Try)
_LATER = (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_OTHER = (*_LATER[:1], ast.GeneratorExp, ast.NamedExpr, ast.Await, ast.Yield, ast.YieldFrom)


@dataclass(frozen=True, eq=False)
class Split:
    """A loop in two parts.

    Attributes
    ----------
    whole : ItemLoop
        The loop, a ``for``.
    ahead : ItemLoop
        A loop over the same items whose body notes, in a tuple, what is computed ahead.
    leading : int
        How many statements lead its body and are computed ahead.
    names : tuple of str
        The names that these bind.
    calls : tuple of ast.Call
        Calls in the other statements that are computed ahead.
    uses : tuple of tuple of int
        For each of the calls, which of `names` it uses.
    caches : dict
        Those of the calls that are of a cache, by their positions, with the cache: workers
        call the function inside it, under the name that `inner` gives.
    changed_items : frozenset of str
        Names of the target whose entries or attributes the loop sets.
    by_keys : bool
        Whether some of the calls read other entries of them than those that are set.
    """

    whole: ItemLoop
    ahead: ItemLoop
    leading: int
    names: tuple[str, ...]
    calls: tuple[ast.Call, ...]
    uses: tuple[tuple[int, ...], ...]
    caches: dict[int, Any]
    changed_items: frozenset[str]
    by_keys: bool

    @property
    def moved(self) -> list[ast.AST]:
        """The statements and calls that are computed ahead."""
        return [*self.ahead.node.body[: self.leading], *self.calls]  # type: ignore[union-attr]

    @property
    def what(self) -> str:
        """What is computed ahead, for messages."""
        texts = [ast.unparse(one).replace(f"({EACH})", "") for one in self.moved]
        texts = [one.replace(f"({ITEM})", "") for one in texts]
        for at, row in reversed([*enumerate(self.whole.rows)]):
            texts = [one.replace(row_name(at), row) for one in texts]
        first = texts[0].splitlines()[0]
        first = first if len(first) <= 40 else f"{first[:39]}…"
        more = f" and {len(texts) - 1} more" if len(texts) > 1 else ""
        return f"`{first}`{more}"


def find_split(
    loop: ItemLoop,
    namespace: dict[str, Any],
    kept: Container[ast.AST] = (),
    told: tuple[type, ...] = (CACHE,),
) -> Split | None:
    """Give the parts of a loop, by the names that they use; None where nothing can be moved.

    Parameters
    ----------
    loop : ItemLoop
        The loop.
    namespace : dict
        The notebook's names.
    kept : collection of ast.AST
        Statements and calls that are not to be moved.
    told : tuple of type
        Types of what is called in any case, and told the value.

    Examples
    --------
    >>> from nbexec.cell.loops.find import find_loop
    >>> names = {}
    >>> exec("def slow(x): return x\\ndef step(s, x): return s + x\\ns = 0", names)
    >>> text = "for x in [1, 2]: s = step(s, slow(x))"
    >>> find_split(find_loop(ast.parse(text).body[0], names), names).what
    '`slow(x)`'
    """
    node = loop.node
    if not isinstance(node, ast.For) or loop.awaits or loop.defs or loop.bound & loop.targets:
        return None
    if _SEEING & _loaded(node):  # it would see the name that gives the values
        return None
    changed = loop.bound | loop.accumulators
    leading, bound = _leading(loop, changed, kept)
    finder = _Calls(namespace, loop.targets | bound, changed - bound, kept)
    changes = changes_of_items(loop)
    calls = [
        call
        for stmt in node.body[leading:]
        for call in finder.of(stmt)
        if reads_unchanged(call, stmt, loop, changes)
    ]
    by_keys = any(by_key(call, changes) for call in calls)
    slow = any(costly_calls(stmt, namespace) for stmt in node.body[:leading])
    if not slow and not any(bound & _loaded(call) for call in calls):
        leading, bound = 0, set()
    if not calls and not slow:
        return None
    names = tuple(sorted(bound))
    caches = {
        at: of for at, call in enumerate(calls) if (of := _cache(call, loop, namespace, told))
    }
    values: list[ast.expr] = [ast.Name(name, ast.Load()) for name in names]
    for at, call in enumerate(calls):
        values.append(_inside(call, at) if at in caches else call)
    noted = ast.Expr(ast.Call(ast.Name(AHEAD, ast.Load()), [ast.Tuple(values, ast.Load())], []))
    _place(noted, calls[0] if calls else node.body[leading - 1])
    body = [*node.body[:leading], noted]
    made = ast.copy_location(ast.For(node.target, node.iter, body, []), node)
    sites: dict[ast.stmt, Site] = {noted: Site(0, "ahead", AHEAD)}
    ahead = ItemLoop(made, made, "for loop", sites, changed, loop.targets)
    uses = tuple(tuple(at for at, one in enumerate(names) if one in _loaded(c)) for c in calls)
    moved = tuple(calls)
    return Split(loop, ahead, leading, names, moved, uses, caches, frozenset(changes), by_keys)


def row_name(at: int) -> str:
    """Give the name of the entry at a key, of one of several."""
    return f"{ROW}{at or ''}"


def inner(at: int) -> str:
    """Give the name of the function inside the cache that the call at a position is of."""
    return f"{AHEAD}_inner{at}"


def _inside(call: ast.Call, at: int) -> ast.Call:
    made = ast.Call(ast.Name(inner(at), ast.Load()), call.args, [])
    _place(made, call)
    return made


def _cache(
    call: ast.Call, loop: ItemLoop, namespace: dict[str, Any], told: tuple[type, ...]
) -> Any:
    """Give the cache of `functools` that a call with the item is of; None for any other call."""
    match call, loop.target:
        case ast.Call(func, [ast.Name(given)], []), ast.Name(target) if given == target:
            found = resolve(func, namespace)
            return found if type(found) in told else None
    return None


def _leading(
    loop: ItemLoop, changed: frozenset[str], kept: Container[ast.AST]
) -> tuple[int, set[str]]:
    """Give how many leading statements use nothing that others change, and what they bind."""
    body: list[ast.stmt] = loop.node.body  # type: ignore[union-attr]
    bound: set[str] = set()
    for at, stmt in enumerate(body):
        names = set(stored([stmt]))
        loaded = _loaded(stmt)
        later = set(stored(body[at + 1 :]))
        carried = loaded & names - bound if isinstance(stmt, ast.Assign | ast.AugAssign) else set()
        if (
            stmt in kept
            or not _can_move(stmt, loop, bound)
            or (loaded & changed) - bound - names
            or carried
            or names & (later | loop.accumulators)
        ):
            return at, bound
        bound |= names
    return 0, set()  # nothing would be left in order


def _can_move(stmt: ast.stmt, loop: ItemLoop, bound: set[str]) -> bool:
    if not isinstance(stmt, _MOVED) or any(one in loop.sites for one in inside([stmt])):
        return False
    if changes_one(stmt, loop.targets):
        return False
    if any(isinstance(part, ast.Break | ast.Continue | ast.Delete) for part in ast.walk(stmt)):
        return False
    if any(getattr(part, "name", None) for part in ast.walk(stmt)):  # `except ... as`, a `def`
        return False
    match stmt:
        case ast.Expr(ast.Call(ast.Attribute(ast.Name(name)))):
            return name in bound
        case ast.Expr():
            return False
    return True


class _Calls:
    """Finds the calls in a statement that use nothing that the loop changes."""

    def __init__(
        self,
        namespace: dict[str, Any],
        own: frozenset[str] | set[str],
        changed: frozenset[str],
        kept: Container[ast.AST],
    ) -> None:
        self._namespace = namespace
        self._own = own
        self._changed = changed
        self._kept = kept

    def of(self, node: ast.AST) -> Iterator[ast.Call]:
        """Give the outermost ones that an iteration evaluates at most once."""
        if isinstance(node, ast.Call) and self._can_move(node):
            yield node
            return
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Delete):
            return
        parts: list[ast.AST] = [*ast.iter_child_nodes(node)]
        if isinstance(node, ast.While | ast.AsyncFor | ast.Lambda):
            parts = []
        elif isinstance(node, ast.For):
            parts = [node.iter]
        elif isinstance(node, _LATER):
            parts = [node.generators[0].iter]  # type: ignore[union-attr]
        elif isinstance(node, ast.With | ast.AsyncWith):
            parts = [*node.body]
        elif isinstance(node, ast.Match):
            parts = [node.subject, *(stmt for case in node.cases for stmt in case.body)]
        elif isinstance(node, ast.Try | ast.TryStar):
            parts = [*node.body, *node.orelse, *node.finalbody]
        for part in parts:
            yield from self.of(part)

    def _can_move(self, call: ast.Call) -> bool:
        if call in self._kept or any(isinstance(part, _OTHER) for part in ast.walk(call)):
            return False
        loaded = _loaded(call)
        if loaded & self._changed or not loaded & self._own:
            return False
        return costly_calls(call, self._namespace)


def _loaded(node: ast.AST) -> set[str]:
    """Give the names that a part of the source may read, those of `x += 1` among them."""
    found = {
        part.id
        for part in ast.walk(node)
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load)
    }
    for part in ast.walk(node):
        if isinstance(part, ast.AugAssign) and isinstance(part.target, ast.Name):
            found.add(part.target.id)
    return found


def _place(made: ast.AST, node: ast.AST) -> None:
    """Give the new parts of a tree the position of `node`."""
    for part in ast.walk(made):
        if isinstance(part, ast.expr | ast.stmt) and not hasattr(part, "lineno"):
            ast.copy_location(part, node)


def in_order(split: Split) -> ast.For:
    """Give the loop as it stands, without its `else`, but for what takes values from `AHEAD`.

    Where that has none for an item, or the time of the part is to be told, the part itself runs.
    """
    node = split.whole.node
    memo: dict[int, Any] = {}
    made: ast.For = copy.deepcopy(node, memo)  # type: ignore[assignment]
    calls = {id(memo[id(call)]): at for at, call in enumerate(split.calls, 1)}
    _Taking(calls, {at + 1 for at in split.caches}).visit(made)
    leading = made.body[: split.leading]
    if leading:
        names = ast.Tuple([ast.Name(one, ast.Store()) for one in split.names], ast.Store())
        taken = ast.Assign([names], _asked("names", 0))
        ended = ast.Expr(_asked("ended", 0, ast.Constant(None)))
        either = ast.If(_asked("has", 0), [taken], [*leading, ended])
        _place(either, leading[0])
        made.body[: split.leading] = [either]
    made.orelse = []
    return made


class _Taking(ast.NodeTransformer):
    def __init__(self, calls: dict[int, int], caches: set[int]) -> None:
        self._calls = calls
        self._caches = caches

    def visit_Call(self, node: ast.Call) -> ast.expr:
        at = self._calls.get(id(node))
        if at is None:
            return self.generic_visit(node)  # type: ignore[return-value]
        ended = _asked("ended", at, node)
        if at in self._caches:  # it is called in any case
            both = ast.Tuple([_asked("has", at), ended], ast.Load())
            made: ast.expr = ast.Subscript(both, ast.Constant(1), ast.Load())
        else:
            made = ast.IfExp(_asked("has", at), _asked("value", at), ended)
        _place(made, node)
        return made


def _asked(method: str, at: int, *more: ast.expr) -> ast.Call:
    function = ast.Attribute(ast.Name(AHEAD, ast.Load()), method, ast.Load())
    return ast.Call(function, [ast.Constant(at), *more], [])
