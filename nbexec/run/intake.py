"""Intake: what comes back from workers: reports of running items, replies, outcomes.

`deliver` and `report` may be called from any thread: they put a message into the loop's inbox.
All else runs in the loop's thread.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ..backends.base import Reply
from ..errors import OptionError
from ..items.outcomes import cut, died, heard, placed
from ..model import Chunk, Error, Outcome
from ..pacing.turning_away import TurnedAway
from ..placement.chooser import BackendChooser
from ..placement.slots import Slot
from ..telemetry import wording
from ..telemetry.events import Output, Progressed, Retried, Steered
from ..worker.issuing import ISSUED
from ..worker.setup_once import TORN
from . import failure_policy
from .context import RunContext
from .hedging import Ended, Hedging
from .reclaim import Reclaim
from .stopping import Stopping

# Backends whose workers' unix time is the kernel's, as that of a Dask worker elsewhere need not be.
SAME_CLOCK = frozenset({"serial", "threads", "asyncio", "processes", "interpreters"})


class Intake:
    """Takes in outcomes: items are finished, tried again, or halt the run.

    Parameters
    ----------
    run : RunContext
        The run.
    post : callable
        Has the loop call a function with arguments.

    Attributes
    ----------
    reclaim : Reclaim
        Brings in outcomes before their chunk is finished.
    hedging : Hedging
        Gives items that take long a second try, and one end.
    stopping : Stopping
        Brings in those of items that timed out or were aborted.
    chooser : BackendChooser
        Learns from every outcome; set by the loop, since it opens sessions that deliver here.
    """

    chooser: BackendChooser

    def __init__(self, run: RunContext, post: Callable[..., None]) -> None:
        self._run = run
        self._post = post
        self._emit = run.emit
        self._policy = failure_policy.Policy.of(run.options)
        self.reclaim = Reclaim(run, self.learn)
        self.hedging = Hedging(run, self._conclude, self.on_report)
        run.goes_on = self.hedging.returned
        self.stopping = Stopping(run, self.reclaim, self.hedging, self.judge)
        self.hedging.give_up = self.stopping.give_up

    def deliver(self, chunk: Chunk, reply: Reply) -> None:
        """Take a chunk's reply from any thread: nothing but a message to the loop."""
        self._post(self._on_reply, chunk, reply)

    def report(
        self, chunk: Chunk, offset: int | None, stream: str, said: Any, shown: bool = False
    ) -> None:
        """Take what an item reports while it runs, from any thread."""
        self._post(self.on_report, chunk, offset, stream, said, shown)

    def on_report(
        self, chunk: Chunk, offset: int | None, stream: str, said: Any, shown: bool
    ) -> None:
        """Take in what an item, or the worker of its chunk, reports."""
        if self.hedging.takes(chunk, offset, stream, said, shown):
            return
        if stream == "begun":
            self._run.slots.begun(chunk, self._run.clock())
            self._run.pacing.began(chunk, self._run.clock())
            return
        if stream == "returned":
            self.reclaim.returned(chunk, offset or 0)
            return
        if stream == TORN:
            self._on_torn_down(*said)
            return
        if stream == ISSUED:
            self._on_issued(chunk, offset or 0, said)
            return
        at = slice(None) if offset is None else slice(offset, offset + 1)
        indices = chunk.indices[at]
        if stream == "progress":
            if self._run.slots.awaits(chunk):  # else the item has ended meanwhile
                self._emit(Progressed(self._run.clock(), indices[0], *said))
        else:
            output = Output(self._run.clock(), indices[0], indices[-1], stream, said, shown)
            self._run.output.add(output)
            self._emit(output)

    def _on_torn_down(self, error: Error, worker: str) -> None:
        """Say that a teardown raised: no item's result depends on it."""
        note = f"teardown raised {wording.safe_repr(error.exception)} on {worker}"
        self._emit(Steered(self._run.clock(), note=note))
        logging.getLogger("nbexec").warning("%s\n%s", note, error.traceback.rstrip())

    def _on_issued(self, chunk: Chunk, offset: int, packed: bytes) -> None:
        """Take in what an item logged or warned."""
        in_turn = self._run.in_turn
        if in_turn is not None:
            in_turn.arrived(chunk, min(offset, len(chunk) - 1), packed)
            if not self._run.slots.awaits(chunk):  # the item has ended meanwhile
                self._run.issue(chunk)

    def _on_reply(self, chunk: Chunk, reply: Reply) -> None:
        if self.hedging.lost(chunk, reply):
            return
        flight = self._run.slots.release(chunk)
        if flight is None:  # it was aborted meanwhile, or taken back
            return
        outcome, slot = reply(), flight.slot
        if died(outcome):
            self._run.slots.lose_worker(slot)
            outcome = placed(outcome, *self._run.worker_of(slot, chunk))
        elif self.chooser.unsent(outcome):  # its items start where nothing is sent
            outcome = replace(outcome, values=[], errors={}, ends=[])
        else:
            slot.worker = outcome.worker or slot.worker
        slot.since = self._run.clock()  # the chunk that waited behind it begins
        for offset, stream, said in outcome.said:
            self.on_report(chunk, offset, stream, said, False)
        chunk, outcome = flight.awaited, cut(outcome, flight.start, flight.stop)
        started = len(outcome.values)
        if started < len(chunk):
            self._run.requeue(chunk.part(started), suspect=not started)
            chunk = chunk.part(0, started)
        if started:
            self.learn(slot, chunk, outcome)

    def learn(self, slot: Slot, chunk: Chunk, outcome: Outcome) -> None:
        """Take in the outcome of some items, and what it says of those to come."""
        size = outcome.sent + outcome.received
        self._run.backlog.sizer.measure(len(chunk), outcome.ends[-1], size)
        self.chooser.learn(slot, chunk, outcome)
        if outcome.errors:
            astray = self.chooser.astray(slot, outcome)
            for at in astray:
                self._run.requeue(chunk.pick([at], chunk.attempt))
            if astray:
                chunk, outcome = failure_policy.without(chunk, outcome, astray)
        if chunk.indices:
            self.judge(chunk, outcome)

    def judge(self, chunk: Chunk, outcome: Outcome) -> None:
        """Finish items, or have failed ones tried again, or halt the run."""
        if outcome.errors:
            outcome = self.stopping.explained(outcome)
        ended = self.hedging.ended(Ended(chunk, outcome, self._paced(chunk, outcome)))
        if ended is not None:
            self._conclude(ended)

    def _conclude(self, ended: Ended) -> None:
        now = self._run.clock()
        chunk, outcome = self._turn_away(ended, now)
        if not outcome.errors:
            if chunk.indices:
                self._run.finish(now, chunk, outcome)
            return
        own = chunk.own
        policy = self._policy if own is None else failure_policy.Policy.of(own.options)
        sorted_out = failure_policy.sort_out(chunk, outcome, policy)
        for one, error, wait, started, took in sorted_out.retries:
            facts = started, took, outcome.worker
            self._emit(Retried(now, one.indices[0], one.attempt, error, wait, *facts))
            self._again(one, now + wait)
        if sorted_out.stop is not None:
            self.stopping.halt(sorted_out.stop)
        if sorted_out.chunk.indices:
            self._run.finish(now, sorted_out.chunk, sorted_out.outcome)

    def _again(self, chunk: Chunk, until: float) -> None:
        """Have an item run once more."""
        self._run.output.keep(chunk.indices[0])
        self._run.backlog.delay(replace(chunk, hedge=False), until)

    def _paced(self, chunk: Chunk, outcome: Outcome) -> list[TurnedAway]:
        """Settle what items have cost; give those that a server has turned away."""
        run, pacing, now = self._run, self._run.pacing, self._run.clock()
        try:
            workers = run.choice.workers
            at_once = min(len(run.slots.busy()) + 1, workers) if outcome.errors else 0
            seen = outcome
            if outcome.errors and run.choice.backend in SAME_CLOCK:
                seen = heard(outcome, time.time())
            away = pacing.sort_out(chunk, seen, now, at_once, workers)
            pacing.came_back(chunk, outcome, now, {at for at, _ in away})
        except OptionError as why:  # of a function that the options give
            self.stopping.give_up(why)
            return []
        return away

    def _turn_away(self, ended: Ended, now: float) -> tuple[Chunk, Outcome]:
        """Have items wait that a server has turned away; give what is left."""
        chunk, outcome, away = ended
        for at, until in away:
            one, error = chunk.pick([at], chunk.attempt), outcome.errors[at]
            begun = outcome.ends[at - 1] if at else 0.0
            facts = outcome.started + begun, outcome.ends[at] - begun, outcome.worker
            self._emit(Retried(now, one.indices[0], one.attempt, error, until - now, *facts))
            self._again(one, until)
        if not away:
            return chunk, outcome
        self._post(self.reclaim.take_all_back)  # once this chunk has all of its events
        return failure_policy.without(chunk, outcome, {at for at, _ in away})
