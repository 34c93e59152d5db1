"""WorkAhead: a loop over a work list runs as it stands; workers compute what waits in the list.

Level by level: the items that wait when there are no values for the next one are given to workers
together.  The loop takes and adds items itself, in its own order, and uses the values that are
there for an item that it takes.
"""

from __future__ import annotations

import ast
import time
from collections.abc import Callable
from typing import Any

from ...options.record import Options
from ...placement.auto import ENOUGH, Evidence
from ..analysis.aliases import TooLarge, reachable
from ..analysis.analysis import Refusal
from ..analysis.object_facts import frozen
from ..loops.split import AHEAD, Split
from ..loops.work_list import WorkList
from . import plain_first
from .ahead_run import AheadRun
from .in_kernel import StatementRunner
from .loop_items import Items
from .offload import Offload
from .worth_leaving import Destination

SOME = 8  # items whose values turned out not to be of use
FEW = 2  # items that wait, which are worth being given to workers
BRIEF = 0.05  # seconds, after which a part that takes little is seen to
PART = 0.2  # the share of the loop's time that it has to take
LEAST = 1e-4  # seconds of it for an item: to hand over each costs half of that


class _Waiting:
    """What `Offload` asks of a plain loop."""

    def __init__(self, source: Any) -> None:
        self.source = source
        self.stayed = False

    def stay(self, items: Any = None) -> None:
        """Take in that nothing more is given to workers."""
        self.stayed = True

    def put_back(self, items: list[Any]) -> None:
        """Take in items that were pulled: none are, of a list."""


class WorkAhead(Offload):
    """A loop over a work list, whose calls are computed ahead for the items that wait.

    Parameters
    ----------
    work : WorkList
        The loop.
    split : Split
        What of it is computed ahead.
    kernel : StatementRunner
        The cell, and the namespace that it runs in.
    options, given
        As for `LoopStep`.

    Attributes
    ----------
    begun : bool
        Whether values that workers computed were used.
    longest : AheadRun or None
        The run that took longest.
    """

    rest: AheadRun
    plain: Any

    def __init__(
        self,
        work: WorkList,
        split: Split,
        kernel: StatementRunner,
        options: Options,
        given: dict[str, Any],
    ) -> None:
        super().__init__(options, given)
        self.work, self.split = work, split
        self.begun = False
        self.longest: AheadRun | None = None
        self._kernel = kernel
        self._destination = Destination(options)
        self._levels: list[tuple[AheadRun, dict[int, list[int]]]] = []  # with places, by identity
        self._had: set[Any] = set()  # items that were computed, or are
        self._over = self._through = False
        self._values: tuple[Any, ...] | None = None
        self._coming: tuple[AheadRun, int] | None = None  # where those of this item come from
        self._began = time.perf_counter()
        self._since = self._spent = self._busy = self._cpu = 0.0
        self._looked = ENOUGH
        self._count = self._missed = self._used = 0
        self._seen: list[Any] = []
        self._items: Items | None = None
        self.plain = _Waiting(kernel.namespace[work.name])
        self.rest = AheadRun(split, kernel)

    def settle_now(self) -> None:
        """Raise a `Refusal` where values can't be computed ahead."""
        if self.split.changed_items:  # nobody knows which others come, and lead to them
            name, line = min(self.split.changed_items), self.work.stmt.lineno
            raise Refusal(line, f"changes `{name}` in place, which others may lead to")
        self.rest.settle(self.items_from(0), self.options)
        self._check()

    def _check(self) -> None:
        """Raise a `Refusal` where what runs ahead reads the list, which the loop changes."""
        line, name = self.work.stmt.lineno, self.work.name
        analysis = self.rest._analysis
        todo = self._kernel.namespace[name]
        try:
            reads = name in analysis.reads or any(
                one is todo for one in reachable(analysis.captured.values())
            )
        except TooLarge:
            reads = True
        if reads:
            raise Refusal(line, f"may read `{name}`, which the loop changes")

    # ------------------------------------------------------------ the loop

    def run(self, instead: Callable[[], ast.stmt | None]) -> None:
        """Run the loop; `instead` gives what runs its rest where nothing is computed ahead."""
        __tracebackhide__ = True
        kernel, stmt = self._kernel, self.work.stmt
        kernel.namespace[AHEAD] = self
        try:
            kernel.statement(self.work.rewritten(self.split), value=False)
        finally:
            self._values = None
            kernel.namespace.pop(AHEAD, None)
            self._end_levels()
        if self._over and self._through:
            kernel.statement(instead() or stmt, value=False)
        elif self._through:
            kernel.execute(stmt.orelse)

    @property
    def why(self) -> Refusal:
        """Why no values were computed ahead."""
        line = self.work.stmt.lineno
        return self.refusal or Refusal(line, self._stays or "workers would not pay")

    def _end_levels(self, all_of_them: bool = True) -> None:
        """End the runs of which no item waits any more, or all."""
        for level, places in [*self._levels]:
            if places and not all_of_them:
                continue
            self._levels.remove((level, places))
            level.end(wanted=not (places or level.goes_on))
            level.release()
            stats = level.stats
            longest = self.longest.stats if self.longest is not None else None
            if stats and (longest is None or stats.elapsed > longest.elapsed):
                self.longest = level

    # ------------------------------------------------------------ called by the loop's code

    def more(self) -> bool:
        """Whether the loop goes on as this one."""
        return not self._over

    def through(self) -> None:
        """Take in that the loop has come to its end, without a `break`."""
        self._through = True

    def item(self, item: Any) -> Any:
        """Take in that an item was taken from the list, and give it."""
        self._values, self._coming = None, None
        if self._over:
            return item
        self._end_levels(all_of_them=False)
        if self._missed > SOME and self._missed > self._used:
            self._over = True
            self._stays = "what its calls give can't be sent back as it is"
            return item
        if self._levels and not all(level.holds() for level, _ in self._levels):
            self._over = True
            return item
        if not self._take(item):
            if frozen(item):
                self._had.add(item)
            if not self._levels or not self._levels[-1][0].goes_on:
                self._decide()
        return item

    def _take(self, item: Any) -> bool:
        """Whether an item is one of a level; then its values are awaited where they are asked."""
        for level, places in self._levels:
            found = places.get(id(item))
            if not found or not level.is_item(found[0], item):
                continue
            self._coming = level, found.pop(0)
            if not found:
                del places[id(item)]
            return True
        return False

    def has(self, part: int) -> bool:
        """Whether there is a value for a part of the body: 0 is what leads it."""
        if self._coming is not None:
            level, position = self._coming
            self._coming = None
            self._values = level.values(position)
            self._missed += self._values is None
        if not self._values:
            self._cpu, self._since = time.thread_time(), time.perf_counter()
            return False
        self.begun = True
        self._used += 1
        values = self._values
        return part == 0 or all(frozen(values[at]) for at in self.split.uses[part - 1])

    def names(self, part: int) -> tuple[Any, ...]:
        """Give what the statements that lead the body bind."""
        assert self._values is not None
        return self._values[: len(self.split.names)]

    def value(self, part: int) -> Any:
        """Give the value of a call."""
        assert self._values is not None
        return self._values[len(self.split.names) + part - 1]

    def ended(self, part: int, value: Any) -> Any:
        """Take in that a part of the body has run here; give its value."""
        self._spent += time.perf_counter() - self._since
        self._busy += time.thread_time() - self._cpu
        self._count += 1
        self._seen = [[value]]
        return value

    # ------------------------------------------------------------ between two items

    def _decide(self) -> None:
        """Give what waits to workers, if that pays."""
        if not plain_first.ENABLED:
            self._begin_at_once()
            return
        if not self._count or (self._spent < self._looked and not self.begun):
            return
        took = time.perf_counter() - self._began
        each = self._spent / max(self._count, 1)
        if took > BRIEF and (each < LEAST or self._spent < PART * took) and not self.begun:
            self._over = True
            return
        self._looked = self._spent * 1.25
        waiting = self.items_from(0)
        left = len(waiting.known or ())
        if left < FEW or each * left < ENOUGH:
            return
        busy = min(1.0, self._busy / max(self._spent, 1e-9)) * self._spent
        seen = Evidence(items=self._count, wall=self._spent, busy=busy, left=left)
        self._items = waiting
        if self.decide(seen, 0, False):
            self._add(waiting)
        self._items = None
        self._over = self._over or self.refusal is not None

    def _begin_at_once(self) -> None:
        waiting = self.items_from(0)
        if not waiting.known:
            return
        self._settle(waiting)
        if not self._over:
            self.rest.start(self.options, self.given)
            self._add(waiting)

    def _settle(self, items: Items) -> None:
        self.prepare()
        try:
            self.rest.settle(items, self.options)
            self._check()
        except Refusal as refusal:
            self.refusal, self._over = refusal, True

    def _add(self, items: Items) -> None:
        places: dict[int, list[int]] = {}
        for at, one in enumerate(items.known or ()):
            places.setdefault(id(one), []).append(at)
            if frozen(one):
                self._had.add(one)
        self._levels.append((self.rest, places))

    def prepare(self) -> None:
        """Make another run, for the items that wait now."""
        self.rest = AheadRun(self.split, self._kernel)
        self.rest.seen, self._seen = self._seen, []

    def items_from(self, position: int) -> Items:
        """Give the items that wait, and that were not given to workers before."""
        if self._items is not None:
            return self._items
        known: list[Any] = []
        had: set[Any] = set()
        for one in self.work.waiting(self._kernel.namespace):
            if self._is_coming(one):
                continue
            if frozen(one):
                if one in self._had or one in had:
                    continue
                had.add(one)
            known.append(one)
        return Items(known)

    def _is_coming(self, item: Any) -> bool:
        return any(id(item) in places for _, places in self._levels)
