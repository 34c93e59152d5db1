"""Reclaim: work stealing.  Unstarted items, and finished values, leave a slow worker.

Where the loop shares the state of a chunk with its worker (in the kernel's own threads), it
takes items and values itself.  Elsewhere it asks the worker, which returns what it had not
started; the answer comes through the loop's inbox.
"""

from __future__ import annotations

from collections.abc import Callable

from ..items.outcomes import cut
from ..model import Chunk, Outcome
from ..placement.slots import InFlight, Slot
from ..worker.item_calls import BRIEF
from .context import RunContext

LOOK = 0.02  # seconds between two looks at chunks of brief items: which one of them lasts
SOON = 0.01  # seconds between two looks at what ended, where a journal is to have it
LATE = 0.4  # seconds that a chunk's finished values and unstarted items wait for a slow item

Learn = Callable[[Slot, Chunk, Outcome], None]


class Reclaim:
    """Takes items back from workers.

    Parameters
    ----------
    run : RunContext
        The run.
    learn : callable
        Takes in the outcome of items that are finished before the rest of their chunk.
    """

    def __init__(self, run: RunContext, learn: Learn) -> None:
        self._run = run
        self._learn = learn
        self._checked = 0.0  # when slow items were looked for
        self._collected = 0.0  # when finished values were, for the journal

    @property
    def poll(self) -> float | None:
        """Give the seconds between two looks for slow items; None where nothing needs one."""
        slots = self._run.slots
        if not slots.in_flight:
            return None
        each = self._run.backlog.sizer.item_seconds
        if self._each_soon and slots.shared:
            return SOON
        if each is not None and each <= BRIEF and slots.shared:
            return LOOK
        return LATE if slots.stealable else None

    @property
    def _each_soon(self) -> bool:
        """Whether to take in each item as it ends, for the journal: it may have cost something.

        The first ones, too, of which nobody knows yet whether they do.
        """
        sizer = self._run.backlog.sizer
        unknown = sizer.item_seconds is None and self._run.options.checkpoint is not None
        return sizer.costly or unknown

    def check(self) -> None:
        """Requeue unstarted items, and take in finished values, of chunks with a slow item."""
        slots, now = self._run.slots, self._run.clock()
        for flight in slots.in_flight.values():
            if flight.chunk_state is not None:
                flight.chunk_state.look()
        if not slots.stealable or not slots.in_flight:
            return
        if self._each_soon and now - self._collected >= SOON:
            self._collected = now
            self.collect_all()
        if now - self._checked < LATE:
            return
        self._checked = now
        for flight in list(self._run.slots.in_flight.values()):
            slot = flight.slot
            if len(flight) > 1 and flight is slot.flights[0] and now - slot.since > LATE:
                self.take_back(flight)
                self.collect(flight)

    def steal(self) -> bool:
        """Requeue items that wait behind others, for an idle slot; give whether there were any."""
        if self._run.backlog.sizer.fixed is not None or self._run.stop_after is not None:
            return False
        chunk = self._run.slots.steal()
        if chunk is not None:
            self._run.requeue(chunk)
        return chunk is not None

    def ask(self) -> None:
        """Ask workers that are overdue for their unstarted items, where other slots are idle."""
        slots, now = self._run.slots, self._run.clock()
        for slot in slots.overdue(now):
            if not slot.session.ready(slot.number):
                slots.postpone(slot, now)
                continue
            for flight in slot.flights[::-1]:
                slot.session.take_back(slot.number, flight.chunk)

    def returned(self, chunk: Chunk, kept: int) -> None:
        """Take in a worker's answer: it keeps the first `kept` items of the chunk."""
        rest = self._run.slots.returned(chunk, kept)
        if rest is None:
            return
        if kept == 0 and len(rest) > 1:
            # Loading it takes longer than what is waited for: sent on whole, it would only come
            # back whole from the next worker, and so on for ever.
            half = len(rest) // 2
            self._run.requeue(rest.part(half))
            rest = rest.part(0, half)
        self._run.requeue(rest)

    def take_back(self, flight: InFlight) -> None:
        """Requeue the unstarted items of a chunk, where its size isn't fixed."""
        if self._run.backlog.sizer.fixed is not None:
            return
        if flight.chunk_state is None:
            flight.slot.session.take_back(flight.slot.number, flight.chunk)
            return
        chunk = self._run.slots.take_back(flight, len(flight))
        if chunk is not None:
            self._run.requeue(chunk)

    def take_all_back(self) -> None:
        """Requeue the unstarted items of every chunk: nothing new may start for now."""
        for flight in list(self._run.slots.in_flight.values()):
            self.take_back(flight)

    def take_back_from_retired(self) -> None:
        """Requeue the unstarted items of slots that there are no more."""
        for flight in list(self._run.slots.in_flight.values()):
            if flight.slot.retired:
                self.take_back(flight)

    def collect(self, flight: InFlight) -> None:
        """Take in the finished items of a chunk before the rest is finished."""
        if flight.chunk_state is None:
            return
        worker = flight.slot.session.worker(flight.slot.number, flight.chunk)
        outcome = cut(flight.chunk_state.so_far(worker), flight.start, flight.stop)
        done = len(outcome.values)
        if 0 < done < len(flight):  # else its reply is on its way
            chunk = flight.awaited.part(0, done)
            self._run.slots.collected(flight, done)
            self._learn(flight.slot, chunk, outcome)

    def collect_all(self) -> None:
        """Take in the finished items of every chunk."""
        for flight in list(self._run.slots.in_flight.values()):
            self.collect(flight)
