"""SlotTable: which slot has which chunks.  Bookkeeping for the run's loop, which sends them."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from typing import Any

from ..backends.base import Running, Session
from ..model import Chunk
from ..telemetry.events import Part
from ..worker.chunk_state import SharedChunkState

OVERDUE = 0.5  # of a chunk's budget, after which its unstarted items may go to other slots


@dataclass(eq=False, slots=True)
class Slot:
    """A place at a session where chunks run one after the other."""

    session: Session
    number: int
    flights: list[InFlight] = field(default_factory=list)
    retired: bool = False  # takes nothing more
    since: float = 0.0  # when its first chunk began, on the run's clock
    begun: bool = False  # whether its worker acknowledged that
    worker: str = ""  # that ran the chunk which came back last
    used: bool = False  # whether a worker may stand behind it

    @property
    def due(self) -> float:
        """When its first chunk is overdue."""
        return self.since + self.flights[0].chunk.budget * OVERDUE


@dataclass(eq=False, slots=True)
class InFlight:
    """A chunk at a slot, and which of its items are awaited, by their offsets."""

    slot: Slot
    chunk: Chunk
    stop: int  # items from this offset on were taken back
    start: int = 0  # items before this offset are finished, and taken in
    chunk_state: SharedChunkState | None = None  # where the loop shares it with the worker

    def __len__(self) -> int:
        return self.stop - self.start

    @property
    def awaited(self) -> Chunk:
        """The items that are awaited."""
        if self.stop - self.start == len(self.chunk):
            return self.chunk
        return self.chunk.part(self.start, self.stop)


class SlotTable:
    """The slots of a run, and the chunks that are at each."""

    def __init__(self) -> None:
        self.in_flight: dict[Chunk, InFlight] = {}
        self._lingering: dict[Chunk, InFlight] = {}  # goes on at its worker, and isn't awaited
        self.stealable = False  # whether the loop can take items back without asking a worker
        self._items = 0  # that are awaited
        self._busy = 0  # slots that have some
        self._stealable: dict[Chunk, InFlight] = {}  # with items to take back, the oldest first
        self._askable: dict[Slot, None] = {}  # whose worker may be asked, and was not yet
        self._sessions: list[Session] = []
        self._ending: dict[Session, Sequence[Future[Any]]] = {}  # with what tears down there
        self._slots: list[Slot] = []
        # Ordered sets: first those with a worker, the last one that had work before the others,
        # so that few calls need few workers, and the others can be released.
        self._idle: OrderedDict[Slot, None] = OrderedDict()
        self._half: dict[Slot, None] = {}  # have one chunk
        self._later = 0  # slots, once the old ones have finished
        self._count = 0  # that were asked for
        self._lent = 0  # beside these, while items wait in as many
        self._odd = False  # whether some were ever lent: numbers and places may differ then

    def switch_to(self, session: Session, count: int, later: int = 0) -> None:
        """Have `count` slots of `session` take new chunks; the old ones finish theirs.

        `later` of them open once the old slots are empty.
        """
        self._set_count(0)
        self._sessions.append(session)
        self.stealable = session.stealable
        self._later = later if self.in_flight else 0
        self._set_count(count - self._later)

    @property
    def draining(self) -> bool:
        """Whether there are old sessions, with chunks to finish."""
        return len(self._sessions) > 1

    def tear_down(self, within: float) -> int:
        """Have every worker call teardown, and wait for that; give how many are late.

        Parameters
        ----------
        within : float
            Seconds.
        """
        for session in self._sessions:
            self._ending[session] = session.tear_down()
        self._sessions = []
        return len(wait(itertools.chain(*self._ending.values()), within).not_done)

    def close_drained(self) -> None:
        """Close old sessions that have finished, so that their workers are free."""
        there = [*self.in_flight.values(), *self._lingering.values()] if self._sessions[1:] else []
        busy = {one.slot.session for one in there}
        for session in self._sessions[:-1]:
            if session not in busy:
                self._sessions.remove(session)
                self._ending[session] = session.tear_down()
        for session, ends in [*self._ending.items()]:
            if all(one.done() for one in ends):
                del self._ending[session]
                session.close()

    @property
    def running_count(self) -> int:
        """How many slots have something."""
        return self._busy

    def prepare(self, count: int) -> int:
        """Make ready for `count` slots; give for how many that was possible."""
        return self._sessions[-1].prepare(count)

    def resize(self, count: int) -> None:
        """Have `count` slots from now on."""
        self._later = 0
        self._set_count(count)
        self._sessions[-1].resize(count)

    def lend(self, count: int) -> None:
        """Have `count` slots more than were asked for."""
        if self._sessions:
            self._lent, self._odd = count, True
            self._set_count(self._count)
            self._sessions[-1].resize(self._count + count)

    def _set_count(self, count: int) -> None:
        self._count = count
        wanted = count + self._lent if count else 0
        while len(self._slots) > wanted:
            self.retire(self._slots.pop(self._superfluous()))
        if len(self._slots) == wanted:
            return
        free = self._free_numbers()
        while len(self._slots) < wanted:
            slot = Slot(self._sessions[-1], next(free))
            self._slots.append(slot)
            self._sort(slot)

    def _superfluous(self) -> int:
        """Give which slot to retire: of those that were lent to it, one that has nothing."""
        if self._odd:
            for at in range(len(self._slots) - 1, 0, -1):
                if not self._slots[at].flights:
                    return at
        return len(self._slots) - 1

    def _free_numbers(self) -> Iterator[int]:
        """Give numbers that no slot has; one whose item goes on keeps its own."""
        if not self._odd:
            return itertools.count(len(self._slots))
        flights = [*self.in_flight.values(), *self._lingering.values()]
        used = {slot.number for slot in self._slots}
        used |= {one.slot.number for one in flights if one.slot.session is self._sessions[-1]}
        return (number for number in itertools.count() if number not in used)

    def has_room(self, depth: int) -> bool:
        """Whether a slot can take a chunk, with at most `depth` (1 or 2) at each."""
        return bool(self._idle or (depth > 1 and self._half))

    @property
    def shared(self) -> bool:
        """Whether the loop shares the state of a chunk of several items with its worker."""
        flights = self.in_flight.values()
        return any(one.chunk_state is not None and len(one.chunk) > 1 for one in flights)

    @property
    def waiting(self) -> int:
        """How many items wait at slots behind others, more or less."""
        return self._items - self._busy

    def assign(self, chunk: Chunk, now: float) -> InFlight:
        """Choose the slot for a chunk: an idle one if there is one."""
        slot = next(iter(self._idle or self._half))
        if not slot.flights:
            slot.since = now
            self._busy += 1
        flight = InFlight(slot, chunk, len(chunk))
        slot.flights.append(flight)
        slot.begun, slot.used = False, True
        self.in_flight[chunk] = flight
        self._items += len(chunk)
        self._sort(slot)
        return flight

    def sent(self, flight: InFlight, chunk_state: SharedChunkState | None) -> None:
        """Note that the chunk was sent, and the state that its worker shares, if it does."""
        slot, chunk = flight.slot, flight.chunk
        flight.chunk_state = chunk_state
        if len(chunk) > 1 or len(slot.flights) > 1:
            if chunk_state is not None:
                self._stealable[chunk] = flight
            else:
                self._askable[slot] = None

    def _sort(self, slot: Slot) -> None:
        """Sort the slot in among the idle ones and those with one chunk."""
        self._idle.pop(slot, None)
        self._half.pop(slot, None)
        if slot.retired or len(slot.flights) > 1:
            return
        if slot.flights:
            self._half[slot] = None
            return
        self._idle[slot] = None
        if slot.used:
            self._idle.move_to_end(slot, last=False)

    def awaits(self, chunk: Chunk) -> bool:
        """Whether a chunk is at a slot."""
        return chunk in self.in_flight

    def earliest(self) -> float:
        """Give the smallest index of an item that is awaited; infinity for none."""
        flights = self.in_flight.values()
        return min((one.chunk.indices[one.start] for one in flights), default=float("inf"))

    def begun(self, chunk: Chunk, now: float) -> None:
        """Note that a worker starts the item of a chunk now."""
        if self.awaits(chunk):
            slot = self.in_flight[chunk].slot
            slot.since, slot.begun = now, True

    def release(self, chunk: Chunk) -> InFlight | None:
        """Note that a chunk came back; give where from, or None if it was not awaited."""
        if not self.awaits(chunk):
            return None
        flight = self.in_flight.pop(chunk)
        self._stealable.pop(chunk, None)
        self._items -= len(flight)
        slot = flight.slot
        slot.flights.remove(flight)
        if not slot.flights or (len(slot.flights) == 1 and len(slot.flights[0]) == 1):
            self._askable.pop(slot, None)
        self._busy -= not slot.flights
        self._sort(slot)
        if self._later and not any(one.slot.retired for one in self.in_flight.values()):
            later, self._later = self._later, 0
            self._set_count(self._count + later)
        return flight

    def linger(self, chunk: Chunk) -> InFlight:
        """Await a chunk no more, whose only item goes on at its worker, which stays taken."""
        flight = self._lingering[chunk] = self.in_flight.pop(chunk)
        self._items -= len(flight)
        self._busy -= 1
        return flight

    def leave(self, chunk: Chunk) -> InFlight | None:
        """Note that a chunk which wasn't awaited is over; None where it was stopped before."""
        flight = self._lingering.pop(chunk, None)
        if flight is not None:
            flight.slot.flights.remove(flight)
            self._sort(flight.slot)
        return flight

    def has_awaited(self, slot: Slot) -> bool:
        """Whether the first chunk of a slot is awaited."""
        return bool(slot.flights) and slot.flights[0].chunk in self.in_flight

    def release_idle(self, before: float) -> bool:
        """Give the workers of slots back that have had nothing since `before`.

        Gives whether there are other slots with a worker.
        """
        held = False
        for slot in self._slots:
            if slot.used and not slot.flights and slot.since <= before:
                slot.session.release(slot.number)
                slot.used = False
                self._idle.move_to_end(slot)
            held = held or slot.used
        return held

    def lose_worker(self, slot: Slot) -> None:
        """Note that the worker of a slot is gone, or stuck: others go before its next one."""
        slot.used = False
        if slot in self._idle:
            self._idle.move_to_end(slot)

    def retire(self, slot: Slot) -> None:
        """Have a slot take nothing more; it finishes what it has."""
        slot.retired = True
        self._sort(slot)

    def busy(self) -> list[Slot]:
        """Give the slots that have something."""
        return list({id(flight.slot): flight.slot for flight in self.in_flight.values()}.values())

    def steal(self) -> Chunk | None:
        """Take unstarted items back for an idle slot; None where there are none.

        They come from the chunk that was sent first: its worker may be in a slow item.
        """
        while self._idle and self._stealable:
            flight = next(iter(self._stealable.values()))
            assert flight.chunk_state is not None
            chunk = self.take_back(flight, (flight.chunk_state.pending + 1) // 2)
            if chunk is not None:
                return chunk
            self._stealable.pop(flight.chunk, None)
        return None

    def due(self) -> float | None:
        """When a slot is overdue whose worker may be asked; None where no other slot is idle."""
        if not self._idle or not self._askable:
            return None
        return min(slot.due for slot in self._askable)

    def overdue(self, now: float) -> list[Slot]:
        """Give the overdue slots; each is given once for the chunks that it has now."""
        if not self._idle or not self._askable:
            return []
        late = [slot for slot in self._askable if slot.due <= now]
        for slot in late:
            del self._askable[slot]
        return late

    def postpone(self, slot: Slot, now: float) -> None:
        """Have the time of a slot begin only now: its worker is not ready yet."""
        slot.since = now
        self._askable[slot] = None

    def returned(self, chunk: Chunk, kept: int) -> Chunk | None:
        """Note that a worker keeps only `kept` items; give the others, if there are any."""
        flight = self.in_flight.get(chunk)
        if flight is None or kept >= flight.stop:
            return None
        rest = chunk.part(kept, flight.stop)
        self._shorten(flight, kept)
        return rest

    def _shorten(self, flight: InFlight, stop: int) -> None:
        self._items -= flight.stop - stop
        flight.stop = stop
        if not len(flight):
            self.release(flight.chunk)

    def take_back(self, flight: InFlight, most: int) -> Chunk | None:
        """Take up to `most` unstarted items back; None where there are none."""
        count = 0 if flight.chunk_state is None else flight.chunk_state.take_back(most)
        if not count:
            return None
        chunk = flight.chunk.part(flight.stop - count, flight.stop)
        self._shorten(flight, flight.stop - count)
        return chunk

    def collected(self, flight: InFlight, count: int) -> None:
        """Note that the first `count` awaited items have ended."""
        flight.start += count
        self._items -= count

    def running(self) -> tuple[Running, Chunk] | None:
        """Give the seconds of the chunk that runs now at the first slot, and the chunk."""
        running = self._sessions[-1].running()
        flights = self._slots[0].flights if self._slots else ()
        return (running, flights[0].chunk) if running is not None and flights else None

    def elsewhere(self) -> Sequence[Part] | None:
        """Give what the workers use, where they are not the kernel's own processes."""
        return self._sessions[-1].elsewhere() if self._sessions else None

    @property
    def can_restart(self) -> bool:
        """Whether the workers that take new chunks can be restarted."""
        return not self._sessions or self._sessions[-1].restartable

    def restart(self) -> None:
        """Have each worker end once it is idle."""
        for session in self._sessions:
            session.restart()

    def trim(self) -> None:
        """Have idle workers end that hold memory; others take their places when needed."""
        for session in self._sessions:
            session.trim()

    def close(self) -> None:
        """Give every session's workers back."""
        for session in (*self._sessions, *self._ending):
            session.close()
        self._ending.clear()
