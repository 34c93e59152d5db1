"""Work stealing by `nbexec.run.reclaim`, with a clock and a session that the test moves."""

from __future__ import annotations

import pytest

from nbexec.backends.base import Session
from nbexec.items.chunk_size import ChunkSizer
from nbexec.items.feed import Source
from nbexec.items.sinks import Gather
from nbexec.model import Chunk
from nbexec.options.record import Options
from nbexec.placement.slots import OVERDUE, SlotTable
from nbexec.run.backlog import Backlog
from nbexec.run.context import RunContext
from nbexec.run.reclaim import LATE, SOON, Reclaim
from nbexec.telemetry.publisher import Publisher
from nbexec.worker.chunk_state import SharedChunkState


class Asked(Session):
    """Notes what its workers are asked for."""

    def __init__(self, stealable):
        self.stealable = stealable
        self.asked = []
        self.is_ready = True

    def submit(self, slot, chunk):
        return SharedChunkState(chunk.items) if self.stealable else None

    def take_back(self, slot, chunk):
        self.asked.append((slot, chunk))

    def ready(self, slot):
        return self.is_ready

    def worker(self, slot, chunk):
        return f"thread {slot}"

    def abort(self, slot):
        return True

    def close(self):
        pass


class Bench:
    """A run's parts around a `Reclaim`, without a loop."""

    def __init__(self, stealable, chunk=None, **options):
        self.now = 100.0
        self.session, self.learned = Asked(stealable), []
        backlog = Backlog(Source([()], None), ChunkSizer(chunk))
        slots = SlotTable()
        slots.switch_to(self.session, 2)
        self.run = RunContext(
            Options(**options), Gather(0), backlog, slots, Publisher([]), clock=lambda: self.now
        )
        self.reclaim = Reclaim(self.run, lambda *what: self.learned.append(what))

    def send(self, chunk):
        flight = self.run.slots.assign(chunk, self.now)
        self.run.slots.sent(flight, self.session.submit(flight.slot.number, chunk))
        return flight

    def pending(self):
        found = []
        while (chunk := self.run.backlog.next(1, None)) is not None:
            found += chunk.indices
        return found


def worked(flight, *values):
    """Have a worker finish some items, and be in the middle of the next one."""
    state = flight.chunk_state
    for value in values:
        next(state.items)
        state.values.append(value)
        state.ends.append(0.1)
    next(state.items)


@pytest.fixture
def shared():
    return Bench(stealable=True)


@pytest.fixture
def remote():
    return Bench(stealable=False)


def test_behind_a_slow_item_nothing_waits_neither_items_nor_values(shared):
    flight = shared.send(Chunk(range(5), "abcde"))
    worked(flight, "A", "B")
    shared.reclaim.check()
    assert not shared.learned  # it is not late yet
    shared.now += LATE + 0.01
    shared.reclaim.check()
    ((slot, chunk, outcome),) = shared.learned
    assert (slot, list(chunk.items), outcome.values) == (flight.slot, ["a", "b"], ["A", "B"])
    assert outcome.worker == "thread 0"
    assert list(flight.awaited.items) == ["c"]
    assert shared.pending() == [3, 4]


@pytest.mark.parametrize("journal", ["journal.db", None])
def test_a_journal_has_the_first_items_soon_though_nobody_knows_how_long_they_take(journal):
    bench = Bench(stealable=True, checkpoint=journal)
    flight = bench.send(Chunk(range(5), "abcde"))
    worked(flight, "A", "B")
    assert bench.reclaim.poll == (SOON if journal else LATE)
    bench.now += SOON
    bench.reclaim.check()
    assert [outcome.values for _, _, outcome in bench.learned] == ([["A", "B"]] if journal else [])
    assert bench.pending() == []
    bench.run.backlog.sizer.measure(2, 0.001)  # then they cost nothing
    assert bench.reclaim.poll != SOON


def test_it_looks_only_now_and_then(shared):
    shared.send(Chunk(range(2), "ab"))
    shared.now += LATE + 0.01
    shared.reclaim.check()
    worked(shared.send(Chunk(range(10, 15), "vwxyz")), "V")
    shared.now += LATE / 2
    shared.reclaim.check()
    assert not shared.learned


def test_an_idle_slot_gets_half_of_what_waits_elsewhere(shared):
    worked(shared.send(Chunk(range(5), "abcde")))
    assert shared.reclaim.steal()
    assert shared.pending() == [3, 4]
    assert shared.reclaim.steal()
    assert shared.reclaim.steal()
    assert shared.pending() == [1, 2]
    assert not shared.reclaim.steal()


@pytest.mark.parametrize("why", ["chunks of a fixed size", "a run that stops"])
def test_nothing_is_stolen_from(why):
    bench = Bench(stealable=True, chunk=5 if "fixed" in why else None)
    if "stops" in why:
        bench.run.stop_after = 9
    worked(bench.send(Chunk(range(5), "abcde")))
    assert not bench.reclaim.steal()


def test_another_process_is_asked_once_it_is_overdue(remote):
    flight = remote.send(Chunk(range(5), "abcde", budget=1.0))
    remote.reclaim.ask()
    assert not remote.session.asked
    remote.now += OVERDUE
    remote.reclaim.ask()
    remote.reclaim.ask()
    assert remote.session.asked == [(0, flight.chunk)]
    remote.reclaim.returned(flight.chunk, 2)
    remote.reclaim.returned(flight.chunk, 2)
    assert remote.pending() == [2, 3, 4]
    assert list(flight.awaited.items) == ["a", "b"]


def test_a_worker_that_is_still_starting_is_not_late(remote):
    remote.send(Chunk(range(5), "abcde", budget=1.0))
    remote.session.is_ready = False
    remote.now += 60.0
    remote.reclaim.ask()
    assert not remote.session.asked
    remote.session.is_ready = True
    remote.reclaim.ask()
    assert not remote.session.asked  # its time has only begun
    remote.now += OVERDUE
    remote.reclaim.ask()
    assert len(remote.session.asked) == 1


def test_a_pause_takes_all_back_that_has_not_started(shared):
    for start in 0, 10:
        worked(shared.send(Chunk(range(start, start + 3), "abc")))
    shared.reclaim.take_all_back()
    assert shared.pending() == [1, 2, 11, 12]


def test_slots_that_are_no_more_give_their_items_back(shared):
    for start in 0, 10:
        worked(shared.send(Chunk(range(start, start + 3), "abc")))
    shared.run.slots.resize(1)
    shared.reclaim.take_back_from_retired()
    assert shared.pending() == [11, 12]
