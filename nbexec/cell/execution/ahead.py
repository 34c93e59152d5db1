"""Ahead: a loop runs as it stands, and takes values of a part of its body from workers.

At first the part runs in the loop itself, and is timed.  Only if it pays is it computed ahead;
an item that workers have no value for is the loop's own, exceptions and all.
"""

from __future__ import annotations

import ast
import time
import types
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, TypeVar

from ...options.record import Options
from ...placement.auto import ENOUGH, Evidence
from ..analysis.analysis import Refusal
from ..analysis.object_facts import frozen
from ..loops.entry_rows import container_of, over_rows, pairs_of
from ..loops.find import ItemLoop
from ..loops.read_before import changes_what_is_read
from ..loops.split import AHEAD, Split, find_split, in_order, inner
from ..loops.table_rows import table_rows
from .ahead_run import AheadRun
from .in_kernel import StatementRunner
from .loop_items import Items, containers, listable, remaining
from .offload import Offload
from .plain_first import PlainFirst
from .replay import Replay, cached_function, twin_of
from .worth_leaving import Destination

A = TypeVar("A")
T = TypeVar("T")
TRIES = 5  # partitions of a body that are looked through
SOME = 16  # items that show whether their values are used
USED = 0.5  # the share of them that has to be
PART = 0.2  # the share of an iteration's time that the part has to take
GIVEN_UP = 0.1  # seconds of an item-by-item look, after which the part is seen to be too little
ENOUGH_SEEN = 0.3  # seconds, after which workers are seen not to pay
SAMPLED = 64  # times that a part's CPU time is asked for, which takes 2 microseconds


class Ahead(Offload):
    """The rest of a loop, with a part that may be computed ahead.

    Parameters
    ----------
    split : Split
        The loop.
    kernel : StatementRunner
        The cell, and the namespace that it runs in.
    plain : PlainFirst
        The plain loop up to here.
    options, given
        As for `LoopStep`.
    seen : Evidence
        What whole items took so far.
    instead : callable
        Gives a loop to run in its place where nothing is computed ahead any more.

    Attributes
    ----------
    begun : bool
        Whether values were computed ahead.
    longest : AheadRun or None
        The longest run that computed some.
    """

    rest: AheadRun

    def __init__(
        self,
        split: Split,
        kernel: StatementRunner,
        plain: PlainFirst,
        options: Options,
        given: dict[str, Any],
        seen: Evidence,
        instead: Callable[[], ast.For | None] = lambda: None,
    ) -> None:
        super().__init__(options, given)
        self.split = split
        self.plain = plain
        self.begun = False
        self.longest: AheadRun | None = None
        self._instead = instead
        self._kernel = kernel
        self._seen = seen
        self._destination = Destination(options)
        self._at = -1  # position of the item among those of the run
        self._active = self._over = self._through = False
        self._values: tuple[Any, ...] | None = None
        self._asked = False  # whether the values of this item were asked for
        self._passed = self._used = 0
        self._spent = self._sampled = self._busy = self._since = self._cpu = 0.0
        self._reached = [0] * (len(split.calls) + 1)
        self._look_at = ENOUGH
        self._first = self._took = 0.0  # when the loop went on, and what it took before
        self._items = 0
        self._strange = self._at_once = False
        self._functions: dict[int, types.FunctionType] = {}
        self._replay = Replay()
        self._item: Any = None
        try:
            self._look_through()
        except Refusal:
            self._forget()
            raise
        self._first = time.perf_counter()

    def _forget(self) -> None:
        for name in [AHEAD, *map(inner, self.split.caches)]:
            self._kernel.namespace.pop(name, None)

    def _look_through(self) -> None:
        for at, cache in self.split.caches.items():
            function = cached_function(cache)
            if function is None:
                line = self.split.whole.line
                raise Refusal(line, "calls a cache of what can't be looked into")
            self._functions[at + 1] = function
            self._kernel.namespace[inner(at)] = twin_of(function)
        self.prepare()
        self.rest.settle(Items(self.plain.source, self.plain, self.plain.taken), self.options)

    def prepare(self) -> None:
        """Make the run."""
        seen = self.rest.seen if hasattr(self, "rest") else []
        self.rest = AheadRun(self.split, self._kernel)
        self.rest.seen = seen

    # ------------------------------------------------------------ the loop

    def begin_at_once(self) -> None:
        """Compute values ahead from the next item on, whatever that takes."""
        self._at_once = True
        self.rest.start(self.options, self.given)
        self._begins()

    def _begins(self) -> None:
        self._active = True
        self._at = -1
        self._passed = self._used = 0
        self._took += time.perf_counter() - self._first

    def _next_run(self) -> None:
        """Begin once more with the items that there are now: the loop itself has added some."""
        self._first = time.perf_counter()
        self._look_at = 0.0
        if not self._at_once:
            self._decide()
        elif listable(self.plain.source) and self.plain.remaining:
            try:
                self._look_through()
            except Refusal:
                self._over = True
            else:
                self.begin_at_once()

    def run(self, orelse: list[ast.stmt]) -> None:
        """Run the loop from here on."""
        __tracebackhide__ = True
        kernel, loop = self._kernel, self.split.whole
        kernel.namespace[AHEAD] = self
        try:
            kernel.over_items(loop, self, instead=in_order(self.split))
        finally:
            self._replay.finish()
            self._end()
            self._forget()
        if self._through:
            kernel.execute(orelse)
        elif self._over:
            kernel.over_items(loop, self.plain.iterator, instead=self._instead())

    def _end(self) -> None:
        self._values = None
        if self._active:
            self._end_run(wanted=self._through)

    def _end_run(self, wanted: bool) -> None:
        self._active = False
        self.rest.end(wanted)
        self.rest.release()
        self.begun = self.begun or self._used > 0
        ran = [one.stats for one in (self.longest, self.rest) if one and one.stats]
        if self._used and (len(ran) < 2 or ran[1].elapsed > ran[0].elapsed):
            self.longest = self.rest

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        if not self._active and not self._over:
            self._decide()
        elif self._active and not self._holds():
            self._over = True
        elif self._active and self.rest.is_over(self._at + 1):
            self._end_run(wanted=True)
            self._next_run()
        if self._over:
            raise StopIteration
        try:
            item = next(self.plain.iterator)
        except StopIteration:
            self._through = True
            raise
        self._at += 1
        self._items += not self._active
        self._values, self._asked = None, False
        if self._active and not self.rest.is_item(self._at, item):
            self._asked = self._strange = True  # the items are others now: there are no values
        elif self._active and not self.rest.is_sent(self._at):
            self._asked = True
            self._passed -= 1
        if self._functions:
            self._replay.finish()  # it may have raised
            self._item = item
        return item

    # ------------------------------------------------------------ called by the loop's code

    def has(self, part: int) -> bool:
        """Whether there is a value for a part of the body: 0 is what leads it."""
        if not self._active:
            if self._reached[part] < SAMPLED:
                self._cpu = time.thread_time()
            self._since = time.perf_counter()
            return False
        if not self._asked:
            self._asked = True
            self._values = self.rest.values(self._at)
            self._used += self._values is not None and not self._functions
        values = self._values
        if values is None:
            return False
        if part in self._functions:
            self._replay.prepare(self._functions[part], self._item, self.value(part))
            return True
        # What was made in this iteration may have been changed in it.
        return part == 0 or all(frozen(values[at]) for at in self.split.uses[part - 1])

    def names(self, part: int) -> tuple[Any, ...]:
        """Give what the statements that lead the body bind."""
        assert self._values is not None
        return self._taken(part, self._values[: len(self.split.names)])

    def value(self, part: int) -> Any:
        """Give the value of a call."""
        assert self._values is not None
        return self._taken(part, self._values[len(self.split.names) + part - 1])

    def _taken(self, part: int, value: T) -> T:
        if part == len(self.split.calls):  # the last one: nothing is held longer than needed
            self._values = None
        return value

    def ended(self, part: int, value: Any) -> Any:
        """Take in that a part of the body has run here; give its value."""
        if self._functions and self._replay.finish():
            self._used += 1
        if not self._active:
            took = time.perf_counter() - self._since
            if self._reached[part] < SAMPLED:
                self._busy += time.thread_time() - self._cpu
                self._sampled += took
            self._spent += took
            self._reached[part] += 1
            if self._spent >= self._look_at:  # the next look weighs it
                self.rest.seen = [[value]]
        return value

    # ------------------------------------------------------------ between two items

    def _decide(self) -> None:
        """Begin to compute values ahead, or give that up, if it is time to."""
        began = time.perf_counter()
        took = self._took + began - self._first
        worth = self._spent >= PART * took and self._reached_often()
        if self._spent >= self._look_at:
            self._look_at = self._spent * 1.25
            if worth and self.decide(self._evidence(), self.plain.taken, False):
                self._begins()
            worth = worth and (self._active or self._destination.starting or took < ENOUGH_SEEN)
            self.rest.seen = []
            self._first += time.perf_counter() - began  # a look is no part of the loop
        if not self._active and (self.refusal or (took > GIVEN_UP and not worth)):
            self._over = True

    def _reached_often(self) -> bool:
        parts = self._reached if self.split.leading else self._reached[1:]
        return min(parts) >= USED * self._items

    def _evidence(self) -> Evidence:
        parts = self._reached if self.split.leading else self._reached[1:]
        busy = min(1.0, self._busy / self._sampled) * self._spent
        return replace(
            self._seen,
            items=max(min(parts), 1),
            wall=self._spent,
            busy=busy,
            running_wall=0.0,
            running_busy=0.0,
            expected=0.0,
            left=self.plain.remaining,
        )

    def _holds(self) -> bool:
        """Whether what was found out still holds, and values are of use."""
        if self._strange or not self.rest.holds():
            return False
        self._passed += 1
        return self._passed <= SOME or self._used >= USED * (self._passed - 1)


def ahead_of(
    loop: ItemLoop,
    kernel: StatementRunner,
    plain: PlainFirst,
    options: Options,
    given: dict[str, Any],
    seen: Evidence,
    instead: Callable[[], ast.For | None] = lambda: None,
) -> Ahead | None:
    """Give the rest of a loop with a part that can be computed ahead; None where it has none."""
    container = container_of(loop, kernel.namespace)
    rows = table_rows(loop, kernel.namespace)
    if rows is not None or container is not None:
        read = containers(plain.source) if container is None else [plain.source, container]
        tables = None if rows is None else rows.tables
        if changes_what_is_read(loop, kernel.namespace, read, tables):
            container = rows = None
    if container is not None or rows is not None:
        left, items = remaining(plain, plain.taken), None
        if left is not None and container is not None:
            items = pairs_of(container, left)
            loop, instead = over_rows(loop, kernel.namespace), lambda: None
        elif left is not None and rows is not None:
            items = rows.items(left)
            loop, instead = rows.over, lambda: rows.instead
        if items is None:
            return None
        plain = PlainFirst(items, lambda *_: False)
    return first_accepted(
        lambda kept: find_split(loop, kernel.namespace, kept),
        lambda split: Ahead(split, kernel, plain, options, given, seen, instead),
    )


def first_accepted(
    find: Callable[[set[ast.AST]], Split | None], make: Callable[[Split], A]
) -> A | None:
    """Split a loop, each time with a refused part more that stays in it, until none is refused."""
    kept: set[ast.AST] = set()
    for _ in range(TRIES):
        split = find(kept)
        if split is None:
            return None
        try:
            return make(split)
        except Refusal as refusal:
            about = [one for one in split.moved if is_about(refusal, one)]
            if not about:
                return None
            kept.add(about[-1])
    return None


def is_about(refusal: Refusal, part: Any) -> bool:
    """Whether the reason is somewhere in a part of the source."""
    first, last = part.lineno, part.end_lineno or part.lineno
    return bool(first <= refusal.line <= last)
