"""Pacing: which item of a run may be sent now, and when to look again.

Used in the loop's thread alone.  Nothing here holds a worker: what may not start yet waits in
the kernel, and the loop goes on with everything else.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Hashable
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..errors import OptionError
from ..model import Chunk, Outcome, SlowDown
from ..options.rates import CALLS, Limit, limit_of
from ..options.record import Options
from ..telemetry import wording
from ..telemetry.events import Spending
from . import call_limits
from .asking import asking
from .budget import Budget
from .call_limits import Lanes, OwnTicket, lane_of, lateness_of
from .item_facts import ONE, ItemFacts
from .limiters import limiter_of
from .parked import Parked, Waiting
from .slowing import Slowing
from .windows import too_much

MOST_PARKED = 10_000  # items that are taken while they may not start; others may, by their key
SHOWN = 1.0  # seconds that the reason stays, for a reader: between two windows it goes away


Place = tuple[int, bool]  # of a try: the item's index, and whether it is the second one


@dataclass(eq=False, slots=True)
class Flight:
    """An item that was sent, and what was reserved for it."""

    key: Hashable
    ticket: Any  # None without a limit
    waiting: Waiting  # what it was before
    own: OwnTicket | None = None  # with the limit of the call itself


class Paused(NamedTuple):
    """Why nothing of a key starts before a time."""

    until: float
    key: Hashable
    asked: SlowDown


class TurnedAway(NamedTuple):
    """An item that a server turned away, and will be tried again."""

    at: int  # its offset in the chunk
    until: float  # on the run's clock


Take = Callable[[], Chunk | None]
Refuse = Callable[[Chunk, OptionError], None]


class Pacing:
    """The pace of one run.

    Parameters
    ----------
    options : Options
        The run's.
    parked : Parked
        Where items wait that were taken from the backlog, which counts them.
    star : bool
        Whether an item is several arguments.

    Attributes
    ----------
    refuse : callable
        Fails an item that can never start, with an error; set by the loop.
    unwanted : callable
        Says whether an item doesn't matter any more, since the run stops before it; likewise.
    broke : bool
        Whether the next item would take the run over its budget.
    """

    refuse: Refuse
    unwanted: Callable[[Chunk], bool]

    def __init__(self, options: Options, parked: Parked, star: bool = False) -> None:
        self.limit: Limit | None = None
        if options.rate is not None:
            self.limit = limit_of("rate", options.rate)
        self._limiter = None if self.limit is None else limiter_of(self.limit)
        rates = self.limit.rates if self.limit is not None else ()
        self._late = lateness_of(rates) if rates else 0.0
        self._facts = ItemFacts(options, star, rates)
        self._asks = asking(options)
        self._slowing = Slowing(options.deadline is not None)  # for servers, by key
        self._short = Slowing(False, halves=True)  # for this machine's files and threads
        self.budget = Budget(options.budget) if self._facts.priced else None
        self._parked = parked
        self._flights: dict[Place, Flight] = {}
        self._running: dict[Hashable, int] = {}  # by key
        self._keyed = self._facts.keyed  # or some calls have a key, or a limit, of their own
        self._lanes = Lanes()
        self._singly = self._limiter is not None or self._facts.keyed or options.budget is not None
        self._again = math.inf  # when a limit lets the next item start, which isn't taken yet
        self._held_at = -math.inf  # when a limit last had an item wait
        self._held_by = self.limit
        self._paused = Paused(-math.inf, None, SlowDown(0, None))  # the latest pause
        self._unaffordable: Hashable = None  # the lane of the item that would go over the budget
        self.broke = False

    # ------------------------------------------------------------ before an item is sent

    def most(self) -> float:
        """Give how many chunks may be at workers: the run sends no more."""
        most = math.inf if self._keyed else self._slowing.most(None)
        return min(most, self._short.most(None))

    def _until(self, key: Hashable) -> float:
        """Give the time before which nothing of a key starts."""
        return max(self._slowing.until(key), self._short.until(None))

    def next(self, take: Take, now: float) -> Chunk | None:
        """Give what may be sent now; `take` gives what is next in the backlog."""
        self._again = math.inf
        if not self._singly:
            if self._until(None) > now:
                self._again = self._until(None)
                return None
            chunk = take()
            if chunk is None or chunk.own is None or not chunk.own.paced:
                return chunk
            self._singly = True  # from now on
            if self._may_go(chunk, now):
                return chunk
        return self._next_parked(now) or self._next_new(take, now)

    def _next_parked(self, now: float) -> Chunk | None:
        while not self.broke and (ready := self._parked.ready(now)) is not None:
            (lane,) = ready
            waiting = self._parked.first(lane)
            if self.unwanted(waiting.chunk):
                self._unpark(lane, now)
                continue
            when = self._start(self._key(waiting.chunk), waiting, now)
            if when is None:
                self._unpark(lane, now)
                return waiting.chunk
            self._parked.put_off(lane, when)
        return None

    def drop_unwanted(self) -> None:
        """Forget the items that wait, and that don't matter any more."""
        for lane in self._parked.drop(self.unwanted):
            self._lanes.remove(lane)

    def _unpark(self, lane: Hashable, now: float) -> None:
        self._parked.pop(lane, now)
        if lane not in self._parked:
            self._lanes.remove(lane)

    def _next_new(self, take: Take, now: float) -> Chunk | None:
        facts = self._facts
        alike = not facts.keyed and not facts.costed and not facts.priced_before
        while not self.broke and len(self._parked) < (MOST_PARKED if self._keyed else 1):
            if alike and not self._free(now):
                return None
            chunk = take()
            if chunk is None:
                return None
            if self._may_go(chunk, now):
                return chunk
        return None

    def _may_go(self, chunk: Chunk, now: float) -> bool:
        """Whether an item that was taken starts now; else it is parked, or was refused."""
        if chunk.own is not None and chunk.own.paced:
            self._keyed = True
        item = chunk.items[0]
        try:
            key, amounts = self._key(chunk), self._facts.amounts(item)
            waiting = Waiting(chunk, amounts, self._facts.price_before(item))
            self._check(amounts)
            lane = lane_of(chunk, key)
            when = 0.0 if lane in self._parked else self._start(key, waiting, now)
        except OptionError as error:
            self.refuse(chunk, error)
            return False
        if when is None:
            return True
        self._parked.add(lane, waiting, when)
        self._lanes.add(lane)
        return False

    def _key(self, chunk: Chunk, at: int = 0) -> Hashable:
        """Give what an item's limits and slowing down are about."""
        own = chunk.own
        return self._facts.key(chunk.items[at]) if own is None or own.key is None else own.key

    def _free(self, now: float) -> bool:
        """Whether any item may start now; so that one that may not isn't taken."""
        if self.budget is not None and not self.budget.fits(None):
            self.broke = True
            return False
        at = self._short.until(None) if self._keyed else self._until(None)
        if at <= now and self._limiter is not None:
            at = self._limiter.free_at(None, ONE, now)
            if at > now:
                self._held_at, self._held_by = now, self.limit
        self._again = at if at > now else math.inf
        return at <= now

    def _check(self, amounts: dict[str, float]) -> None:
        over = too_much(self.limit.rates, amounts) if self.limit is not None else None
        if over is not None:
            raise OptionError(
                f"cost= gave {amounts[over.unit]:g} {over.unit} for an item: that is more than "
                f"rate= ever allows, {over}"
            )

    def _start(self, key: Hashable, waiting: Waiting, now: float) -> float | None:
        """Reserve the start of an item; else give when to look again."""
        until, most = self._until(key), self._slowing.most(key)
        if until > now:
            return until
        if self._keyed and self._running.get(key, 0) >= most:
            return math.inf
        if self.budget is not None and not self.budget.fits(waiting.price):
            if not waiting.chunk.hedge:  # the run goes on without a second try
                self.broke, self._unaffordable = True, lane_of(waiting.chunk, key)
            return math.inf
        free_at = call_limits.free_at(waiting.chunk, key, now)
        if free_at > now:
            self._held_at, self._held_by = now, waiting.chunk.own.limit
            return free_at
        ticket: Any = None
        if self._limiter is not None:
            all_or_one = key if self._facts.keyed else None  # a call's own key loosens no limit
            ticket = self._limiter.reserve(all_or_one, waiting.amounts, now)
            if isinstance(ticket, float):
                self._held_at, self._held_by = now, self.limit
                return ticket
        own = call_limits.reserve(waiting.chunk, key, now)
        if isinstance(own, float):  # another run was sooner; the start that is lost harms nobody
            if self._limiter is not None:
                self._limiter.started(ticket, now)
            return own
        place = _place(waiting.chunk)
        self._flights[place] = Flight(key, ticket, waiting, own)
        self._running[key] = self._running.get(key, 0) + 1
        if self.budget is not None:
            self.budget.begun(place, waiting.price)
        return None

    def hedge(self, chunk: Chunk, now: float) -> float | None:
        """Reserve the start of a second try, which is a call; else give when to look again."""
        first = self._flights.get((chunk.indices[0], False))
        if first is not None:
            return self._start(first.key, first.waiting._replace(chunk=chunk), now)
        return self._start(None, Waiting(chunk, ONE, self._facts.price_before(chunk.items[0])), now)

    # ------------------------------------------------------------ after that

    def began(self, chunk: Chunk, now: float) -> None:
        """Note that a worker has begun an item, at the time `now` or before."""
        flight = self._flights.get(_place(chunk))
        if flight is not None and self._limiter is not None:
            self._limiter.started(flight.ticket, now + self._late)
        if flight is not None and flight.own is not None:
            flight.own.started(now)

    def came_back(
        self, chunk: Chunk, outcome: Outcome, now: float, away: Container[int] = ()
    ) -> None:
        """Settle what was reserved for items that ended; those at `away` were turned away."""
        ended = bool(outcome.values) and not outcome.errors
        flight = self._settle(chunk, now)
        if flight is not None and ended and self._facts.corrected and self._limiter is not None:
            self._limiter.correct(flight.ticket, self._facts.actual(outcome.values[0]))
        if self.budget is None:
            return
        if flight is None:
            for at, value in enumerate(outcome.values):
                price = None if at in outcome.errors else self._facts.price(value)
                if price is None and at not in away:
                    price = self._facts.price_before(chunk.items[at])
                self.budget.price(price)
        elif ended:
            self.budget.ended(_place(chunk), self._facts.price(outcome.values[0]))
        else:
            self.budget.failed(_place(chunk), paid=0 not in away)

    def returned(self, chunk: Chunk, now: float) -> None:
        """Note that items came back that were not begun, as far as anybody knows."""
        if self._settle(chunk, now) is not None and self.budget is not None:
            self.budget.failed(_place(chunk), paid=False)

    def dropped(self, chunk: Chunk, now: float) -> None:
        """Settle what was reserved for a try that doesn't count: it was a call, and is paid."""
        known = self._settle(chunk, now) is not None
        if self.budget is not None:
            if not known:
                self.budget.begun(_place(chunk), self._facts.price_before(chunk.items[0]))
            self.budget.failed(_place(chunk))

    def _settle(self, chunk: Chunk, now: float) -> Flight | None:
        flight = self._flights.pop(_place(chunk), None) if self._flights else None
        if flight is None:
            return None
        self._over(flight, now)
        self._running[flight.key] -= 1
        if not self._running[flight.key]:
            del self._running[flight.key]
        if self.broke:
            self.broke = False
            self._parked.put_off(self._unaffordable, now)
        for lane in self._lanes.of(flight.key):
            self._parked.put_off(lane, now)
        return flight

    def _over(self, flight: Flight, now: float) -> None:
        if self._limiter is not None:
            self._limiter.started(flight.ticket, now)
        if flight.own is not None:
            flight.own.limiter.started(flight.own.ticket, now)

    def sort_out(
        self, chunk: Chunk, outcome: Outcome, now: float, at_once: int, workers: int
    ) -> list[TurnedAway]:
        """Give the items that servers have turned away, and that are worth trying again.

        `at_once` is how many ran just now, these among them, where the run has no keys.
        """
        pauses = self._slowing.pauses or self._short.pauses
        if self._asks is None or not (outcome.errors or pauses):
            return []
        found = []
        for at, error in outcome.errors.items():
            asked = self._asks(error)
            begun = now - (outcome.ends[-1] - (outcome.ends[at - 1] if at else 0.0))
            if asked is None or (asked.lacking and self._alone(begun, workers)):
                continue
            key = self._key(chunk, at)
            until = self._pause(key, asked, now, begun, at_once)
            if until is not None:
                found.append(TurnedAway(at, until))
                self._paused = max(self._paused, Paused(until, key, asked), key=lambda one: one[0])
                self._parked.put_off(key, until)
        if not outcome.errors and outcome.values:
            begun = now - outcome.ends[-1]
            self._slowing.passed(self._key(chunk), begun, workers)
            self._short.passed(None, begun, workers)
        return found

    def _alone(self, begun: float, workers: int) -> bool:
        """Whether an item ran with no other: what it lacks it would in a plain loop, too."""
        return workers <= 1 or (self._short.most(None) <= 1 and begun >= self._short.until(None))

    def _pause(
        self, key: Hashable, asked: SlowDown, now: float, begun: float, at_once: int
    ) -> float | None:
        """Give until when to pause; None where an item is not to be tried again."""
        if asked.lacking:
            return self._short.asked(None, now, asked.seconds, begun, at_once)
        if self._keyed:
            at_once = self._running.get(key, 1)
        return self._slowing.asked(key, now, asked.seconds, begun, at_once)

    def end(self, now: float) -> None:
        """Settle what is still reserved: the run is over."""
        for flight in self._flights.values():
            self._over(flight, now)
        self._flights.clear()

    # ------------------------------------------------------------ for the loop

    def due(self) -> float:
        """Give when something may start that may not yet; infinity where nothing waits."""
        return min(self._again, self._parked.due())

    def waits(self, now: float) -> bool:
        """Whether nothing may be sent, for now."""
        return self._again > now and self._again < math.inf

    @property
    def fastest(self) -> float | None:
        """Items a second that the limit allows in the long run; None where that depends on them."""
        if self.limit is None or self._facts.keyed:
            return None
        calls = (rate.most / rate.seconds for rate in self.limit.rates if rate.unit == CALLS)
        return min(calls, default=None)

    def words(self, now: float) -> str:
        """Say what is waited for; "" for nothing."""
        until, key, asked = self._paused
        if until > now:
            left = f"{wording.about(until - now)} left"
            if asked.lacking:
                return f"slowing down, out of {asked.lacking}: {left}"
            who = "" if key is None else f" by {wording.safe_repr(key, 40)}"
            why = f" (status {asked.status})" if asked.status else ""
            return f"slowing down, as asked{who}{why}: {left}"
        if self._held_at >= now - SHOWN:
            return f"waiting for the rate limit, {self._held_by}"
        return ""

    def note(self) -> str:
        """Say at the end how often the run had to slow down, and that a budget ended it."""
        ways = [(self._slowing, "as asked"), (self._short, "out of files or threads")]
        said = [
            f"slowed down {_times(slowing.pauses)}, {why}, for {wording.seconds(slowing.seconds)}"
            for slowing, why in ways
            if slowing.pauses
        ]
        return ", ".join([*said, *(["ended at the budget"] if self.broke else [])])

    def spending(self, left: int | None) -> Spending | None:
        """Give what was spent, and what `left` more items will cost; None without prices."""
        return None if self.budget is None else self.budget.spending(left)


def _place(chunk: Chunk) -> Place:
    return chunk.indices[0], chunk.hedge


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"
