"""PlainFirst: a loop begins as the plain loop itself; only what is left may go to workers.

The plain loop takes its items from an iterator that hands them out in blocks, so that our code
runs between two blocks and never between two items.  There, or in a thread of ours while a
block lasts, it is decided whether the items after the block go elsewhere.
"""

from __future__ import annotations

import itertools
import operator
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from ...backends.base import Running
from ...backends.serial import Stopwatch
from ...placement.auto import ENOUGH, FEW, Evidence
from ...system.gil import has_gil
from ...telemetry.wording import seconds
from .watcher import Watcher

# Tests of what workers do switch this off: all items of a loop go to workers then.
ENABLED = True
BLOCK = 0.005  # seconds that a block is to take while it isn't known where the rest goes
LONGEST = 0.2  # and at most, however long the loop has stayed
A_LOOK = 1.0  # seconds that a loop's end waits for a look in another thread: that is brief
# Iterators of these run no code of the user's, say how many items are left, and stay at their end.
SIZED: tuple[type, ...] = (
    *(list, tuple, range, str, bytes, dict, set, frozenset),
    *(type({}.keys()), type({}.values()), type({}.items())),
)
Decide = Callable[[Evidence, int, bool], bool]


@dataclass
class Fate:
    """What became of a plain loop.

    Attributes
    ----------
    left : bool
        Whether it was decided that the rest goes elsewhere.
    handed_over : bool
        Whether the plain loop came to where the rest begins.
    """

    left: bool = False
    handed_over: bool = False


class PlainFirst:
    """The items of a plain loop, up to where it is decided that the rest goes elsewhere.

    Parameters
    ----------
    source : iterable
        The loop's own iterable.
    decide : callable
        Called with what the items took so far, with how many the plain loop takes in any case,
        and with whether it runs meanwhile; gives whether those after them go elsewhere.  It may
        be called in another thread, never in two at once.
    watcher : Watcher or None
        Looks at an item that lasts, in another thread.

    Attributes
    ----------
    source : iterable
        As given.
    fate : Fate
        What became of it, which may be kept when it is gone.
    over : bool
        Whether the iterable has no more items.
    iterator : iterator
        What the blocks are taken from.
    ended : bool
        Whether the loop has ended, so that nothing is decided any more.
    around : callable
        Is put around the iterator that the plain loop gets.

    Examples
    --------
    >>> plain = PlainFirst([1, 2, 3], lambda seen, position, running: False)
    >>> with plain:
    ...     [x * x for x in plain]
    [1, 4, 9]
    >>> plain.left, plain.over, plain.taken
    (False, True, 3)
    """

    def __init__(
        self, source: Iterable[Any], decide: Decide, watcher: Watcher | None = None
    ) -> None:
        self.source = source
        self.fate = Fate()
        self.over = False
        self.around: Callable[[Iterable[Any]], Iterable[Any]] = iter
        self._decide = decide
        self._sized = type(source) in SIZED
        self._counter = itertools.count(1)
        self._peeks = 0
        self._taken: int | None = None  # in the end
        self._back: Iterator[Any] = iter(())  # items that were read, and put back
        # What counts the items calls `iter(source)`, and only once, as the loop would.
        made = iter(source) if self._sized else itertools.compress(source, self._counter)
        self.iterator: Iterator[Any] = made
        self._stays = False
        self._lock = threading.Lock()
        self.ended = False
        self._watcher = watcher
        self._stopwatch = Stopwatch()
        self._since = time.perf_counter()
        self._pace = Pace()
        self._ahead, self._before = 1, 0  # items of the block that runs, and before it
        self._begun: Running | None = None  # when it began
        self._next_look = ENOUGH

    @property
    def left(self) -> bool:
        """Whether it was decided that the rest goes elsewhere."""
        return self.fate.left

    @property
    def handed_over(self) -> bool:
        """Whether the plain loop came to where the rest begins."""
        return self.fate.handed_over

    @property
    def stayed(self) -> bool:
        """Whether nothing is looked at any more."""
        return self._stays

    @property
    def taken(self) -> int:
        """How many items the plain loop has been given."""
        if self._taken is not None:
            return self._taken
        if self._sized:
            return len(self.source) - operator.length_hint(self.iterator)  # type: ignore[arg-type]
        self._peeks += 1
        return next(self._counter) - self._peeks - operator.length_hint(self._back)

    @property
    def remaining(self) -> int | None:
        """How many items are left; None where that isn't known."""
        return operator.length_hint(self.iterator) if self._sized else None

    def put_back(self, items: list[Any]) -> None:
        """Take back items that were read from `iterator`: the plain loop gets them first."""
        self._back = iter(items)
        self.iterator = itertools.chain(self._back, self.iterator)

    def stay(self, items: Iterator[Any] | None = None) -> None:
        """Look no more: the plain loop runs to its end, over `items` where they are given."""
        if items is not None:
            self.iterator, self._sized = items, False
        self._stays = True

    def release(self) -> None:
        """Hold the iterable no more: the loop has ended."""
        self._taken = self.taken
        self.source, self.iterator, self._back = (), iter(()), iter(())
        self._sized = True

    def look_again(self) -> None:
        """Take back that the plain loop stays; called while it is decided."""
        self._stays = False

    def __enter__(self) -> PlainFirst:
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:  # nothing is decided any more
            self.ended = self._stays = True

    def __iter__(self) -> Iterator[Any]:
        self._stopwatch.__enter__()
        if self._watcher is not None:
            self._watcher.add(self)
        return iter(self.around(itertools.chain.from_iterable(self._until_the_end())))

    def _until_the_end(self) -> Iterator[Iterator[Any]]:
        """Give the blocks, and hold nothing once the plain loop holds its iterator no more."""
        try:
            yield from self._blocks()
        finally:
            self._end()

    def _end(self) -> None:
        """Drop the iterable here and now, as the plain loop does, unless the rest is to come.

        A generator in it is closed with it.  The watcher may hold this object for longer, and
        would close it in its own thread.
        """
        # A look at a container may last, and none of it is closed.
        free = self._lock.acquire(timeout=0 if self._sized else A_LOOK)
        try:
            if not self.left and (free or not self._sized):
                self.ended = self._stays = True
                self.release()
        finally:
            if free:
                self._lock.release()

    def _blocks(self) -> Iterator[Iterator[Any]]:
        size = 1
        while not self._stays:
            before = self._before = self.taken
            self._ahead, self._begun = size, self._stopwatch.here()
            yield itertools.islice(self.iterator, size)
            with self._lock:
                taken = self.taken
                # One that was changed says that nothing is left: it raises when it is asked.
                ends = self._sized and not operator.length_hint(self.iterator)
                if not self._sized:
                    self.over = taken - before < size
                if ends and not self.left:
                    self._begun = None
                    break
                if not self.over and not self.left:
                    self._look(taken - before)
                self.fate.handed_over = self.left
                if self.over or self.left:
                    return
            size = self._pace.next_size(size, self._next_look)
        self._begun = None
        yield self.iterator
        self.over = True

    def _look(self, items: int) -> None:
        """Take in a block that ended, and decide, if it is time to."""
        begun, now = self._begun, self._stopwatch.here()
        self._begun = None
        if begun is None or now is None or not items:
            return
        self._pace.add(items, begun, now)
        if self._pace.wall >= self._next_look:
            self.fate.left = self._decide(self._seen(), self.taken, False)
            self._next_look = min(self._pace.wall * 1.25, self._pace.wall + LONGEST)

    def summary(self) -> str:
        """Say how long it took, where nothing was decided."""
        return f"all of it took {seconds(self._pace.wall)}: workers would not pay"

    # ------------------------------------------------------------ in a thread of ours

    def look_at_running(self, patience: float) -> bool:
        """Decide, where the block that runs lasts; give whether the rest goes elsewhere now."""
        with self._lock:
            begun, now = self._begun, self._stopwatch.read()
            if self._stays or self.left or begun is None or now is None:
                return False
            seen = self._seen(begun, now)
            if seen.running_wall <= max(patience, 3 * seen.expected):
                return False
            try:
                self.fate.left = self._decide(seen, self._before + self._ahead, True)
            except Exception:  # names changed while they were looked at: it is asked again later
                pass
            return self.left

    def _seen(self, begun: Running | None = None, now: Running | None = None) -> Evidence:
        left = self.remaining
        if left is not None and begun is not None:
            left = max(0, left - self._ahead)
        seen = self._pace.evidence(begun, now, self._ahead)
        probes = self._watcher.probes(self._since) if self._watcher is not None else []
        return replace(seen, left=left, gil_probes=len(probes), held=sum(probes))


class Pace:
    """What the items of a loop took; the very first counts only as long as there is little else."""

    def __init__(self) -> None:
        self.wall = 0.0  # seconds of all items
        self._blocks = [(0, 0.0, 0.0), (0, 0.0, 0.0)]  # the first, and those after it
        self._each = 0.0  # seconds an item, of the last block

    def add(self, items: int, begun: Running, now: Running) -> None:
        """Take in a block of items."""
        wall, busy = _between(begun, now)
        self.wall += wall
        self._each = wall / items
        at = 1 if self._blocks[0][0] else 0
        count, before, used = self._blocks[at]
        if before > LONGEST:  # what was long ago doesn't tell what is now
            count, before, used = count // 2, before / 2, used / 2
        self._blocks[at] = count + items, before + wall, used + busy

    def next_size(self, size: int, due: float) -> int:
        """Give how many items the next block is to have."""
        until = max(BLOCK, due - self.wall)
        fitting = int(until / self._each) if self._each > 0 else 2 * size
        return max(1, min(2 * size, fitting))

    def evidence(
        self, begun: Running | None = None, now: Running | None = None, ahead: int = 0
    ) -> Evidence:
        """Give what was seen, with the block that runs now."""
        first, later = self._blocks
        used = later if later[1] >= ENOUGH and later[0] >= FEW else _sum(first, later)
        wall, busy = _between(begun, now) if begun is not None and now is not None else (0.0, 0.0)
        return Evidence(
            items=used[0],
            wall=used[1],
            busy=used[2],
            running_wall=wall,
            running_busy=busy,
            expected=ahead * self._each,
            valued=True,
            gil=has_gil(),
        )


def _between(begun: Running, now: Running) -> tuple[float, float]:
    """Give the seconds between two readings, but for those without a core, and those on one."""
    wall, cpu = now.wall - begun.wall, now.cpu - begun.cpu
    starved = max(0.0, now.starved - begun.starved)
    return max(cpu, wall - starved), cpu


def _sum(one: tuple[int, float, float], other: tuple[int, float, float]) -> Any:
    return one[0] + other[0], one[1] + other[1], one[2] + other[2]
