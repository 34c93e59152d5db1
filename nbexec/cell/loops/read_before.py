"""Whether a loop changes in place what is read of it, for all its items, before it begins."""

from __future__ import annotations

import gc
from collections import Counter, defaultdict, deque
from collections.abc import Iterator
from typing import Any

from ..analysis import aliases
from ..analysis.analysis import Refusal
from .accumulator_aliases import ENTRIES
from .find import ItemLoop
from .table_stores import StoredTables

# To add to one of these changes nothing that is in it, nor memory that others have, too.
_SHALLOW = {list, dict, set, deque, Counter, defaultdict}
_VIEWS: tuple[type, ...] = (type({}.keys()), type({}.values()), type({}.items()))


def changes_what_is_read(
    loop: ItemLoop,
    namespace: dict[str, Any],
    read: list[Any],
    tables: StoredTables | None = None,
) -> bool:
    """Whether a name that a loop changes, other than a table that it stores into, leads to it.

    Parameters
    ----------
    loop : ItemLoop
        The loop.
    namespace : dict
        The notebook's names, as they are now.
    read : list
        The containers that items, and entries, are taken from.
    tables : StoredTables or None
        Tables whose entries are read, too.

    Examples
    --------
    >>> import ast
    >>> from nbexec.cell.loops.find import find_loop
    >>> names = {"xs": ["a"], "out": []}
    >>> loop = find_loop(ast.parse("for x in xs: out.append(x)").body[0], names)
    >>> changes_what_is_read(loop, names, [names["xs"]])
    False
    >>> names["out"] = names["xs"]
    >>> changes_what_is_read(loop, names, [names["xs"]])
    True
    """
    fixed = {id(one) for thing in read for one in _and_what_it_shows(thing)}
    whole = []
    for thing, entries in _changed(loop, namespace):
        if id(thing) in fixed:
            return True
        if entries or type(thing) not in _SHALLOW:
            whole.append(thing)
    try:
        if tables is not None:
            tables.check(whole)
        return any(not fixed.isdisjoint(found) for found in aliases.generations(whole))
    except (Refusal, aliases.TooLarge):
        return True


def _changed(loop: ItemLoop, namespace: dict[str, Any]) -> Iterator[tuple[Any, bool]]:
    """Give what the names that a loop changes have, and whether entries of it may be changed."""
    deep = {site.name for site in loop.sites.values() if site.kind in ENTRIES} | loop.bound
    for name in sorted(loop.accumulators | loop.bound):
        if name in namespace:
            yield namespace[name], name in deep


def _and_what_it_shows(thing: Any) -> list[Any]:
    """Give a container, and the dict that it is a view of."""
    return [thing, *gc.get_referents(thing)] if isinstance(thing, _VIEWS) else [thing]
