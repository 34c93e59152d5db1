"""ItemLoop: a loop over items, found in a ``for``, a comprehension, ``sum(... for ...)``."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ..analysis import accumulators, bindings
from ..analysis.accumulators import Site
from ..analysis.analysis import Refusal
from .consumers import Consumed, calm, consumed
from .evaluated_first import awaits, evaluated, first_of, there
from .mapped_for import Mapped, mapped_for

Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp

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
    consumed : Consumed or None
        What consumes the values of a generator expression, and how.
    mapped : Mapped or None
        Says that `node` goes through the items of a function, the statement through its values.
    rows : tuple of str
        What the last names of the target stand for, where it goes through keys; for messages.
    """

    stmt: ast.stmt
    node: ast.For | Comprehension
    what: str
    sites: dict[ast.stmt, Site] = field(default_factory=dict)
    bound: frozenset[str] = frozenset()
    targets: frozenset[str] = frozenset()
    place: ast.expr | None = None
    consumed: Consumed | None = None
    mapped: Mapped | None = None
    rows: tuple[str, ...] = ()

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
    def stops(self) -> bool:
        """Whether what consumes it may stop before the last item."""
        return self.consumed is not None and bool(self.consumed.ends)

    @property
    def key(self) -> str:
        """What calls it as a `key=`; "" where nothing does."""
        return self.consumed.key if self.consumed is not None else ""

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


def find_loop(stmt: ast.stmt, namespace: dict[str, Any], mapped: bool = True) -> ItemLoop:
    """Find the loop that a statement is, or contains, with `namespace` as it is now.

    Parameters
    ----------
    stmt : ast.stmt
        The statement.
    namespace : dict
        Names and their values.
    mapped : bool
        Whether a for loop over a function's values may be taken as one over its items.

    Raises
    ------
    Refusal
        It has none that can run item by item: the line and the reason.
    """
    if isinstance(stmt, ast.For):
        return _for_loop(stmt, namespace, mapped)
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
    if consumed(node, namespace) is not None:
        return True
    return (
        isinstance(node, ast.Call)
        and bool(node.args[:1])
        and (isinstance(node.args[0], ast.GeneratorExp))
    )


def _for_loop(stmt: ast.For, namespace: dict[str, Any], mapped: bool) -> ItemLoop:
    for part in ast.walk(stmt.target):
        if isinstance(part, ast.Attribute | ast.Subscript):
            raise Refusal(stmt.lineno, f"each item is stored in `{ast.unparse(part)}`")
    over = mapped_for(stmt, namespace) if mapped else None
    node = stmt if over is None else over.node
    found = accumulators.find(node, namespace)
    names = bindings.stored(node.body)
    targets = frozenset(bindings.stored([node.target]))
    added = {site.name for site in found.values()}
    bound = frozenset(names) - added
    return ItemLoop(stmt, node, "for loop", found, bound, targets, mapped=over)


def _comprehension(stmt: ast.stmt, value: ast.expr, namespace: dict[str, Any]) -> ItemLoop:
    if isinstance(value, ast.ListComp | ast.SetComp | ast.DictComp):
        return _of_items(stmt, value, value, KINDS[type(value)])
    found = consumed(value, namespace)
    if found is None:
        assert isinstance(value, ast.Call)
        text = ast.unparse(value.func)
        raise Refusal(stmt.lineno, f"`{text}` may do anything with the items that it is given")
    for other in found.others:
        if not (there(other, namespace) or calm(other, namespace)):
            raise Refusal(other.lineno, f"`{ast.unparse(other)}` is evaluated between the items")
    return _of_items(stmt, found.node, found.place, found.what, found)


def _of_items(
    stmt: ast.stmt,
    node: Comprehension,
    place: ast.expr,
    what: str,
    found: Consumed | None = None,
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
        consumed=found,
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


def named_handlers(body: list[ast.stmt]) -> Iterator[ast.ExceptHandler]:
    """Give every ``except ... as name`` of a body."""
    for stmt in bindings.inside(body):
        yield from (one for one in getattr(stmt, "handlers", []) if one.name)
