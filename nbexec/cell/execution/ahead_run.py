"""AheadRun: the part of a loop's body that is computed ahead, for many items on workers."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from ...model import Failure
from ...options.record import Options
from ...placement.profiles import Profile
from ..analysis.analysis import Analysis, Refusal
from ..iteration.boundary import arrived
from ..iteration.iteration import Changed, Iteration, IterationRecord
from ..loops.cached_calls import misses
from ..loops.carried import examine_in_order
from ..loops.eligibility import examine
from ..loops.own_items import OwnItems
from ..loops.split import CACHE, Split
from .dispatch import MapRun
from .in_kernel import StatementRunner
from .loop_items import containers
from .loop_run import LoopRun
from .reissue import reissue

if TYPE_CHECKING:
    from ...run.handle import Run

CHUNK = 0.05  # seconds of a chunk: the loop waits for the next one, and may end before its values
LOOKS = 10  # times that the loop is looked at once more
LOOK = 0.1  # seconds between two looks whether the run is over
# What hands out the objects that it holds, one by one: they tell whether an item is that of a run.
_HOLDING: tuple[type, ...] = (list, dict, set, type({}.keys()), type({}.values()))
_FIXED = (range, str, bytes, tuple, frozenset)


class AheadRun(LoopRun):
    """One run of what a split loop computes ahead.

    Parameters
    ----------
    split : Split
        The loop.
    kernel : StatementRunner
        The cell, and the namespace that it runs in.

    Attributes
    ----------
    carried : dict
        Names that the loop changes, with the types that they have to keep.
    seen : list
        A value that the part gave in the kernel: it shows what it takes to send it back.
    backend : str
        Where it goes if the options leave that open.
    """

    in_blocks = False

    def __init__(self, split: Split, kernel: StatementRunner) -> None:
        super().__init__(split.ahead, kernel)
        self.split = split
        self.carried: dict[str, type] = {}
        self.seen: list[Any] = []
        self.backend = "processes"
        self._there = threading.Condition()
        self._every: list[Any] = []
        self._places: dict[int, int] | None = None  # of items, among those that are sent
        self._before = 0  # items before the first
        self._come: dict[int, Any] = {}
        self._handle: Run | None = None
        self._looks = 0
        self._until: int | None = None  # the first item whose values can't be used, nor later ones

    def _examine(self, apart: bool = True) -> Analysis:
        items, whole = self.items, self.split.whole
        if items.known is None:
            raise Refusal(whole.line, "its items come one by one")
        if items.changing:
            raise Refusal(whole.line, "its items are iterators, which reading changes")
        scope, source, known = self.kernel.namespace, items.source, items.known
        item, skipped = items.expected, items.skipped
        analysis = examine(
            self.loop,
            scope,
            item,
            [source],
            False,
            items.sample,
            known,
            skipped,
            apart=False,
            ahead=True,
        )
        self._in_order(analysis)
        self._only_first()
        return analysis

    def _only_first(self) -> None:
        """Leave out items that a cache has values of by then, where all that is moved is its.

        A bounded cache has lost some by then: these are computed once more, as in the plain loop.
        """
        items = self.items
        self._every = known = items.known or []
        caches = self.split.caches.values()
        if not caches or len(self.split.moved) > len(caches):
            return
        if any(type(one) is not CACHE for one in caches):
            return
        if not items.expected.frozen:
            raise Refusal(self.split.whole.line, "a cache is called with what can be changed")
        bounds = [one.cache_parameters()["maxsize"] for one in caches]
        computed = misses(known, min((one for one in bounds if one is not None), default=None))
        self._places = {at: place for place, at in enumerate(computed)}
        items.known = items.taken = [known[at] for at in computed]

    def _in_order(self, analysis: Analysis) -> None:
        """Look at what the loop itself does, with its names as they are now."""
        items, known = self.items, self.items.known or []
        # The loop may add to what it takes its items from, where each shows which one it is.
        told = type(items.source) in (*_HOLDING, *_FIXED)
        roots = known if told else [*known, *containers(items.source)]
        self.carried = examine_in_order(
            self.split.whole,
            self.kernel.namespace,
            items.expected,
            roots,
            items.skipped,
            analysis,
            self.split.caches.values(),
            OwnItems(self.split.changed_items, known, self.split.by_keys),
        )

    def holds(self) -> bool:
        """Whether what was found of the loop still holds: names may have values of other types."""
        names = self.kernel.namespace
        if all(type(names.get(name)) is kind for name, kind in self.carried.items()):
            return True
        self._looks += 1
        try:
            self._in_order(self._analysis)
        except Refusal:
            return False
        return self._looks <= LOOKS

    def tried(self, count: int) -> list[Any]:
        """Give what the part gave in the kernel."""
        seen, self.seen = self.seen, []
        return seen

    def start(
        self, options: Options, given: dict[str, Any], profile: Profile | None = None
    ) -> None:
        """Give the items to workers, once it is settled; this returns at once."""
        self._body = self._function()
        analysis, items = self._analysis, self.items
        guarded = bool(analysis.captured) or not items.expected.frozen
        known = items.known if self._indexed else None
        self._iteration = Iteration(self._body, (), known, guarded=guarded, profile=profile)
        if options.backend == "auto":
            given = {**given, "backend": self.backend}
        if profile is not None and options.chunk is None:
            given = {**given, "chunk": max(1, int(CHUNK / profile.each))}
        given = {**given, **self._more, "name": options.name or self.split.what}
        self._before = items.skipped
        self._told = type(items.source) in _HOLDING
        self._run = MapRun(
            self._iteration,
            items.feed(self._indexed),
            analysis.modules,
            given,
            collect=True,
            watch=self,
            first=items.skipped,
        )
        self._run.start()

    @property
    def goes_on(self) -> bool:
        """Whether workers still compute some of it."""
        return self._handle is not None and self._run.goes_on

    def end(self, wanted: bool) -> None:
        """End the run; what is not `wanted` any more is cancelled."""
        if not wanted and self._handle is not None and self._run.goes_on:
            self._handle.cancel()
        self.stats = self._run.finish().stats
        here = self.stats is not None and self.stats.backend == "threads"
        if here and self._iteration.guarded and self._analysis.libraries:
            names = ", ".join(f"`{one}`" for one in self._analysis.libraries[:3])
            self.assumed = f"{names} changed nothing, which threads can't tell"

    # ------------------------------------------------------------ values, in the loop's order

    def is_item(self, at: int, item: Any) -> bool:
        """Whether an item of the loop is the one at a position of the run's."""
        return at < len(self._every) and (not self._told or self._every[at] is item)

    def is_over(self, at: int) -> bool:
        """Whether there is no item at a position."""
        return at >= len(self._every)

    def is_sent(self, at: int) -> bool:
        """Whether the item at a position is one whose values are computed ahead."""
        return self._places is None or at in self._places

    def values(self, at: int) -> tuple[Any, ...] | None:
        """Wait for the values of the item at a position; None where the loop must compute them."""
        item = self._every[at]
        at = at if self._places is None else self._places[at]
        record = self._wait(at)
        if not isinstance(record, IterationRecord) or self._changed(at):
            return None
        if record.unguarded and self._analysis.libraries and record.away:
            return None  # whether it changed something isn't known
        if record.warned and len(self.split.moved) > 1:
            return None  # which part of it warned isn't known
        ((_, values),) = record.entries
        found: tuple[Any, ...] = arrived(values, self.kernel.namespace, item)
        reissue(record.warned, self.kernel.namespace)
        return found

    def _changed(self, at: int) -> bool:
        """Whether something changed what it was given, before an item or in it."""
        return self._until is not None and self._until <= at

    def _wait(self, at: int) -> Any:
        handle = self._handle
        while handle is not None and self._run.goes_on:
            with self._there:
                if self._there.wait_for(lambda: at in self._come, LOOK):
                    break
            handle.idle()
        return self._come.pop(at, None)

    # ------------------------------------------------------------ called in the run's threads

    def begun(self, run: Run) -> None:
        """Take in the run before it starts."""
        self._handle = run

    def finished(self, index: int, record: Any) -> None:
        """Take in the record of an item, or its failure."""
        with self._there:
            self._come[index - self._before] = record
            self._there.notify_all()

    def missing(self, index: int, failure: Failure) -> None:
        """Take in that an item has neither."""
        at = index - self._before
        with self._there:
            if isinstance(failure.exception, Changed):  # what it had changed, later ones have not
                self._until = at if self._until is None else min(at, self._until)
            self._come[at] = failure
            self._there.notify_all()
