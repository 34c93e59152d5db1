"""LoopStreams: with `--seed` each item of a cell's loop draws from a stream of its own."""

from __future__ import annotations

import ast
import contextlib
import copy
import sys
import types
from collections.abc import Iterable, Iterator
from typing import Any

from ...run.seeds import streams_for
from ...system.silence import silently
from ...worker.drawing import reached
from ...worker.generators import number, own_generator
from ...worker.random_streams import Streams
from ..analysis.analysis import Refusal
from ..analysis.source import is_library_module
from ..loops.find import ItemLoop
from .in_kernel import StatementRunner


class LoopStreams:
    """What the items of one loop draw from, wherever they run.

    The kernel's generators are as they were whenever no item runs: for what gives the items, for
    what consumes them, and after the loop.

    Parameters
    ----------
    streams : Streams
        Those of the loop; `streams.generators` are what its body holds.
    """

    def __init__(self, streams: Streams) -> None:
        self.streams = streams
        self._entered: contextlib.ExitStack | None = None

    @property
    def drawn_from(self) -> dict[int, Any]:
        """The generators that a body may draw from and still run anywhere, by id."""
        found = [*(self.streams.generators or ()), *map(own_generator, self.streams.modules)]
        return {id(one): one for one in found}

    def of_module(self, line: int) -> None:
        """Raise `Refusal` where a worker would draw from another object than the streams set."""
        held = set(map(id, self.streams.generators or ()))
        for name, module in [*sys.modules.items()] if held else ():
            if name == "__main__" or not isinstance(module, types.ModuleType):
                continue
            there = map(id, [*vars(module).values()])
            if not (held.isdisjoint(there) or is_library_module(name)):
                reason = f"draws from a generator of the module `{name}`, which has it anew"
                raise Refusal(line, f"{reason} in another process")

    def over(self, source: Iterable[Any], first: int = 0) -> Iterable[Any]:
        """Wrap the items from index `first` on: each is given with its stream set."""
        return _InStreams(self, source, first)

    def enter(self, index: int, item: Any) -> None:
        """Set the generators to the stream of an item, until `leave`."""
        entered = contextlib.ExitStack()
        entered.enter_context(self.item(index, item))
        self._entered = entered

    def leave(self) -> None:
        """Set the generators back, after an item."""
        entered, self._entered = self._entered, None
        if entered is not None:
            entered.close()

    @contextlib.contextmanager
    def item(self, index: int, item: Any) -> Iterator[None]:
        """Have the item draw from its stream inside a `with` block, in the kernel."""
        streams = self.streams
        with streams.turn(), streams.item(index, True, hidden=streams.hides(item, True)):
            yield


class _InStreams:
    """No generator: its end is `leave`, in the thread that began the item."""

    def __init__(self, streams: LoopStreams, source: Iterable[Any], first: int) -> None:
        self._streams = streams
        self._source = source
        self._next = first

    def __iter__(self) -> Iterator[Any]:
        self._source = iter(self._source)
        return self

    def __next__(self) -> Any:
        self._streams.leave()
        item = next(self._source)  # type: ignore[call-overload]
        self._streams.enter(self._next, item)
        self._next += 1
        return item


def streams_of_loop(
    loop: ItemLoop, kernel: StatementRunner, seed: int, place: int
) -> LoopStreams | None:
    """Give the streams of a loop; None for what calls a `key=`, which draws in order.

    Parameters
    ----------
    loop : ItemLoop
        The loop.
    kernel : StatementRunner
        The cell, and the namespace that it runs in.
    seed : int
        That of the cell.
    place : int
        How many loops of the cell were before it: the first has the streams of
        ``nbexec.map(..., seed=seed)``.
    """
    if loop.key:
        return None
    things = _body(loop, kernel)
    seed = seed if not place else number(seed, (place,), 64)
    found = streams_for(things, seed)
    assert found is not None
    # Workers get the generators themselves: the body is other code there.
    made = Streams(seed, True, found.modules, (), found.others, found.hidden)
    made.hold(reached(things)[1])
    made.level = "cell"
    return LoopStreams(made)


def _body(loop: ItemLoop, kernel: StatementRunner) -> tuple[Any, ...]:
    """Give a function with what a loop does for each item, to be looked through."""
    node = copy.deepcopy(loop.node)
    none = ast.Tuple([], ast.Load())
    if isinstance(node, ast.For):
        node.iter, node.orelse = none, []
        body: list[ast.stmt] = [node]
    else:
        node.generators[0].iter = none
        others = loop.consumed.others if loop.consumed is not None else ()
        body = [ast.Expr(one) for one in (node, *others)]
    tree = ast.parse("async def body(): pass" if loop.awaits else "def body(): pass")
    tree.body[0].body = body  # type: ignore[attr-defined]
    ast.fix_missing_locations(tree)
    cell = kernel.cell
    try:
        with silently():
            whole = compile(tree, cell.filename, "exec", cell.flags, dont_inherit=True)
    except SyntaxError:  # such as `from m import *`
        return (kernel.namespace,)
    code = next(one for one in whole.co_consts if isinstance(one, types.CodeType))
    return (types.FunctionType(code, kernel.namespace),)
