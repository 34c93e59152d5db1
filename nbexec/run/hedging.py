"""Hedging: a second try of an item that takes long, on another worker; the first value counts."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from ..backends.base import Reply
from ..errors import OptionError
from ..model import Chunk, Outcome
from ..options.pacing_checks import late_after
from ..options.record import Options
from ..pacing.lateness import Lateness
from ..pacing.turning_away import TurnedAway
from ..placement.slots import InFlight
from ..telemetry.events import Dropped
from .context import RunContext

EVERY = 0.02  # seconds between two looks at what runs: at 1,000 items one takes 0.2 ms
NEVER = float("inf")


class Ended(NamedTuple):
    """The end of a try."""

    chunk: Chunk
    outcome: Outcome
    away: list[TurnedAway]


@dataclass(eq=False, slots=True)
class Pair:
    """The two tries of an item."""

    since: float  # when the first one began, on the run's clock
    running: dict[bool, Chunk]  # those at workers, by whether it is the second one
    failed: Ended | None = None  # waits for the other one
    said: list[tuple[Any, ...]] = field(default_factory=list)  # reports of the second one


class Hedging:
    """Which items are late, and what becomes of their tries; in the loop's thread alone.

    Parameters
    ----------
    run : RunContext
        The run.
    conclude : callable
        Takes in the end of an item, of which no try runs any more.
    report : callable
        Takes in what an item reported while it ran.

    Attributes
    ----------
    give_up : callable
        Ends the run for an error of a function that the options give; set by the intake.
    """

    give_up: Callable[[BaseException], None]

    def __init__(
        self, run: RunContext, conclude: Callable[[Ended], None], report: Callable[..., None]
    ) -> None:
        self._run = run
        self._lateness = _lateness_of(run.options)
        self._conclude = conclude
        self._report = report
        self._pairs: dict[int, Pair] = {}  # by the item's index
        self._late: list[InFlight] = []  # the longest first
        self._looked = -NEVER
        self._next_late = NEVER  # when the next one is, as far as is known
        self._again = NEVER  # when a limit lets a second try start
        self._learnt = False  # whether items have ended since the last look
        self._dropped: dict[Chunk, float] = {}  # until when each may go on; no reply is awaited

    # ------------------------------------------------------------ before a second try

    def due(self) -> float:
        """Give when to look for late items again; infinity for nothing that is known of."""
        if self._lateness is None or not self._run.slots.in_flight:
            return NEVER
        learnt = self._looked + EVERY if self._learnt else NEVER
        return min(self._next_late, self._again, learnt)

    def next(self, now: float) -> Chunk | None:
        """Give a second try that may be sent now."""
        if self._lateness is None:
            return None
        if now >= min(self._next_late, self._looked + EVERY):
            self._look(now, self._lateness)
        self._again = NEVER
        for flight in [*self._late]:
            chunk = flight.chunk
            if not self._run.slots.awaits(chunk) or self._run.backlog.unwanted(chunk):
                self._late.remove(flight)
                continue
            second = replace(chunk, hedge=True)
            when = self._reserve(second, now)
            if when is None:
                self._late.remove(flight)
                running = {False: chunk, True: second}
                self._pairs[chunk.indices[0]] = Pair(flight.slot.since, running)
                return second
            self._again = min(self._again, when)
        return None

    def _look(self, now: float, lateness: Lateness) -> None:
        self._looked, self._learnt, self._next_late = now, False, NEVER
        begun = [one for one in self._run.slots.in_flight.values() if _has_begun(one)]
        first = [one for one in begun if not one.chunk.hedge]
        after = lateness.after(len({one.chunk.indices[0] for one in begun}))
        if after == NEVER:
            self._late = []
            return
        alone = [one for one in first if one.chunk.indices[0] not in self._pairs]
        alone.sort(key=lambda one: one.slot.since)
        self._late = [one for one in alone if one.slot.since + after <= now]
        # one that begins from now on is late no sooner than that
        coming = [one.slot.since + after for one in alone[len(self._late) :]]
        self._next_late = min([now + after, *coming])

    def _reserve(self, second: Chunk, now: float) -> float | None:
        try:
            return self._run.pacing.hedge(second, now)
        except OptionError as why:
            self.give_up(why)
            return NEVER

    # ------------------------------------------------------------ while two tries run

    def since(self, chunk: Chunk, began: float) -> float:
        """Give when an item began, a try of which began then; its timeout counts from there."""
        pair = self._pairs.get(chunk.indices[0])
        if pair is None:
            return began
        first_decides = chunk.hedge and False in pair.running
        return NEVER if first_decides else pair.since

    def takes(self, chunk: Chunk, *report: Any) -> bool:
        """Take in a report of a try that may not count, or doesn't; give whether that is so."""
        if chunk in self._dropped:
            return True
        pair = self._pairs.get(chunk.indices[0]) if chunk.hedge else None
        if pair is None or report[1] in ("begun", "returned"):
            return False
        if report[1] != "progress":
            pair.said.append((chunk, *report))
        return True

    # ------------------------------------------------------------ after a try

    def ended(self, ended: Ended) -> Ended | None:
        """Take in the end of a try; give that of its item, if it has come."""
        chunk, outcome, _ = ended
        pair = self._pairs.get(chunk.indices[0])
        if pair is None:
            if not outcome.errors and outcome.ends:
                self._took(outcome.ends[-1])
            return ended
        pair.running.pop(chunk.hedge, None)
        if outcome.errors and pair.running:
            pair.failed = ended
            return None
        del self._pairs[chunk.indices[0]]
        counts, other = ended, pair.failed
        if not outcome.errors:
            self._took(self._run.clock() - pair.since)
            for loser in pair.running.values():
                self._drop(loser)
        elif other is not None and chunk.hedge:  # both failed: the first one's exception counts
            counts, other = other, counts
        if other is not None:
            self._forget_said(other.chunk)
            self._emit_dropped(other.chunk, other.outcome)
        if counts.chunk.hedge:
            for said in pair.said:
                self._report(*said)
        return counts

    def returned(self, chunk: Chunk) -> bool:
        """Take in that a try didn't begin; give whether its item has another one."""
        pair = self._pairs.get(chunk.indices[0])
        if pair is None:
            return False
        pair.running.pop(chunk.hedge, None)
        if not pair.running:
            del self._pairs[chunk.indices[0]]
            if pair.failed is None:  # neither has begun
                return False
        now = self._run.clock()
        self._run.pacing.returned(chunk, now)
        self._run.emit(Dropped(now, chunk.indices[0]))
        if chunk.hedge:
            pair.said.clear()
        else:
            self._forget_said(chunk)
        if pair.failed is not None:
            self._conclude(pair.failed)
        return True

    def lost(self, chunk: Chunk, reply: Reply) -> bool:
        """Take in the reply of a try that doesn't count; give whether it is one."""
        if self._dropped.pop(chunk, None) is None:
            return False
        flight = self._run.slots.leave(chunk)
        if flight is not None:
            flight.slot.since = self._run.clock()
            self._emit_dropped(chunk, reply())
        return True

    def drop_other(self, chunk: Chunk) -> None:
        """Stop the other try of an item that is stopped: it may be tried again at once."""
        pair = self._pairs.get(chunk.indices[0])
        other = pair.running.pop(not chunk.hedge, None) if pair is not None else None
        if other is not None:
            self._drop(other, patient=False)

    def forget(self, chunk: Chunk) -> None:
        """Drop all that is known of an item that was stopped, but for this try."""
        self.drop_other(chunk)
        pair = self._pairs.pop(chunk.indices[0], None)
        if pair is not None and pair.failed is not None:
            self._emit_dropped(pair.failed.chunk, pair.failed.outcome)

    def check(self) -> None:
        """Stop workers that are still in tries which don't count."""
        now = self._run.clock()
        for chunk in [one for one, until in self._dropped.items() if until <= now]:
            self._dropped[chunk] = NEVER
            self._stop(chunk)

    def patience(self) -> float:
        """Give when `check` has something to do; infinity for never."""
        return min(self._dropped.values(), default=NEVER)

    def end(self) -> None:
        """Stop every try that doesn't count: the run is over."""
        for chunk in self._dropped:
            self._stop(chunk)

    def _took(self, seconds: float) -> None:
        if self._lateness is not None:
            self._lateness.took(seconds)
            self._learnt = self._lateness.learns

    def _drop(self, chunk: Chunk, patient: bool = True) -> None:
        """Cancel a try: its item has a value, or none any more."""
        run, now = self._run, self._run.clock()
        self._forget_said(chunk)
        slot = run.slots.linger(chunk).slot
        slot.session.unwanted(slot.number)
        self._dropped[chunk] = now + slot.session.patience
        try:
            run.pacing.dropped(chunk, now)
        except OptionError as why:
            self.give_up(why)
        if not patient or slot.session.patience <= 0:
            self._dropped[chunk] = NEVER
            self._stop(chunk)

    def _stop(self, chunk: Chunk) -> None:
        """Have the worker of a try do something else, if it is still in it."""
        flight = self._run.slots.leave(chunk)
        if flight is None:
            return
        slot, now = flight.slot, self._run.clock()
        worker, seconds = self._run.worker_of(slot, chunk)
        slot.session.abort(slot.number)
        self._run.slots.lose_worker(slot)
        self._run.emit(Dropped(now, chunk.indices[0], time.time() - seconds, seconds, worker))

    def _forget_said(self, chunk: Chunk) -> None:
        """Drop what a try wrote and logged; what was shown stays so."""
        if not chunk.hedge:
            self._run.output.forget(chunk.indices[0])
            if self._run.in_turn is not None:
                self._run.in_turn.again(chunk)

    def _emit_dropped(self, chunk: Chunk, outcome: Outcome) -> None:
        seconds = outcome.ends[-1] if outcome.ends else 0.0
        facts = outcome.started, seconds, outcome.worker, outcome.cpu
        self._run.emit(Dropped(self._run.clock(), chunk.indices[0], *facts))


def _has_begun(flight: InFlight) -> bool:
    slot = flight.slot
    return (slot.begun or not slot.session.reports_begun) and slot.session.ready(slot.number)


def _lateness_of(options: Options) -> Lateness | None:
    """Give after how long an item is late; None where none ever is."""
    if options.hedge_after is None:
        return None
    return Lateness(*late_after("hedge_after", options.hedge_after))
