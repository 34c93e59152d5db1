"""LoopRun: the items of a loop on workers; their records are committed in order."""

from __future__ import annotations

import ast
import functools
import itertools
import types
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

from ...errors import PickleError
from ...model import Failure
from ...options.record import Options
from ...placement.profiles import Profile
from ...system.silence import silently
from ...telemetry.stats import Stats
from ...worker.item_errors import Partial
from ..analysis.aliases import TooLarge
from ..analysis.analysis import Analysis, Refusal
from ..analysis.own_reads import OwnRead
from ..iteration.block import BlockIteration, BlockRecord
from ..iteration.held import Brought, HeldCode
from ..iteration.iteration import (
    AwaitingIteration,
    Changed,
    InKernel,
    Iteration,
    IterationRecord,
    Last,
)
from ..loops import rewrite
from ..loops.attributes import Lifted
from ..loops.eligibility import examine
from ..loops.find import ItemLoop
from ..loops.own_keys import held_code
from ..loops.places import Places
from ..loops.prompt import gives_promptly
from . import replayed_key
from .allowed_backend import allowed_backend, leaves, own_of
from .commit import Ending
from .dispatch import MapOutcome, MapRun, failed_as
from .early_end import stopping
from .in_kernel import StatementRunner
from .loop_items import Items
from .memo_run import RecordsMemos


class LoopRun(RecordsMemos, Ending):
    """One run of the items of a loop.

    Attributes
    ----------
    stats : Stats or None
        Statistics of the run, once there was one.
    assumed : str
        What was assumed without a check.
    stays_here : bool
        Whether its items must run in this process.
    lifted : Lifted or None
        The loop's attributes that are names.
    fresh : bool
        Whether its items were made for this run, and nothing else refers to them.
    """

    stays_here = False
    lifted: Lifted | None = None
    fresh = False

    def __init__(self, loop: ItemLoop, kernel: StatementRunner, collect: bool = False) -> None:
        self.loop = loop
        self.kernel = kernel
        self.stats: Stats | None = None
        self.assumed = ""
        self.collect = collect
        self.failures = []
        self._records = []
        self._through = 0

    def settle(self, items: Items, options: Options) -> None:
        """Analyse the body, and decide what the workers have to do.

        Raises
        ------
        Refusal
            It has to run serially.
        """
        self.items = items
        self._analysis = self._examine()
        self._settle_memos(options)
        allowed = allowed_backend(self.loop, items, self._analysis, options)
        self._more, self.stays_here = allowed.options, self.stays_here or allowed.stays_here
        self.reason = self.reason if allowed.reason is None else allowed.reason
        self._indexed = self._sharing(self._analysis, options)
        if self._indexed and self._bring:  # they travel with what is read, all of them
            self._analysis = self._examine(apart=False)
            self._indexed = self._sharing(self._analysis, options)
        if self.lifted is not None:
            own = [one for read in self._bring for one in read.roots]
            self.lifted.check([items.source, *items.sample, *self.captured, *own])

    def start(
        self, options: Options, given: dict[str, Any], profile: Profile | None = None
    ) -> None:
        """Give the items to workers, once it is settled; this returns at once.

        Parameters
        ----------
        options : Options
            The options in force.
        given : dict
            The options that were given for this cell; the run gets them.
        profile : Profile or None
            What its first items showed.
        """
        if self._memo_code is not None:
            self._memo_code.put()
        try:
            self._start(options, given, profile)
        except BaseException:
            self._record_no_more()
            raise

    def _start(self, options: Options, given: dict[str, Any], profile: Profile | None) -> None:
        analysis, indexed, cell = self._analysis, self._indexed, self.kernel.cell
        self._body = self._function(None if self._memo_code is None else self._memo_code.places)
        kind: Any = AwaitingIteration if self.loop.awaits else Iteration
        body = None
        alone = self.memos is not None or self.streams is not None
        if not _item_by_item(options) and not alone:
            body = rewrite.block_body(self.loop, self.kernel.namespace, cell.filename, cell.flags)
            kind = kind if body is None else functools.partial(BlockIteration, block=body)
        may_bring = bool(self._bring) and leaves(options) and options.checkpoint is None
        held = self._held(body is not None) if may_bring else None
        self._iteration = kind(
            self._body,
            tuple(sorted(self.loop.made)),
            self.items.known if indexed else None,
            keeps=bool(analysis.places or alone) or self.loop.awaits or self._binds,
            guarded=bool(analysis.captured or self._bring)
            or not (self.fresh or self.items.expected.frozen),
            fresh=self.fresh,
            profile=profile,
            held=held,
            memos=() if self.memos is None else self.memos.tables,
            draws=self.streams is not None,
        )
        given = {**given, **self._more, "name": options.name or self._name()}
        feed = self.items.feed(indexed)
        if held is not None:
            feed = [self._bringing(one, at) for at, one in enumerate(feed)]
        self._run = MapRun(
            *(self._iteration, feed, analysis.modules, given, self._ends),
            collect=self.collect,
            first=self.items.skipped,
            streams=None if self.streams is None else self.streams.streams,
        )
        self._run.start()

    def _function(self, places: Places | None = None) -> types.FunctionType:
        cell, namespace = self.kernel.cell, self.kernel.namespace
        return rewrite.body_function(self.loop, namespace, cell.filename, cell.flags, places=places)

    @property
    def _bring(self) -> list[OwnRead]:
        """The containers whose entries travel with the items."""
        return own_of(self._analysis)

    def _held(self, blocks: bool) -> HeldCode | None:
        """Give the code that reads these entries."""
        cell, namespace = self.kernel.cell, self.kernel.namespace

        def block(places: Places) -> types.FunctionType:
            made = rewrite.block_body(self.loop, namespace, cell.filename, cell.flags, places)
            assert made is not None
            return made.func

        return held_code(self.loop, self._analysis, self._function, block if blocks else None)

    def _bringing(self, item: Any, at: int) -> Any:
        reads = self._bring
        if type(item) is Last:
            return Last(Brought(item.item, at, reads))
        return Brought(item, at, reads)

    def shown(self, count: int) -> list[Any]:
        """Give some items as they would be sent."""
        found = self.items.sample[:count]
        if not self._bring or self.items.known is None:
            return found
        return [self._bringing(one, at) for at, one in enumerate(found)]

    def tried(self, count: int) -> list[Any]:
        """Give what the body records for a few items, which it may run once more.

        They are run here: what is recorded shows what it takes to send it back.
        """
        iteration = Iteration(self._function(), tuple(sorted(self.loop.made)))
        found: list[Any] = []
        if self.memos is not None or self.streams is not None:  # it would store, or draw
            return found
        try:
            with silently():  # their warnings come when it is their turn
                for item in self.items.sample[:count]:
                    found.append([what for _, what in iteration(item).entries])
        except Exception:  # it raises in its turn
            pass
        return found

    @property
    def in_blocks(self) -> bool:
        """Whether its brief items run many in one call."""
        alone = self.memos is not None or self.streams is not None
        return not alone and rewrite.runs_in_blocks(self.loop)

    @property
    def captured(self) -> list[Any]:
        """What the body reads from outside, which workers are sent."""
        return list(self._analysis.captured.values())

    def release(self) -> None:
        """Hold the items no more: the loop has ended."""
        self.keyed = ()
        if hasattr(self, "items"):
            self.items.release()

    def cancel(self) -> None:
        """Drop the items: the loop has ended before it came to them."""
        try:
            self._run.cancel()
        finally:
            self._record_no_more()

    def wait(self) -> Failure | BaseException | None:
        """Wait for the workers; give what ended the run, if anything did."""
        try:
            ran = self._run.finish()
        finally:
            self._record_no_more()
        self.stats = ran.stats
        error = self._sort(ran)
        self.assumed = self._assumed(self._analysis)
        return error

    @property
    def _binds(self) -> bool:
        """Whether it is a comprehension that binds names, which its consumer may read."""
        return bool(self.loop.bound) and not isinstance(self.loop.node, ast.For)

    def _sort(self, ran: MapOutcome) -> Failure | BaseException | None:
        """Separate records from failures; give what ended the run, if anything did."""
        self._records, self.failures, self._through = [], [], len(ran.done)
        found = _placed(ran.done)
        every = [*(one for _, one in found), ran.ended]
        changed = next((one for one in every if isinstance(one, Changed)), None)
        if changed is not None:  # records made in the kernel, in order, are right
            found = [*itertools.takewhile(_here, found)]
            self._through = found[-1][0] + 1 if found else 0
        if self.memos is not None:
            self._records, self._through = found, found[-1][0] + 1 if found else 0
            return changed or ran.ended
        for at, one in found:
            if isinstance(one, InKernel | PickleError):
                one = self._once_more(at, one)
            if isinstance(one, IterationRecord | BlockRecord):
                self._records.append((at, one))
            elif isinstance(one, InKernel | PickleError):
                self._through = at
                return one
            else:
                why = one.exception if isinstance(one, Failure) else one
                failure = replace(ran.done[at], item=self.items.taken[at], left=None)
                self.failures.append(replace(failure, exception=why))
        return changed or ran.ended

    def _once_more(self, at: int, why: BaseException) -> IterationRecord | Failure | BaseException:
        """Run an item in the kernel that could not run, or whose record could not be sent."""
        if self.loop.awaits:  # it was here
            return why
        item = self.items.taken[at] if self._iteration.items is None else at
        streams, index = self.streams, self.items.skipped + at
        try:
            with nullcontext() if streams is None else streams.item(index, self.items.taken[at]):
                return self._iteration(Last(item))
        except Partial as partial:
            return Failure(at, item, partial.error, left=partial.left)
        except InKernel as error:
            return error

    def _examine(self, apart: bool = True) -> Analysis:
        items, loop = self.items, self.loop
        if items.changing:
            raise Refusal(loop.line, "its items are iterators, which reading changes")
        if loop.consumed is not None and loop.consumed.folds is not None:
            raise Refusal(loop.line, "gives its function what it gave for the item before")
        if items.lazy and loop.stops and not self._may_run_on:
            raise Refusal(loop.line, f"{loop.what} may stop before it has taken every item")
        found = examine(
            loop,
            self.kernel.namespace,
            items.expected,
            [items.source],
            items.lazy,
            items.sample,
            items.known,
            items.skipped,
            apart and not loop.awaits,
            memos=self.may_record and not loop.awaits,
            draws=None if self.streams is None else self.streams.drawn_from,
        )
        if self.streams is not None:
            self.streams.of_module(loop.line)
        if loop.key == "list.sort":
            name = ast.unparse(loop.iter)
            replayed_key.unseen(self.kernel.namespace[name], name, loop.line, found)
        return found

    @property
    def _may_run_on(self) -> bool:
        """Whether workers may be given more items than the consumer asks for."""
        found, scope = self.loop.consumed, self.kernel.namespace
        return found is not None and found.ends != "some" and gives_promptly(self.loop.iter, scope)

    @property
    def _ends(self) -> Callable[[Any], bool]:
        """Whether a record is the last one that is wanted."""
        found = self.loop.consumed
        if found is None or found.ends in ("", "some"):
            return _broke
        equal = found.ends == "equal"
        return stopping(found.ends, self.kernel.evaluate(found.others[0]) if equal else None)

    def _sharing(self, analysis: Analysis, options: Options) -> bool:
        """Whether items must travel with the objects that the body reads: they may share parts."""
        captured = analysis.captured.values()
        if self.items.expected.frozen or not captured or not leaves(options):
            return False
        if self.items.lazy:
            try:
                self.items.keep_apart(captured)
            except TooLarge:
                reason = "there is too much to see whether its items are part of what it reads"
                raise Refusal(self.loop.line, reason) from None
        return not self.items.lazy

    def _assumed(self, analysis: Analysis) -> str:
        """Describe what was assumed without a check."""
        if not self._iteration.guarded or not analysis.libraries:
            return ""
        what = _listed(analysis.libraries)
        unseen = sum(_count(one) for _, one in self._records if one.unguarded)
        here = sum(not one.away for _, one in self._records)
        if unseen:
            return f"{what} changed nothing: after {unseen:,} items a look would have cost too much"
        if (
            here == len(self._records)
            and self.stats is not None
            and self.stats.backend in ("threads", "asyncio")
        ):
            return f"{what} changed nothing, which {self.stats.backend} can't tell"
        return ""

    def _name(self) -> str:
        shown: Any = self.loop if self.loop.mapped is None else self.loop.stmt
        target, source = ast.unparse(shown.target), ast.unparse(shown.iter)
        name = f"for {target} in {source}"
        return name if len(name) <= 60 else f"{name[:59]}…"


def _listed(names: list[str]) -> str:
    shown = ", ".join(f"`{name}`" for name in names[:3])
    return f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown


def _count(record: IterationRecord | BlockRecord) -> int:
    return record.count if isinstance(record, BlockRecord) else 1


def _item_by_item(options: Options) -> bool:
    """Whether an option is about single items, so that each has to run on its own."""
    limited = options.rate is not None or options.budget is not None
    return bool(options.checkpoint or options.timeout or options.retries or limited)


def _here(placed: tuple[int, Any]) -> bool:
    """Whether an item's record or failure was made in the kernel."""
    one = placed[1]
    left = one.left if isinstance(one, Failure) else one
    return isinstance(left, IterationRecord | BlockRecord) and not left.away


def _placed(done: list[Any]) -> list[tuple[int, Any]]:
    """Give results with the positions of their items, a block's with that of its last one."""
    found: list[tuple[int, Any]] = []
    at, end = 0, len(done)
    while at < end:
        one = done[at]
        if isinstance(one, BlockRecord):
            at += one.count - 1
            if done[at + 2 - one.count : at + 1] != [None] * (one.count - 1):
                return [*found, (at + 1 - one.count, InKernel("its block is not whole"))]
        elif isinstance(one, Failure):
            one = failed_as(one)
        elif one is None:
            one = InKernel("what its block did could not be sent")
        found.append((at, one))
        at += 1
    return found


def _broke(record: Any) -> bool:
    broke: bool = record.broke if record is not None else False
    return broke
