"""Blocks: several short items of a chunk in one call, for functions that have a loop of their own.

A function takes part whose type defines ``__nbexec_block__(block)``.  It iterates over
`Block.walk`, and gives what stands for the items that it did: their one value, and how many
they are.  In the chunk's column of values that value is followed by None for each of the others.
"""

from __future__ import annotations

import itertools
import operator
import time
from array import array
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Protocol

from .chunk_state import ChunkState

METHOD = "__nbexec_block__"
BATCH = "__nbexec_batch__"  # on the type of a function that takes several: see `batching`
ALONE = "__nbexec_alone__"  # on the type of an item that is called alone
BRIEF = 0.001  # seconds; items that take longer are called one by one
BLOCK = 0.01  # seconds of a block: it ends when it has lasted that long
PART = 0.001  # seconds between two looks at the clock and at what else is wanted
GROWTH = 4  # a part is at most this many times the one before it
WARY = 256  # items at most that are called one by one after one that a block could not do

_clock = time.perf_counter


RunOne = Callable[[Callable[[Any], Any], Any], bool]  # runs one item; gives whether it failed


class Stoppable(Protocol):
    """A stop flag: see `execute.StopFlag`."""

    stopped: bool


class Covering:
    """The base class of a value that stands for several items.

    Attributes
    ----------
    count : int
        How many.
    """

    __slots__ = ()
    count: int


class Ran(NamedTuple):
    """What a function did of a block."""

    value: Any  # of its first items; None where these are none
    done: int  # how many these are
    alone: int = 0  # how many of the next ones have to be called one by one


class ChunkItems:
    """The items of a chunk that have not run; those that a block gave back come first."""

    def __init__(self, chunk_state: ChunkState) -> None:
        self._take = chunk_state.take
        self._held: deque[Any] = deque()

    def one(self) -> list[Any]:
        """Give the next item, or none."""
        return [self._held.popleft()] if self._held else self._take(1)

    def take(self, most: int) -> list[Any]:
        """Give up to `most` items, none of which has to be called alone."""
        held = self._held
        part = [held.popleft() for _ in range(min(most, len(held)))]
        if len(part) < most:
            part += self._take(most - len(part))
        if part and hasattr(type(part[-1]), ALONE):  # which is the last of all
            held.appendleft(part.pop())
        return part

    def give_back(self, items: list[Any]) -> None:
        """Have `items` come next."""
        self._held.extendleft(reversed(items))

    @property
    def held(self) -> bool:
        """Whether there are items that nobody else can take."""
        return bool(self._held)


class Block:
    """The items of one call, taken from the chunk as the call goes on.

    Attributes
    ----------
    items : list
        Those that were taken so far.
    """

    def __init__(self, source: ChunkItems, stop_flag: Stoppable, size: int) -> None:
        self.items = source.take(size)
        self.size = size  # items that take `PART` seconds, as far as is known
        self._source = source
        self._stop_flag = stop_flag
        self._current: Iterator[Any] = iter(())

    def walk(self, prepare: Callable[[list[Any]], list[Any]]) -> Iterator[Any]:
        """Iterate over the items, at the speed of a list; `prepare` gets some at a time."""
        return itertools.chain.from_iterable(self._parts(prepare))

    def _parts(self, prepare: Callable[[list[Any]], list[Any]]) -> Iterator[Iterator[Any]]:
        began = before = _clock()
        part = self.items
        while part:
            self._current = iter(prepare(list(part)))
            yield self._current
            now = _clock()
            fit = int(PART * len(part) / max(now - before, 1e-9))
            self.size = max(1, min(fit, GROWTH * len(part)))
            if now - began > BLOCK or self._stop_flag.stopped:
                return
            part, before = self._source.take(self.size), now
            self.items += part

    @property
    def begun(self) -> int:
        """How many items the walk has given."""
        return len(self.items) - operator.length_hint(self._current)


def run_in_blocks(
    stop_flag: Stoppable,
    chunk_state: ChunkState,
    budget: float,
    begun: float,
    call: Any,
    run_one: RunOne,
) -> None:
    """Call the function on each item, or on several at once where they are brief.

    `begun` is when the chunk began, by this module's clock.
    """
    ends, source = chunk_state.ends, ChunkItems(chunk_state)
    in_block, size = getattr(call, METHOD), 1
    singly = wary = 1  # the first item tells how long one takes
    each = 0.0
    while not stop_flag.stopped:
        before = ends[-1] if ends else 0.0
        block = None if singly > 0 or each > BRIEF else Block(source, stop_flag, size)
        if block is None or not block.items:
            item = source.one()
            if not item:
                break
            erred = run_one(call, item[0])
            singly, done = singly - 1, 1
        else:
            ran, erred = _run_block(chunk_state, in_block, block, begun, run_one)
            done, singly, size = max(1, ran.done), ran.alone, block.size
            source.give_back(block.items[ran.done + erred :])
            wary = min(2 * wary, WARY) if singly else 1
            singly = max(singly, wary if singly else 0)
        if erred:
            budget = min(budget, chunk_state.after_failure)
        if ends:
            each = (ends[-1] - before) / done
            if ends[-1] > budget and not source.held:
                break


def _run_block(
    chunk_state: ChunkState,
    in_block: Callable[[Block], Ran],
    block: Block,
    begun: float,
    run_one: RunOne,
) -> tuple[Ran, bool]:
    """Call the function on a block; give what it did, and whether its first item failed."""
    ends = chunk_state.ends
    try:
        ran = in_block(block)
    except BaseException as error:
        return Ran(None, 0, len(block.items)), run_one(_Raising(error), block.items[0])
    if ran.done:
        chunk_state.values += [ran.value, *[None] * (ran.done - 1)]
        before, now = ends[-1] if ends else 0.0, _clock() - begun
        step = itertools.repeat((now - before) / ran.done, ran.done - 1)
        known = array("d", itertools.accumulate(step, initial=before))
        known.append(now)
        ends.extend(known[1:])  # at once: another thread may read them
    return ran, False


class _Raising:
    """Raises an exception in place of a function that could not be called on a single item."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def __call__(self, item: Any) -> Any:
        raise self._error
