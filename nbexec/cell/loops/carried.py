"""What a loop does that runs in its order: its values may go from one iteration to the next.

It must change nothing but its own names and accumulators, so that what is computed ahead of it
is what it would have computed.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import Any

from ..analysis import aliases
from ..analysis.abstract_values import SHARED, Value
from ..analysis.analysis import Analysis, Refusal
from ..analysis.functions import new_analysis
from ..analysis.object_facts import immutable
from .accumulator_aliases import aliased
from .eligibility import handlers, own_names
from .find import ItemLoop
from .loop_body import Body
from .own_items import NO_ITEMS, OwnItems, read_by
from .table_stores import stored_tables

_DEEP = {"count", "grow", "grow_many", "grow_add"}  # effects that change what was put in


@aliases.allowance()
def examine_in_order(
    loop: ItemLoop,
    namespace: dict[str, Any],
    item: Value,
    known: list[Any],
    skipped: int,
    ahead: Analysis,
    caches: Iterable[Any] = (),
    own: OwnItems = NO_ITEMS,
) -> dict[str, type]:
    """Look whether a loop changes nothing that a part of it reads which runs ahead.

    Parameters
    ----------
    loop : ItemLoop
        The loop, a ``for``.
    namespace : dict
        The notebook's names, as they are now.
    item : Value
        Describes every item.
    known : list
        The items.
    skipped : int
        How many items came before these.
    ahead : Analysis
        Of the part that runs ahead.
    caches : iterable
        Those that the loop may call.
    own : OwnItems
        The items whose entries or attributes the loop sets.

    Returns
    -------
    dict
        Names that the loop changes, with the type that each has to have whenever an iteration
        begins: what was found holds as long as they have it.

    Raises
    ------
    Refusal
        It may change something, or it can't be shown that it doesn't.
    """
    assert isinstance(loop.node, ast.For)
    _one_way(loop)
    own.check(loop, ahead)
    tables = stored_tables(loop, namespace)
    tables.check([*read_by(ahead), *known])
    analysis = new_analysis(
        namespace, loop.accumulators | loop.bound | loop.targets, loop.sites, ahead=True
    )
    analysis.caches = set(map(id, caches))
    handlers(loop, namespace)
    line, body = loop.line, loop.node.body
    names = sorted(name for name in loop.accumulators | loop.bound if name in namespace)
    carried = {name: _carried(namespace[name]) for name in names}
    # A function that reads a name may do so when it has been bound anew.
    analysis.carried = {name: SHARED if name in loop.bound else carried[name] for name in names}
    env = {name: carried[name] for name in names if name in loop.bound}
    if not item.frozen:
        analysis.involve_all(known, line)
    if any(not one.frozen for one in carried.values()):
        analysis.involve_all([namespace[name] for name in names], line)
        analysis.involve_every(line)

    numbers = own.numbers(loop)

    def look() -> None:
        scope = Body(analysis, namespace, set(loop.bound | loop.targets), dict(env))
        scope.bind(loop.target, item)
        scope.own = own_names(loop)
        scope.own_items = own.names
        scope.own_numbers = numbers
        scope.tables = tables.places
        scope.block(body)

    analysis.run(look)
    aliased(ahead, loop, namespace, known, known, skipped)
    ahead.one_thread = ahead.one_thread or analysis.one_thread  # the loop goes on meanwhile
    return {name: type(namespace[name]) for name in names}


def _carried(thing: Any) -> Value:
    """Describe what a name has when an iteration begins, of which only the type is sure."""
    return Value(not immutable(type(thing)), type=type(thing))


def _one_way(loop: ItemLoop) -> None:
    """Refuse an accumulator whose entries are changed, and stored otherwise too."""
    kinds: dict[str, set[str]] = {}
    for stmt, site in loop.sites.items():
        mine = kinds.setdefault(site.name, set())
        mine.add("deep" if site.kind in _DEEP else site.kind)
        if site.name and "deep" in mine and len(mine) > 1:
            raise Refusal(stmt.lineno, f"changes entries of `{site.name}` in two ways")
