"""``big[y]``: large containers whose entries travel with the items; the code that reads them so.

In a worker a `Held` stands for such a container.  It is put in the place of the name by
compiling the body, and the functions that it calls, once more.
"""

from __future__ import annotations

import ast
import copy
import types
from collections.abc import Callable, Iterator

from ..analysis.aliases import TooLarge, generations, more_allowed
from ..analysis.analysis import Analysis
from ..analysis.object_facts import all_frozen, is_plain
from ..analysis.own_reads import OwnRead
from ..analysis.recompile import may_be_recompiled, recompiled
from ..analysis.source import function_node
from ..iteration.held import Held, HeldCode
from .find import ItemLoop
from .places import Places

Compile = Callable[[Places], types.FunctionType]


def not_alone(analysis: Analysis, loop: ItemLoop) -> frozenset[int]:
    """Give the containers, by their ids, that have to be sent as a whole after all.

    They are used in other ways too, or their entries can be reached through something else that
    is sent: that it is the same object would be lost.
    """
    own = analysis.own_reads
    if own is None or not own.found:
        return frozenset()
    found = {
        at
        for at, read in own.found.items()
        if at in analysis.captured or not _all_found(read, analysis, loop)
    }
    if found:
        return frozenset(found)
    deep = {at: read for at, read in own.found.items() if not all_frozen(read.entries)}
    try:
        if deep and analysis.captured:
            with more_allowed():
                others = {key for one in generations(analysis.captured.values()) for key in one}
                found = {at for at, read in deep.items() if not others.isdisjoint(_inside(read))}
    except TooLarge:
        return frozenset(deep)
    return frozenset(found)


def _inside(read: OwnRead) -> Iterator[int]:
    for one in generations(read.entries):
        yield from one
    yield id(read.container)


def _all_found(read: OwnRead, analysis: Analysis, loop: ItemLoop) -> bool:
    """Whether all code that has the name was seen to use it in this way."""
    left = {id(node) for node in read.nodes}
    for tree in _code(analysis, loop):
        nodes = {id(one) for one in ast.walk(tree) if _is_name(one, read.name)}
        if nodes & left and nodes - left:
            return False
        left -= nodes
    return not left


def _code(analysis: Analysis, loop: ItemLoop) -> Iterator[ast.AST]:
    yield loop.node
    for function in analysis.entered.values():
        node = function_node(function.__code__)
        if node is not None:
            yield node


def held_code(
    loop: ItemLoop, analysis: Analysis, body: Compile, block: Compile | None
) -> HeldCode | None:
    """Give the code that workers get, with what stands for the containers; None if there is none.

    Parameters
    ----------
    loop : ItemLoop
        The loop.
    analysis : Analysis
        What was found of it.
    body, block : callable
        Compile the body, and the body as a loop, with other things in the place of names.
    """
    own = analysis.own_reads
    if own is None or not own.found:
        return None
    reads = own.found.values()
    holders = tuple(Held(read.name, is_plain(read.container)) for read in reads)
    places = Places((read.nodes, held) for read, held in zip(reads, holders, strict=True))
    inside = {id(node) for node in ast.walk(loop.node)}
    outside = {id(node) for read in reads for node in read.nodes} - inside
    codes: dict[int, types.CodeType] = {}
    for at, function in analysis.entered.items() if outside else ():
        node = function_node(function.__code__)
        if node is None or outside.isdisjoint(map(id, ast.walk(node))):
            continue
        if not (isinstance(node, ast.FunctionDef) and may_be_recompiled(node, function.__code__)):
            return None
        made = copy.deepcopy(node)
        places.put(made)
        code = recompiled(made, function.__code__)
        if code is None:
            return None
        codes[at] = places.filled(code)
    function = body(places)
    return HeldCode(function, block(places) if block is not None else None, holders, codes)


def _is_name(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name
