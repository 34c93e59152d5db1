"""ItemLoop: a loop over items, found in a ``for``, a comprehension, ``sum(... for ...)``."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ..analysis import accumulators, bindings
from ..analysis.accumulators import Site
from ..analysis.analysis import Refusal
from ..analysis.library_calls import names_of
from .evaluated_first import awaits, evaluated, first_of, resolve, there

Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp

# Functions that consume a generator expression to its end; some, as `any`, may stop early.
CONSUMERS = {
    *("builtins.sum", "builtins.min", "builtins.max", "builtins.any", "builtins.all"),
    *("builtins.sorted", "builtins.list", "builtins.tuple", "builtins.set", "builtins.dict"),
    *("builtins.frozenset", "collections.Counter", "collections.OrderedDict"),
    *("collections.deque", "math.fsum", "math.prod", "statistics.fmean", "statistics.mean"),
    *("statistics.median", "statistics.stdev", "statistics.variance"),
}
STOPPERS = {"builtins.any", "builtins.all"}
KINDS = {
    ast.ListComp: "list comprehension",
    ast.SetComp: "set comprehension",
    ast.DictComp: "dict comprehension",
}


@dataclass(frozen=True, eq=False)
class ItemLoop:
    """A statement that contains a loop over items.

    Attributes
    ----------
    stmt : ast.stmt
        The whole statement.
    node : ast.For or a comprehension
        The part of it that iterates.
    what : str
        Its kind, for messages: "for loop", "`sum` over a generator".
    sites : dict
        The statements of its body with effects outside it.
    bound : frozenset of str
        Names that its body binds, without those of the target.
    targets : frozenset of str
        Names that the items are bound to.
    place : ast.expr or None
        The expression that it is, or stands for; None for a statement.
    consumer : ast.Call or None
        The call that a generator expression is the argument of.
    stops : bool
        Whether the consumer may stop before the last item.
    """

    stmt: ast.stmt
    node: ast.For | Comprehension
    what: str
    sites: dict[ast.stmt, Site] = field(default_factory=dict)
    bound: frozenset[str] = frozenset()
    targets: frozenset[str] = frozenset()
    place: ast.expr | None = None
    consumer: ast.Call | None = None
    stops: bool = False

    @property
    def line(self) -> int:
        """Its first line."""
        return self.stmt.lineno

    @property
    def iter(self) -> ast.expr:
        """The expression that its items come from."""
        return self.node.iter if isinstance(self.node, ast.For) else self.node.generators[0].iter

    @property
    def target(self) -> ast.expr:
        """The target that each item is bound to."""
        node = self.node
        return node.target if isinstance(node, ast.For) else node.generators[0].target

    @property
    def defs(self) -> dict[str, ast.FunctionDef]:
        """Functions that its body defines, by name."""
        if not isinstance(self.node, ast.For):
            return {}
        inside = bindings.inside(self.node.body)
        return {one.name: one for one in inside if isinstance(one, ast.FunctionDef)}

    @property
    def made(self) -> frozenset[str]:
        """Names whose values its iterations make; those of the target are parts of the item."""
        if not isinstance(self.node, ast.For):
            return self.bound
        starred = [one for one in ast.walk(self.target) if isinstance(one, ast.Starred)]
        return self.bound | frozenset(bindings.stored(starred))

    @property
    def awaits(self) -> bool:
        """Whether the body, or the element, awaits something."""
        node = self.node
        if isinstance(node, ast.For):
            return any(map(awaits, node.body))
        first, *others = node.generators
        elements = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        return any(map(awaits, [*first.ifs, *others, *elements]))

    @property
    def accumulators(self) -> frozenset[str]:
        """Outer names that it adds to."""
        return frozenset(site.name for site in self.sites.values() if site.name)


def find_loop(stmt: ast.stmt, namespace: dict[str, Any]) -> ItemLoop:
    """Find the loop that a statement is, or contains, with `namespace` as it is now.

    Raises
    ------
    Refusal
        It has none that can run item by item: the line and the reason.
    """
    if isinstance(stmt, ast.For):
        return _for_loop(stmt, namespace)
    expression = evaluated(stmt, namespace)
    if expression is not None:
        found = first_of(expression, lambda node: _loops(node, namespace), namespace)
        if found is not None:
            return _comprehension(stmt, found, namespace)
    if isinstance(stmt, ast.AsyncFor):
        raise Refusal(stmt.lineno, "takes its items with `async for`, one after the other")
    if awaits(stmt):
        raise Refusal(stmt.lineno, "awaits, and is no for loop or comprehension")
    reason = "it is no for loop, comprehension, or call like sum(... for ... in ...)"
    raise Refusal(stmt.lineno, reason)


def _loops(node: ast.expr, namespace: dict[str, Any]) -> bool:
    """Whether an expression is a comprehension, or a call that consumes one."""
    if isinstance(node, ast.ListComp | ast.SetComp | ast.DictComp):
        return True
    if not (isinstance(node, ast.Call) and node.args):
        return False
    inner = node.args[0]
    if isinstance(inner, ast.GeneratorExp):
        return True
    return _mapped(inner, namespace) and _consumer(node.func, namespace) is not None


def _mapped(node: ast.expr, namespace: dict[str, Any]) -> bool:
    """Whether an expression is ``map(f, xs)`` or ``filter(f, xs)``."""
    match node:
        case ast.Call(ast.Name("map" | "filter" as name), [function, items], []):
            builtin = resolve(ast.Name(name), namespace) is getattr(builtins, name)
            starred = isinstance(items, ast.Starred) or isinstance(function, ast.Starred)
            empty = isinstance(function, ast.Constant)
            return builtin and not starred and not empty and there(function, namespace)
    return False


def _for_loop(stmt: ast.For, namespace: dict[str, Any]) -> ItemLoop:
    for part in ast.walk(stmt.target):
        if isinstance(part, ast.Attribute | ast.Subscript):
            raise Refusal(stmt.lineno, f"each item is stored in `{ast.unparse(part)}`")
    found = accumulators.find(stmt, namespace)
    names = bindings.stored(stmt.body)
    targets = frozenset(bindings.stored([stmt.target]))
    added = {site.name for site in found.values()}
    bound = frozenset(names) - added
    return ItemLoop(stmt, stmt, "for loop", found, bound, targets)


def _comprehension(stmt: ast.stmt, value: ast.expr, namespace: dict[str, Any]) -> ItemLoop:
    if isinstance(value, ast.ListComp | ast.SetComp | ast.DictComp):
        return _of_items(stmt, value, value, KINDS[type(value)])
    assert isinstance(value, ast.Call)
    inner = value.args[0]
    name = _consumer(value.func, namespace)
    text = ast.unparse(value.func)
    if name is None:
        raise Refusal(stmt.lineno, f"`{text}` may do anything with the items that it is given")
    for other in (*value.args[1:], *(keyword.value for keyword in value.keywords)):
        if not there(other, namespace):
            raise Refusal(other.lineno, f"`{ast.unparse(other)}` is evaluated between the items")
    node = inner if isinstance(inner, ast.GeneratorExp) else _as_generator(inner)
    what = f"`{text}` over a generator" if node is inner else f"`{text}` over a map"
    return _of_items(stmt, node, inner, what, value, name in STOPPERS)


EACH = "_nbexec_each"


def _as_generator(call: Any) -> ast.GeneratorExp:
    """Write ``map(f, xs)`` or ``filter(f, xs)`` as a generator expression."""
    function, items = call.args
    each, target = ast.Name(EACH, ast.Load()), ast.Name(EACH, ast.Store())
    applied = ast.Call(function, [each], [])
    if call.func.id == "map":
        made = ast.GeneratorExp(applied, [ast.comprehension(target, items, [], 0)])
    else:
        made = ast.GeneratorExp(each, [ast.comprehension(target, items, [applied], 0)])
    for part in (made, applied, each, target):
        ast.copy_location(part, call)
    return made


def _of_items(
    stmt: ast.stmt,
    node: Comprehension,
    place: ast.expr,
    what: str,
    consumer: ast.Call | None = None,
    stops: bool = False,
) -> ItemLoop:
    bound = _bound_by(stmt, node)
    for part in ast.walk(node.generators[0].target):
        if isinstance(part, ast.Attribute | ast.Subscript):
            raise Refusal(stmt.lineno, f"each item is stored in `{ast.unparse(part)}`")
    if node.generators[0].is_async:
        raise Refusal(node.lineno, "takes its items with `async for`, one after the other")
    if isinstance(node, ast.GeneratorExp) and awaits(node):
        raise Refusal(node.lineno, "awaits in a generator, which is consumed elsewhere")
    targets = frozenset(bindings.stored([node.generators[0].target]))
    return ItemLoop(
        stmt,
        node,
        what,
        bound=bound,
        targets=targets,
        place=place,
        consumer=consumer,
        stops=stops,
    )


def _bound_by(stmt: ast.stmt, node: Comprehension) -> frozenset[str]:
    """Give the names that a comprehension binds outside it, with ``:=``."""
    elements = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
    first, *others = node.generators
    bound = frozenset(bindings.stored([*elements, *first.ifs, *others]))
    if not bound:
        return bound
    name = min(bound)
    if others:
        raise Refusal(node.lineno, f"binds `{name}` in a loop inside the comprehension")
    inside = {id(part) for part in ast.walk(node)}
    for part in ast.walk(stmt):
        if not isinstance(part, ast.Name) or part.id not in bound or id(part) in inside:
            continue
        # An expression that is evaluated before the loop would read the loop's binding.
        if (part.lineno, part.col_offset) < (node.lineno, node.col_offset):
            raise Refusal(part.lineno, f"`{part.id}` stands before what binds it anew")
    return bound


def _consumer(node: ast.expr, namespace: dict[str, Any]) -> str | None:
    match node:
        case ast.Attribute(ast.Constant(str()), "join"):
            return "str.join"
    known = resolve(node, namespace)
    names = names_of(known, "") if known is not None else []
    return next((name for name in names if name in CONSUMERS), None)


def named_handlers(body: list[ast.stmt]) -> Iterator[ast.ExceptHandler]:
    """Give every ``except ... as name`` of a body."""
    for stmt in bindings.inside(body):
        yield from (one for one in getattr(stmt, "handlers", []) if one.name)
