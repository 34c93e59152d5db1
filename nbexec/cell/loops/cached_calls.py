"""``[f(x) for x in xs]`` of a cache: the comprehension as a for loop, whose call is computed ahead.

That loop is only looked at.  What runs is the statement as it stands, over items of which the
cache's function gives the value that workers have computed; see `execution.cached_ahead`.
"""

from __future__ import annotations

import ast
import types
from collections import OrderedDict
from collections.abc import Container, Iterable
from typing import Any

from .find import ItemLoop
from .folds import ITEM, RESULT, as_loop
from .split import CACHE, Split, find_split


def find_cached(
    loop: ItemLoop, namespace: dict[str, Any], kept: Container[ast.AST] = ()
) -> Split | None:
    """Give the parts of a comprehension; None where it calls no cache with its item.

    Parameters
    ----------
    loop, namespace, kept
        As for `find_split`.

    Examples
    --------
    >>> from nbexec.cell.loops.find import find_loop
    >>> names = {}
    >>> exec("import functools\\n@functools.cache\\ndef f(x): return x + 1", names)
    >>> loop = find_loop(ast.parse("out = [f(x) * 2 for x in [1, 2, 1]]").body[0], names)
    >>> find_cached(loop, names).what
    '`f(x)`'
    """
    found = as_for(loop)
    if found is None:
        return None
    left_alone: list[ast.AST] = []
    while True:
        told = (CACHE,) if found.bound == frozenset() else (types.FunctionType,)
        split = find_split(found, namespace, [*left_alone, *_all(kept, found)], told)
        if split is None or split.leading:
            return None
        others = [call for at, call in enumerate(split.calls) if at not in split.caches]
        if not others:
            return split if len(split.caches) == 1 else None
        left_alone += others


def as_for(loop: ItemLoop) -> ItemLoop | None:
    """Give a comprehension as a for loop that evaluates the same; None where it can't be one."""
    node = loop.node
    if loop.consumed is not None and loop.consumed.folds is not None:
        fold = as_loop(loop.consumed.folds, loop.iter)
        return ItemLoop(fold, fold, loop.what, bound=frozenset([RESULT]), targets=frozenset([ITEM]))
    if isinstance(node, ast.For) or len(node.generators) > 1 or loop.bound or loop.awaits:
        return None
    source = node.generators[0]
    elements = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
    body: list[ast.stmt] = [ast.copy_location(ast.Expr(one), one) for one in elements]
    for test in reversed(source.ifs):
        body = [ast.copy_location(ast.If(test, body, []), test)]
    made = ast.copy_location(ast.For(source.target, source.iter, body, []), node)
    return ItemLoop(made, made, loop.what, targets=loop.targets)


def misses(items: Iterable[Any], most: int | None) -> list[int]:
    """Give the positions of items that a cache is without when they come.

    Parameters
    ----------
    items : iterable
        What it is called with, in order.
    most : int or None
        How many values it keeps: those that were asked for last; None keeps all of them.

    Examples
    --------
    >>> misses("abcab", 2), misses("abcab", None)
    ([0, 1, 2, 3, 4], [0, 1, 2])
    """
    kept: OrderedDict[Any, None] = OrderedDict()
    found = []
    for at, item in enumerate(items):
        if item in kept:
            kept.move_to_end(item)
            continue
        found.append(at)
        kept[item] = None
        if most is not None and len(kept) > most:
            kept.popitem(last=False)
    return found


def _all(kept: Container[ast.AST], loop: ItemLoop) -> list[ast.AST]:
    return [part for part in ast.walk(loop.node) if part in kept]
