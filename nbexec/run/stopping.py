"""Stopping: how a run ends before its last item, and what its `result` raises then.

A deadline, a cancel and a failing item halt the run: no item starts any more that comes after
the one where it stops.  Items that are running get a grace period and are then aborted; one
that is over its own timeout fails.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ..errors import Cancelled, DeadlineExceeded, ItemsError, MemoryLimitExceeded, RunCancelled
from ..items.outcomes import placed, stopped, stopped_error, timed_out
from ..model import Chunk, EndReason, Outcome
from ..placement.slots import Slot
from ..telemetry import wording
from ..telemetry.events import Steered
from .context import RunContext
from .failure_group import add_note, failure_group
from .hedging import Hedging
from .reclaim import Reclaim

# Seconds that items in the middle of their work get when a run is stopped.  With them, and
# 0.05 to 0.1 s for the click to be heard, a cell ends within 0.3 s of it.
GRACE = 0.15
POLL = 0.02  # seconds between two looks at items that may have to be aborted
# Seconds that a worker may take to load the function and run `setup`, beyond an item's timeout.
LOADING = 60.0

Judge = Callable[[Chunk, Outcome], None]


class Stopping:
    """Halts a run, and aborts what goes on too long.

    Parameters
    ----------
    run : RunContext
        The run.
    reclaim : Reclaim
        Collects what is finished of a chunk that is aborted.
    hedging : Hedging
        Has other tries of an item that must end with it.
    judge : callable
        Takes in the outcome of an item that timed out: it may be tried again.
    """

    def __init__(self, run: RunContext, reclaim: Reclaim, hedging: Hedging, judge: Judge) -> None:
        self._run = run
        self._reclaim = reclaim
        self._hedging = hedging
        self._judge = judge
        self.cancelled = False
        self.reason = ""  # why it was
        self.late = False  # whether the deadline has passed
        self.over_memory = ""  # how much was used, where the run had to end for that
        self._given_up: BaseException | None = None
        self.deadline = float("inf")  # on the run's clock
        self._since: float | None = None  # when it was halted
        self._timed = False  # whether a call that runs may have a timeout of its own

    def begin(self) -> None:
        """Have the time until the deadline begin."""
        if self._run.options.deadline is not None:
            self.deadline = self._run.clock() + self._run.options.deadline

    @property
    def poll(self) -> float | None:
        """Give the seconds between two `check`; None where nothing may have to be aborted."""
        timed = (self._timed or self._run.options.timeout is not None) and self._run.slots.in_flight
        return POLL if timed or self._since is not None else None

    def sent(self, chunk: Chunk) -> None:
        """Note that a chunk was sent, whose item may have a timeout of its own."""
        if chunk.own is not None and chunk.own.timeout is not None:
            self._timed = True

    def check(self) -> None:
        """Halt the run at its deadline, and abort items that are over their time."""
        if self._timed or self._run.options.timeout is not None:
            self._time_out()
        if self._run.clock() >= self.deadline and not self.late:
            self.late = True
            self.halt(-1)
        if self._since is not None and self._run.clock() - self._since >= GRACE:
            self._abort_unwanted()

    def halt(self, index: int, grace: bool = True) -> None:
        """Let only items up to `index` run to their end: those that a plain loop would run.

        Others that run are stopped, after a while with `grace`.
        """
        run = self._run
        if run.stop_after is None or index < run.stop_after:
            run.stop_after = run.backlog.limit = index
        if self._since is None:
            self._since = run.clock()
        if not grace:
            self._since = float("-inf")
        for slot in run.slots.busy():
            if self._unwanted(slot):
                slot.session.unwanted(slot.number)

    def cancel(self, reason: str = "") -> None:
        """Start nothing more; asked twice, give running items no grace either."""
        if self.cancelled:
            self._since = float("-inf")
            return
        self.cancelled, self.reason = True, reason
        self.halt(-1)
        self._run.emit(Steered(self._run.clock(), cancelling=True))

    def cancel_once(self, reason: str) -> None:
        """Start nothing more, for a token's sake; it has nobody who could ask twice."""
        if not self.cancelled:
            self.cancel(reason)

    def explained(self, outcome: Outcome) -> Outcome:
        """Have items that were stopped say why, which their workers don't know.

        So do those that found their run's token cancelled before the run heard of it.
        """
        token = self._run.token
        found = {at for at, one in outcome.errors.items() if isinstance(one.exception, Cancelled)}
        if found and token is not None and token.cancelled:
            self.cancel_once(token.reason)
        else:
            found = set()
        if self.reason:
            found |= {at for at, one in outcome.errors.items() if one.kind == "cancelled"}
        if not found:
            return outcome
        told = {at: stopped_error(outcome.errors[at].traceback, self.reason) for at in found}
        return replace(outcome, errors={**outcome.errors, **told})

    def exceed_memory(self, words: str) -> None:
        """End the run for want of memory; `words` say how much is used."""
        if not self.over_memory:
            self.over_memory = words
            self.halt(-1)

    def give_up(self, why: BaseException) -> None:
        """End the run for another reason, which its `result` raises."""
        if self._given_up is None:
            self._given_up = why
            self.halt(-1)

    def _unwanted(self, slot: Slot) -> bool:
        return all(self._run.backlog.unwanted(flight.awaited) for flight in slot.flights)

    def _time_out(self) -> None:
        """Fail the items that took too long; items travel alone where there is a timeout."""
        run, now, self._timed = self._run, self._run.clock(), False
        for slot in run.slots.busy():
            if not run.slots.has_awaited(slot):  # it was in the other try of an item
                continue
            chunk = slot.flights[0].chunk
            timeout = run.options.timeout if chunk.own is None else chunk.own.timeout
            if timeout is None:
                continue
            self._timed = self._timed or chunk.own is not None
            since = self._hedging.since(chunk, slot.since)
            waits = not slot.begun and slot.session.reports_begun
            if not slot.session.ready(slot.number):
                slot.since = now
            elif now - since > timeout + (LOADING if waits else 0.0):
                self._hedging.drop_other(chunk)
                worker, took = run.worker_of(slot, chunk)
                ended = slot.session.abort(slot.number)
                run.slots.release(chunk)
                run.slots.lose_worker(slot)
                self._judge(chunk, placed(timed_out(chunk, timeout, ended), worker, took))

    def _abort_unwanted(self) -> None:
        """Abort the slots whose items need not be waited for any more."""
        run = self._run
        for slot in run.slots.busy():
            if not run.slots.has_awaited(slot) or not self._unwanted(slot):
                continue
            self._hedging.forget(slot.flights[0].chunk)
            first, *waiting = flights = list(slot.flights)
            self._reclaim.collect(first)
            worker, seconds = run.worker_of(slot, first.chunk)
            slot.session.abort(slot.number)
            for flight in flights:
                run.slots.release(flight.chunk)
            left = stopped(first.awaited, self.reason)
            run.finish(run.clock(), first.awaited, placed(left, worker, seconds))
            for flight in waiting:
                run.finish(run.clock(), flight.awaited, stopped(flight.awaited, self.reason))
            run.slots.retire(slot)

    def conclude(self, name: str) -> tuple[EndReason, BaseException | None]:
        """Give how the run ended, and what its `result` raises."""
        reason, error = self._conclude(name)
        if self._run.options.on_error != "group":
            return reason, error
        group = failure_group(name, self._run.failures, self._run.feed)
        if group is None:
            return reason, error
        if error is None:
            return "failed", group
        error.add_note(f"nbexec: before that {group.message}")
        if error.__cause__ is None:
            error.__cause__ = group
        return reason, error

    def _conclude(self, name: str) -> tuple[EndReason, BaseException | None]:
        run = self._run
        stats = run.publisher.stats(run.clock())
        kept = f"{wording.counts(stats).replace('/', 'of')} results were kept"
        if self.cancelled:
            why = f": {self.reason}" if self.reason else ""
            return "cancelled", RunCancelled(f"{name} was cancelled{why}; {kept}")
        if self.late:
            after = f"{name} was stopped after deadline={run.options.deadline} s"
            return "failed", DeadlineExceeded(f"{after}; {kept}")
        if self.over_memory:
            return "failed", self._out_of_memory(name, kept)
        if self._given_up is not None:
            return "failed", self._given_up
        raised = run.in_turn.raised if run.in_turn is not None else None
        if raised is not None and (run.stop_after is None or run.stop_after >= raised[0]):
            return "failed", raised[1]
        if run.stop_after is not None:
            return self._first_failure(run.stop_after)
        if run.feed.error is not None:
            error = ItemsError(
                f"the iterable of items raised {wording.safe_repr(run.feed.error)} after "
                f"{run.feed.first + run.feed.taken:,} items; their results are in .partial_results"
            )
            error.__cause__ = run.feed.error
            return "failed", error
        return "done", None

    def _out_of_memory(self, name: str, kept: str) -> MemoryLimitExceeded:
        return MemoryLimitExceeded(
            f"{name} ended {self.over_memory.replace('waiting for', 'for want of', 1)}, "
            "though nothing of it was running any more. Its results may be what fills the "
            "memory: take them one by one with imap, or raise memory_limit="
            f"{self._run.options.memory_limit!r}. {kept}"
        )

    def _first_failure(self, index: int) -> tuple[EndReason, BaseException | None]:
        first = next((one for one in self._run.failures if one.index == index), None)
        if first is None:  # it was halted by `Run.enough`
            return "done", None
        add_note(first, self._run.feed)
        return "failed", first.exception
