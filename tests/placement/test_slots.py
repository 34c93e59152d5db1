"""Which slot has which chunks; `nbexec.run.reclaim` acts on what is overdue."""

from __future__ import annotations

import pytest

from nbexec.backends.base import Session
from nbexec.model import Chunk
from nbexec.placement.slots import OVERDUE, SlotTable


class Still(Session):
    """Does nothing."""

    def submit(self, slot, chunk):
        pass

    def abort(self, slot):
        return True

    def close(self):
        pass


class TestSlotTable:
    @pytest.fixture
    def slots(self):
        slots = SlotTable()
        slots.switch_to(Still(), 2)
        return slots

    @staticmethod
    def sent(slots, chunk, now=10.0):
        flight = slots.assign(chunk, now)
        slots.sent(flight, None)
        return flight

    def test_a_late_slot_is_found_once_while_another_is_idle(self, slots):
        slot = self.sent(slots, Chunk(range(3), "abc", budget=2.0)).slot
        assert slots.due() == 10.0 + 2.0 * OVERDUE
        assert slots.overdue(10.5) == []
        assert slots.overdue(11.0) == [slot]
        assert slots.overdue(12.0) == []
        assert slots.due() is None
        slots.postpone(slot, 12.0)
        assert slots.due() == 12.0 + 2.0 * OVERDUE

    def test_nothing_is_asked_for_where_nobody_is_idle(self, slots):
        for start in (0, 10):
            self.sent(slots, Chunk(range(start, start + 3), "abc", budget=0.0))
        assert slots.due() is None
        assert slots.overdue(1e9) == []

    def test_one_item_alone_stays(self, slots):
        self.sent(slots, Chunk(range(1), "a", budget=0.0))
        assert slots.overdue(1e9) == []

    def test_what_went_back_is_not_the_chunks_any_more(self, slots):
        chunk = Chunk(range(3), "abc")
        flight = self.sent(slots, chunk)
        rest = slots.returned(chunk, 1)
        assert (rest.indices, rest.items) == (range(1, 3), "bc")
        assert slots.returned(chunk, 1) is None
        assert slots.awaits(chunk)
        assert flight.awaited.items == "a"

    def test_a_chunk_that_went_back_whole_is_not_awaited(self, slots):
        chunk = Chunk(range(3), "abc")
        self.sent(slots, chunk)
        assert slots.returned(chunk, 0).items == "abc"
        assert not slots.awaits(chunk)
        assert slots.returned(chunk, 0) is None


class Left:
    """A session that says when it is closed."""

    def __init__(self, name, closed):
        self.stealable = False
        self.close = lambda: closed.append(name)
        self.tear_down = tuple


def test_what_runs_in_the_kernel_has_a_core_too():
    slots, first, rest = SlotTable(), Left("a", []), Left("b", [])
    slots.switch_to(first, 1, later=1)
    slow = Chunk(range(1), [0])
    assert slots.assign(slow, 0.0).slot.session is first  # nothing ran that it could wait for
    slots.switch_to(rest, 2, later=1)
    chunks = [Chunk(range(at, at + 1), [0]) for at in (1, 2)]
    assert slots.assign(chunks[0], 0.0).slot.session is rest
    assert not slots.has_room(1)
    slots.release(slow)
    assert slots.has_room(1)
    assert slots.assign(chunks[1], 0.0).slot.number == 1
    assert not slots.has_room(1)


def test_workers_that_were_left_are_given_back_once_they_have_finished():
    closed = []
    slots, chunk = SlotTable(), Chunk(range(1), [0])
    slots.switch_to(Left("a", closed), 1)
    slots.assign(chunk, 0.0)
    slots.switch_to(Left("b", closed), 1)
    slots.close_drained()
    assert closed == []
    slots.release(chunk)
    slots.close_drained()
    slots.close_drained()
    assert closed == ["a"]
    slots.close()
    assert closed == ["a", "b"]
