"""examine(): whether the items of a loop may run in parallel, or the reason why not."""

from __future__ import annotations

import ast
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

from ..analysis import aliases, bindings
from ..analysis.abstract_values import Value
from ..analysis.analysis import Analysis, Refusal
from ..analysis.functions import new_analysis
from ..analysis.memos import Memos
from ..analysis.own_reads import NotAlone, OwnReads
from .accumulator_aliases import aliased
from .find import Comprehension, ItemLoop, named_handlers
from .loop_body import Body
from .own_entries import keys_of, own_places
from .own_items import told_of_method
from .own_keys import not_alone


@aliases.allowance()
def examine(
    loop: ItemLoop,
    namespace: dict[str, Any],
    item: Value,
    roots: list[Any],
    lazy: bool,
    sample: list[Any] | None = None,
    known: list[Any] | None = None,
    skipped: int = 0,
    apart: bool = True,
    ahead: bool = False,
    memos: bool = False,
    draws: dict[int, Any] | None = None,
) -> Analysis:
    """Analyse whether the items can run in parallel.

    Parameters
    ----------
    loop : ItemLoop
        The loop.
    namespace : dict
        The notebook's names, as they are when it begins.
    item : Value
        Describes every item.
    roots : list
        Objects from which the items can be reached, the iterable among them.
    lazy : bool
        Whether the items are made while the loop runs.
    sample : list or None
        Items that are known already.
    known : list or None
        All items, where they are known.
    skipped : int
        How many items have run before these.
    apart : bool
        Whether large containers may be left out of which each item reads its own entries alone.
    ahead : bool
        Whether the body runs ahead of statements of the loop: then it must not read a clock.
    memos : bool
        Whether it may store entries in dicts from outside: the analysis has them then.
    draws : dict or None
        Generators of random numbers, by id, that it may draw from: each item has its stream.

    Returns
    -------
    Analysis
        The names that it reads, and what else was found.

    Raises
    ------
    Refusal
        They can't, or it can't be shown that they can: the line and the reason.
    """
    more = skipped, ahead, memos, draws or {}
    given = _Given(loop, namespace, item, roots, lazy, sample, known, *more)
    whole: frozenset[int] = frozenset()
    while apart and known:
        keys = keys_of(loop, known)
        own = OwnReads(keys, len(known), whole) if keys else None
        try:
            analysis = _examined(given, own)
            others = not_alone(analysis, loop)
        except NotAlone as other:
            others = frozenset(other.args)
        except Refusal:
            if own is None or not own.found:
                raise
            break  # as a whole it may be another answer, or another reason
        if not others:
            return analysis
        whole |= others
    return _examined(given, None)


@dataclass(frozen=True, slots=True)
class _Given:
    """What is to be examined; see `examine`."""

    loop: ItemLoop
    namespace: dict[str, Any]
    item: Value
    roots: list[Any]
    lazy: bool
    sample: list[Any] | None
    known: list[Any] | None
    skipped: int
    ahead: bool
    memos: bool
    draws: dict[int, Any]


def _examined(given: _Given, own: OwnReads | None) -> Analysis:
    loop, namespace, known = given.loop, given.namespace, given.known
    item, roots, lazy = given.item, given.roots, given.lazy
    changed = loop.accumulators | loop.bound
    if isinstance(loop.node, ast.For):
        changed |= loop.targets
    analysis = new_analysis(namespace, changed, loop.sites, ahead=given.ahead)
    analysis.memos = Memos() if given.memos else None
    analysis.draws = given.draws
    if isinstance(loop.node, ast.For):
        handlers(loop, namespace)
        analysis.places = own_places(loop, namespace, known)
    analysis.awaits = loop.awaits
    elements = _elements(loop.node)
    analysis.rebound = _rebound(loop)
    if known is not None:
        every = keys_of(loop, known)
        analysis.keys = {one: every[one] for one in every if analysis.rebound[one] == 1}
    analysis.own_reads = own
    if not item.frozen:
        for root in roots:
            analysis.involve(type(root), loop.line, shared=True)
        analysis.involve_all(known if known is not None else given.sample or (), loop.line)
        if lazy:
            analysis.involve_every(loop.line)
    try:
        analysis.run(lambda: _look(analysis, loop, elements, item, lazy))
    except Refusal as refusal:
        raise told_of_method(refusal, loop) from None
    aliased(analysis, loop, namespace, roots, known, given.skipped)
    return analysis


def _rebound(loop: ItemLoop) -> Counter[str]:
    """Count where each name is bound: in the target, the body, and scopes inside it."""
    found: Counter[str] = Counter()
    for part in ast.walk(loop.node):
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
            found[part.id] += 1
        elif isinstance(part, ast.arg):
            found[part.arg] += 1
    return found


def _elements(node: ast.AST) -> list[ast.expr]:
    """Give the expressions that a comprehension evaluates for an item, inner loops included."""
    if not isinstance(node, Comprehension):
        return []
    elements = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
    for element in elements:
        if isinstance(element, ast.GeneratorExp):
            raise Refusal(element.lineno, "keeps a generator that was made in the loop")
        if isinstance(element, ast.Lambda):
            raise Refusal(element.lineno, "keeps a function that was made in the loop")
    others = node.generators[1:]
    if not others:
        return elements
    return [ast.copy_location(ast.ListComp(element, others), node) for element in elements]


def _look(
    analysis: Analysis, loop: ItemLoop, elements: list[ast.expr], item: Value, lazy: bool
) -> None:
    node, namespace = loop.node, analysis.namespace
    local = set(loop.bound | loop.targets)
    if lazy:
        scope = Body(analysis, namespace, set(), {})
        scope.iterate(loop.iter)
    scope = Body(analysis, namespace, local, {})
    scope.bind(loop.target, item)
    if analysis.own_reads is not None and scope.names.env is not None:
        for name in analysis.own_reads.names:
            scope.names.env[name] = replace(scope.names.env[name], key=("name", name))
    if isinstance(node, ast.For):
        scope.own = own_names(loop)
        scope.block(node.body)
        return
    for condition in node.generators[0].ifs:
        scope.expr(condition)
    for element in elements:
        scope.keep(element, scope.expr(element))
    if loop.consumed is not None:
        for one in loop.consumed.others:
            scope.calls.callback(one, scope.expr(one))


def own_names(loop: ItemLoop) -> frozenset[str]:
    """Give names of the body that may be deleted, or be a function's."""
    assert isinstance(loop.node, ast.For)
    counts = Counter(bindings.stored(loop.node.body))
    several = {name for name in loop.defs if counts[name] > 1}
    return loop.bound - loop.targets - several


def handlers(loop: ItemLoop, namespace: dict[str, Any]) -> None:
    """Refuse names that ``except ... as name`` would delete."""
    assert isinstance(loop.node, ast.For)
    named = list(named_handlers(loop.node.body))
    counts = Counter(bindings.stored(loop.node.body))
    counts.subtract(str(handler.name) for handler in named)
    used = {name for name, count in counts.items() if count > 0}
    used |= {*namespace, *loop.targets}
    for handler in (one for one in named if one.name in used):
        raise Refusal(
            handler.lineno, f"`except ... as {handler.name}` would delete `{handler.name}`"
        )
