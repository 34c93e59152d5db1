"""`IdleWorkers`: when idle workers are looked for, with a fake clock."""

from __future__ import annotations

import math

from nbexec.backends.base import Session
from nbexec.model import Chunk
from nbexec.placement.slots import SlotTable
from nbexec.run.idle_workers import IdleWorkers


class Counted(Session):
    """Has no workers, and notes which are released."""

    def __init__(self):
        self.released = []

    def submit(self, slot, chunk):
        return None

    def release(self, slot):
        self.released.append(slot)

    def abort(self, slot):
        return True

    def close(self):
        pass


def table(count):
    slots = SlotTable()
    slots.switch_to(session := Counted(), count)
    return slots, session


def run(slots, idle, clock, seconds=0.0):
    """Have a call run for some time; give the number of its slot."""
    flight = slots.assign(chunk := Chunk(range(1), ["item"]), clock())
    idle.sent(clock())
    slots.sent(flight, None)
    clock.go(seconds)
    slots.release(chunk)
    flight.slot.since = clock()
    return flight.slot.number


def test_a_slot_with_a_worker_goes_first_and_the_last_one_that_worked_before_others(clock):
    slots, _ = table(4)
    idle = IdleWorkers(slots, None)
    assert [run(slots, idle, clock) for _ in range(3)] == [0, 0, 0]
    chunks = [Chunk(range(1), ["item"]) for _ in range(3)]
    assert [slots.assign(one, clock()).slot.number for one in chunks] == [0, 1, 2]
    for one in (chunks[2], chunks[0], chunks[1]):
        slots.release(one)
    assert [run(slots, idle, clock) for _ in range(3)] == [1, 1, 1]


def test_those_that_were_idle_for_so_long_are_released_and_the_others_looked_at_again(clock):
    slots, session = table(3)
    idle = IdleWorkers(slots, 10.0)
    assert idle.due() == math.inf
    busy = Chunk(range(1), ["item"])
    slots.assign(busy, clock())
    assert run(slots, idle, clock, seconds=1.0) == 1
    assert idle.due() == 1005.0
    for released in ([], [], [1]):  # 4, 9 and 14 s after it ended
        clock.now = idle.due()
        idle.check(clock())
        assert session.released == released
    slots.release(busy).slot.since = clock()
    while idle.due() < math.inf:
        clock.now = idle.due()
        idle.check(clock())
    assert session.released == [1, 0]
    run(slots, idle, clock)
    assert idle.due() < math.inf


def test_a_slot_that_lost_its_worker_goes_last(clock):
    slots, _ = table(2)
    idle = IdleWorkers(slots, None)
    flight = slots.assign(chunk := Chunk(range(1), ["item"]), clock())
    slots.release(chunk)
    slots.lose_worker(flight.slot)
    assert (flight.slot.number, run(slots, idle, clock)) == (0, 1)


def test_without_a_timeout_nothing_is_due(clock):
    slots, session = table(1)
    idle = IdleWorkers(slots, None)
    run(slots, idle, clock)
    clock.go(1e9)
    idle.check(clock())
    assert (idle.due(), session.released) == (math.inf, [])
