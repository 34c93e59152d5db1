"""``for k in d: d[k]["x"] = slow(d[k])``: a loop over keys, as one over the entries themselves.

Where the body does nothing else with the container than to look up the entry of its key, that
entry is a name of the target, as in ``for k, row in d.items()``, and may be changed as an item.
"""

from __future__ import annotations

import ast
import copy
from typing import Any

from ..analysis import accumulators
from ..analysis.bindings import names_bound, stored
from .find import ItemLoop
from .split import ROW

_BUILT_IN = {"range", "len"}
_MAY_GO = {"dir", "vars", "locals", "globals", "eval", "exec"}


def container_of(loop: ItemLoop, namespace: dict[str, Any]) -> Any:
    """Give the dict or the list whose entries a loop goes through by their keys; None for none.

    Examples
    --------
    >>> from nbexec.cell.loops.find import find_loop
    >>> names = {"d": {"a": {}}}
    >>> text = "for k in d: d[k]['x'] = len(k)"
    >>> container_of(find_loop(ast.parse(text).body[0], names), names)
    {'a': {}}
    """
    name = _name_of(loop, namespace)
    return None if name is None else namespace[name]


def _name_of(loop: ItemLoop, namespace: dict[str, Any]) -> str | None:
    node = loop.node
    if not isinstance(node, ast.For) or not isinstance(node.target, ast.Name) or loop.mapped:
        return None
    key = node.target.id
    if key in names_bound(node.body) or loop.defs:
        return None
    names: set[str] = {one.value.id for one in _entries(node, key)}
    if len(names) != 1:
        return None
    (name,) = names
    kind = type(namespace.get(name))
    if not ((kind is dict and _keys(node.iter, name)) or (kind is list and _places(node, name))):
        return None
    if name in stored(node.body) or (kind is list and not namespace.keys().isdisjoint(_BUILT_IN)):
        return None
    own = {id(one.value) for one in _entries(node, key)}
    for part in (part for stmt in node.body for part in ast.walk(stmt)):
        named = isinstance(part, ast.Name) and (part.id in _MAY_GO or part.id == name)
        if named and id(part) not in own:
            return None
    return name


def _entries(node: ast.For, key: str) -> list[Any]:
    """Give each ``name[key]`` of a body that is looked up."""
    found = []
    for part in (part for stmt in node.body for part in ast.walk(stmt)):
        match part:
            case ast.Subscript(ast.Name(), ast.Name(one), ast.Load()) if one == key:
                found.append(part)
    return found


def _keys(source: ast.expr, name: str) -> bool:
    match source:
        case ast.Name(one) | ast.Call(ast.Attribute(ast.Name(one), "keys"), [], []):
            return one == name
        case ast.Call(ast.Name("list" | "sorted"), [ast.Name(one)], []):
            return one == name
    return False


def _places(node: ast.For, name: str) -> bool:
    match node.iter:
        case ast.Call(ast.Name("range"), [ast.Call(ast.Name("len"), [ast.Name(one)], [])], []):
            return one == name
    return False


def over_rows(loop: ItemLoop, namespace: dict[str, Any]) -> ItemLoop:
    """Give the loop over pairs of a key and its entry; it must have a container."""
    name = _name_of(loop, namespace)
    assert isinstance(loop.node, ast.For)
    made = copy.deepcopy(loop.node)
    key = ast.copy_location(ast.Name(made.target.id, ast.Store()), made.target)  # type: ignore[attr-defined]
    row = ast.copy_location(ast.Name(ROW, ast.Store()), made.target)
    made.target = ast.copy_location(ast.Tuple([key, row], ast.Store()), made.target)
    put = _Rows(name or "", key.id)
    made.body = [put.visit(stmt) for stmt in made.body]
    sites = accumulators.find(made, namespace)
    added = {site.name for site in sites.values()}
    bound = frozenset(stored(made.body)) - added
    targets = frozenset([key.id, ROW])
    return ItemLoop(made, made, loop.what, sites, bound, targets, rows=(f"{name}[{key.id}]",))


class _Rows(ast.NodeTransformer):
    def __init__(self, name: str, key: str) -> None:
        self._name, self._key = name, key

    def visit_Subscript(self, node: ast.Subscript) -> Any:
        match node:
            case ast.Subscript(ast.Name(name), ast.Name(key), ast.Load()):
                if (name, key) == (self._name, self._key):
                    return ast.copy_location(ast.Name(ROW, ast.Load()), node)
        return self.generic_visit(node)


def pairs_of(container: Any, keys: list[Any]) -> list[tuple[Any, Any]] | None:
    """Give the keys with their entries; None where one isn't there."""
    try:
        return [(key, container[key]) for key in keys]
    except (LookupError, TypeError):
        return None
