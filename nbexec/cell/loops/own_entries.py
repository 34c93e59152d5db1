"""``xs[i] = f(xs[i])``: containers of which each iteration reads and writes its own entry."""

from __future__ import annotations

import ast
import gc
from operator import itemgetter
from typing import Any

from ..analysis import bindings
from .find import ItemLoop

_KINDS = {"setitem", "setindex", "store"}
_VIEWS: tuple[type, ...] = (type({}.keys()), type({}.values()), type({}.items()))
_INNER = (ast.For, ast.AsyncFor, ast.While)


def keys_of(loop: ItemLoop, items: list[Any]) -> dict[str, list[Any]]:
    """Give the values that the names of a loop's target are bound to, in order.

    Names that the body binds itself are left out.
    """
    match loop.target:
        case ast.Name(key):
            return {} if key in loop.bound else {key: items}
        case ast.Tuple(parts) if set(map(type, items)) <= {tuple} and set(map(len, items)) <= {
            len(parts)
        }:
            return {
                part.id: list(map(itemgetter(at), items))
                for at, part in enumerate(parts)
                if isinstance(part, ast.Name) and part.id not in loop.bound
            }
    return {}


def own_places(
    loop: ItemLoop, namespace: dict[str, Any], items: list[Any] | None
) -> dict[str, str]:
    """Give the accumulators that are only stored in at the loop's own key, and that key.

    Parameters
    ----------
    loop : ItemLoop
        A for loop.
    namespace : dict
        The notebook's names.
    items : list or None
        All of its items, where they are known.

    Returns
    -------
    dict
        From the name of a container to the name of the key, which differs from item to item.

    Examples
    --------
    >>> from nbexec.cell.loops.find import find_loop
    >>> names = {"xs": [1, 2]}
    >>> loop = find_loop(ast.parse("for i in [0, 1]: xs[i] = xs[i] * 2").body[0], names)
    >>> own_places(loop, names, [0, 1])
    {'xs': 'i'}
    """
    if not isinstance(loop.node, ast.For) or items is None:
        return {}
    match loop.target:
        case ast.Name(key):
            first = False
        case ast.Tuple([ast.Name(key), *_]):
            first = True
        case _:
            return {}
    if key in loop.bound:
        return {}
    inner = {stmt for one in bindings.inside(loop.node.body) if isinstance(one, _INNER)
             for stmt in bindings.inside([*one.body, *one.orelse])}  # fmt: skip
    found: dict[str, str] = {}
    for name in loop.accumulators:
        mine = [(stmt, site) for stmt, site in loop.sites.items() if site.name == name]
        (stmt, site), *more = mine
        if more or site.kind not in _KINDS or stmt in inner:
            continue
        match stmt:
            case ast.Assign([ast.Subscript(_, ast.Name(used))]) if used == key:
                found[name] = key
    return found if found and _differ(items, first) else {}


def _differ(keys: list[Any], first: bool) -> bool:
    """Whether the items, or their `first` parts, are distinct as keys."""
    if first:
        if not all(type(item) is tuple and item for item in keys):
            return False
        keys = [item[0] for item in keys]
    kinds = set(map(type, keys))
    # An index from the end may name the same entry as one from the start.
    plain = kinds == {str} or (kinds == {int} and min(keys) >= 0)
    return plain and len(set(keys)) == len(keys)


def in_step(thing: Any, source: Any, items: list[Any], skipped: int = 0) -> bool:
    """Whether a loop that stores at its own keys may take its items from that very container.

    Parameters
    ----------
    thing : object
        The container that is stored in.
    source : object
        The iterable.
    items : list
        The items of the iterable that are left.
    skipped : int
        How many came before them.

    Examples
    --------
    >>> xs = ["a"]
    >>> in_step(xs, enumerate(xs), [(0, "a")]), in_step(xs, enumerate(xs, 1), [(1, "a")])
    (True, False)
    >>> d = {"a": 1}
    >>> in_step(d, d.items(), [("a", 1)])
    True
    """
    if isinstance(thing, dict):
        own = source is thing or (type(source) in _VIEWS and gc.get_referents(source)[0] is thing)
        return own and skipped + len(items) == len(thing)
    if type(source) is not enumerate or skipped + len(items) != len(thing):
        return False
    return all(at == index and thing[at] is item for at, (index, item) in enumerate(items, skipped))
