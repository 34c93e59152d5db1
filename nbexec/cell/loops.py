"""Which statements are loops over items: a ``for``, a comprehension, ``sum(... for ...)``."""

from __future__ import annotations

import ast
import builtins
import types
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from . import sites
from .analysis import Refusal
from .library import names_of
from .sites import Site

Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp

# What consumes a generator expression to its end, or, as `any`, may stop before.
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
class Loop:
    """A statement that does something for each of some items.

    Attributes
    ----------
    stmt : ast.stmt
        The whole statement.
    node : ast.For or a comprehension
        The part of it that iterates.
    what : str
        What to call it: "for loop", "`sum` over a generator".
    sites : dict
        The statements of its body with effects outside it.
    bound : frozenset of str
        Names that its body binds, without those of the target.
    targets : frozenset of str
        Names that the items are bound to.
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
        """What each item is bound to."""
        node = self.node
        return node.target if isinstance(node, ast.For) else node.generators[0].target

    @property
    def made(self) -> frozenset[str]:
        """Names whose values its iterations make; those of the target are parts of the item."""
        starred = [one for one in ast.walk(self.target) if isinstance(one, ast.Starred)]
        return self.bound | frozenset(sites.stored(starred))

    @property
    def accumulators(self) -> frozenset[str]:
        """Outer names that it adds to."""
        return frozenset(site.name for site in self.sites.values() if site.name)


def find_loop(stmt: ast.stmt, namespace: dict[str, Any]) -> Loop:
    """Find the loop that a statement is, as things are in `namespace`.

    Raises
    ------
    Refusal
        It is none; the reason says what it would have to be.
    """
    if isinstance(stmt, ast.For):
        return _for_loop(stmt, namespace)
    plain = isinstance(stmt, ast.Assign) and all(isinstance(t, ast.Name) for t in stmt.targets)
    if plain or isinstance(stmt, ast.Expr):
        found = _comprehension(stmt, stmt.value, namespace)  # type: ignore[attr-defined]
        if found is not None:
            return found
    raise Refusal(
        stmt.lineno, "it is no for loop, comprehension, or call like sum(... for ... in ...)"
    )


def _for_loop(stmt: ast.For, namespace: dict[str, Any]) -> Loop:
    for part in ast.walk(stmt.target):
        if isinstance(part, ast.Attribute | ast.Subscript):
            raise Refusal(stmt.lineno, f"each item is stored in `{ast.unparse(part)}`")
    found = sites.find(stmt, namespace)
    names = sites.stored(stmt.body)
    targets = frozenset(sites.stored([stmt.target]))
    accumulators = {site.name for site in found.values()}
    bound = frozenset(names) - accumulators
    return Loop(stmt, stmt, "for loop", found, bound, targets)


def _comprehension(stmt: ast.stmt, value: ast.expr, namespace: dict[str, Any]) -> Loop | None:
    if isinstance(value, ast.ListComp | ast.SetComp | ast.DictComp):
        return _of_items(stmt, value, KINDS[type(value)])
    if not (isinstance(value, ast.Call) and value.args):
        return None
    inner = value.args[0]
    if not isinstance(inner, Comprehension):
        return None
    name = _consumer(value.func, namespace)
    if name is None:
        text = ast.unparse(value.func)
        raise Refusal(stmt.lineno, f"`{text}` may do anything with the items that it is given")
    for other in (*value.args[1:], *(keyword.value for keyword in value.keywords)):
        if not _there(other, namespace):
            text = ast.unparse(other)
            raise Refusal(other.lineno, f"`{text}` is evaluated between the items")
    what = f"`{ast.unparse(value.func)}` over a generator"
    return _of_items(stmt, inner, what, value, name in STOPPERS)


def _of_items(
    stmt: ast.stmt,
    node: Comprehension,
    what: str,
    consumer: ast.Call | None = None,
    stops: bool = False,
) -> Loop:
    for part in ast.walk(node):
        if isinstance(part, ast.NamedExpr):
            raise Refusal(part.lineno, f"binds `{part.target.id}`, outside the comprehension")
    for part in ast.walk(node.generators[0].target):
        if isinstance(part, ast.Attribute | ast.Subscript):
            raise Refusal(stmt.lineno, f"each item is stored in `{ast.unparse(part)}`")
    if any(generator.is_async for generator in node.generators):
        raise Refusal(node.lineno, "awaits")
    targets = frozenset(sites.stored([node.generators[0].target]))
    return Loop(stmt, node, what, targets=targets, consumer=consumer, stops=stops)


def resolve(node: ast.expr, namespace: dict[str, Any]) -> Any:
    """Give the object that a name, or an attribute of a module, stands for; None if unknown."""
    if isinstance(node, ast.Name):
        return namespace.get(node.id, getattr(builtins, node.id, None))
    if isinstance(node, ast.Attribute):
        owner = resolve(node.value, namespace)
        return vars(owner).get(node.attr) if isinstance(owner, types.ModuleType) else None
    return None


def _consumer(node: ast.expr, namespace: dict[str, Any]) -> str | None:
    match node:
        case ast.Attribute(ast.Constant(str()), "join"):
            return "str.join"
    known = resolve(node, namespace)
    names = names_of(known, "") if known is not None else []
    return next((name for name in names if name in CONSUMERS), None)


def _there(node: ast.expr, namespace: dict[str, Any]) -> bool:
    """Whether evaluating `node` does nothing and can't fail."""
    if isinstance(node, ast.Constant | ast.Lambda):
        return True
    return resolve(node, namespace) is not None


def named_handlers(body: list[ast.stmt]) -> Iterator[ast.ExceptHandler]:
    """Give every ``except ... as name`` of a body."""
    for stmt in sites.inside(body):
        yield from (one for one in getattr(stmt, "handlers", []) if one.name)
