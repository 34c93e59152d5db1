"""aliased(): whether a body reaches what its loop accumulates into under another name, too."""

from __future__ import annotations

import ast
from typing import Any

from ..analysis import aliases, arrays
from ..analysis.analysis import Analysis, Refusal
from ..analysis.object_facts import is_array
from .find import ItemLoop
from .own_entries import in_step


def aliased(
    analysis: Analysis,
    loop: ItemLoop,
    namespace: dict[str, Any],
    items: list[Any],
    known: list[Any] | None = None,
    skipped: int = 0,
) -> None:
    """Refuse accumulators that the body can also reach under another name."""
    sites = loop.sites.items()
    changed = [(stmt, one) for stmt, one in sites if one.kind not in _BY_VALUE]
    lines: dict[str, int] = {}  # where first
    for stmt, one in changed:
        lines.setdefault(one.name, stmt.lineno)
    deep = {one.name for _, one in changed if one.kind in ENTRIES}
    for name, line in lines.items():
        alone = aliases.only_name(namespace, name)
        things = [] if alone else [namespace[name]]
        if name in deep:
            things += _held(name, namespace[name], line)
        if not things:  # nothing leads to what is changed
            continue
        for other in lines:
            if other != name and namespace[other] is namespace[name]:
                raise Refusal(line, f"`{name}` and `{other}` are the same object")
        for text, root in _roots(analysis, loop, namespace, name, items, known, skipped).items():
            _apart(things, name, text, root, line)
        for read in analysis.own_reads.found.values() if analysis.own_reads else ():
            itself = any(one is read.container for one in things)
            _apart(things, name, read.name, things if itself else read.roots, line)


_BY_VALUE = ("print", "augment", "pick", "ahead")  # nothing is changed in place
ENTRIES = ("count", "grow", "grow_many", "grow_add")  # effects that change entries too


def _held(name: str, container: Any, line: int) -> list[Any]:
    """Give the entries of a container that can be changed, and that something else refers to."""
    try:
        return aliases.held_elsewhere(container)
    except aliases.TooLarge:
        raise Refusal(line, f"`{name}` has too many entries to look through") from None


def _roots(
    analysis: Analysis,
    loop: ItemLoop,
    namespace: dict[str, Any],
    name: str,
    items: list[Any],
    known: list[Any] | None,
    skipped: int,
) -> dict[str, list[Any]]:
    """Give the objects, by a text for the reason, through which the body may reach `name`."""
    thing, own = namespace[name], name in analysis.places
    reads = [read for read in analysis.reads if read in namespace and not (own and read == name)]
    roots = {read: [namespace[read]] for read in reads}
    if not (own and known is not None and items and in_step(thing, items[0], known, skipped)):
        roots.setdefault(ast.unparse(loop.iter), []).extend(items)
    captured = analysis.captured.values()
    roots["what it calls"] = [one for one in captured if not (own and one is thing)]
    return roots


def _apart(things: list[Any], name: str, text: str, root: list[Any], line: int) -> None:
    changed = {id(thing) for thing in things}
    array = things[0] if is_array(things[0]) else None
    try:
        for found in aliases.generations(root):
            hidden = array is not None and arrays.hidden_among(array, found.values())
            if hidden or not changed.isdisjoint(found):
                raise Refusal(line, f"`{name}` can also be reached through `{text}`")
    except aliases.TooLarge:
        reason = f"`{name}` may be part of `{text}`, which is too large to look through"
        raise Refusal(line, reason) from None
