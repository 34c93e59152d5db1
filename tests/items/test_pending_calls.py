"""`PendingCalls`: its laws, with a fake clock."""

from __future__ import annotations

from types import SimpleNamespace

from hypothesis import given, settings
from hypothesis import strategies as st

from nbexec.items.pending_calls import PATIENCE, TURN, PendingCalls

from ..conftest import FakeClock


def own(priority):
    return None if priority is None else SimpleNamespace(priority=priority)


PRIORITIES = st.sampled_from([None, 0, 10, -10, 3])
SUBMIT = st.tuples(st.just("submit"), PRIORITIES)
TAKE = st.tuples(st.just("take"), st.none())
WAIT = st.tuples(st.just("wait"), st.floats(0.0, 2 * PATIENCE))


def submitted(pending, steps, clock):
    """Do the steps; give what was taken, and what was pending each time, as pairs."""
    taken, waiting, count = [], [], 0
    for what, value in steps:
        if what == "wait":
            clock.go(value)
        elif what == "submit":
            pending.append(count, None, own(value))
            waiting.append((value or 0, count, clock()))
            count += 1
        else:
            one = pending.popleft()
            assert (one is None) == (not waiting)
            if one is not None:
                there = next(each for each in waiting if each[1] == one.call)
                taken.append((there, clock(), [*waiting]))
                waiting.remove(there)
        assert len(pending) == len(waiting)
        assert {each.call for each in pending} == {index for _, index, _ in waiting}
    return taken


@settings(deadline=None)
@given(st.lists(st.one_of(SUBMIT, TAKE, WAIT), max_size=80))
def test_equal_ones_come_in_their_order_and_who_is_overtaken_was_less_urgent_or_had_its_turn(steps):
    taken = submitted(PendingCalls(clock := FakeClock()), steps, clock)
    for (priority, index, since), now, waiting in taken:
        assert not [one for one in waiting if one[0] == priority and one[1] < index]
        if any(one[0] > priority for one in waiting):  # it had waited longest, and long enough
            assert since == min(one[2] for one in waiting)
            assert now - since > PATIENCE


@settings(deadline=None)
@given(st.lists(st.one_of(SUBMIT, TAKE), max_size=80))
def test_the_order_is_strict_while_nobody_has_waited_for_long(steps):
    for (priority, *_), _, waiting in submitted(PendingCalls(clock := FakeClock()), steps, clock):
        assert priority == max(one[0] for one in waiting)


def test_nothing_starves_however_many_urgent_ones_come():
    clock = FakeClock()
    pending = PendingCalls(clock)
    for index in range(5):
        pending.append(f"old {index}", None, own(-10))
    pending.append("urgent", None, own(10))
    clock.go(PATIENCE + 1)
    taken = []
    for _ in range(5 * TURN):
        pending.append("urgent", None, own(10))
        taken.append(pending.popleft().call)
    assert [one for one in taken if one != "urgent"] == [f"old {index}" for index in range(5)]
    assert [taken.index(f"old {index}") for index in range(5)] == [
        TURN * (index + 1) - 1 for index in range(5)
    ]


@settings(deadline=None)
@given(st.lists(PRIORITIES, max_size=30), st.sets(st.integers(0, 29)))
def test_some_can_be_dropped_and_the_others_keep_their_order(priorities, gone):
    pending, rest = PendingCalls(), PendingCalls()
    for index, priority in enumerate(priorities):
        pending.append(index, None, own(priority))
        if index not in gone:
            rest.append(index, None, own(priority))
    dropped = pending.drop(lambda one: one.call in gone)
    assert {one.call for one in dropped} == gone & {*range(len(priorities))}
    assert len(pending) == len(rest)
    assert [one.call for one in pending.clear()] == [one.call for one in rest.clear()]
    assert len(pending) == 0
    assert pending.popleft() is None


def test_the_least_is_the_oldest_of_the_smallest_priority():
    pending = PendingCalls()
    for index, priority in enumerate((0, -3, 5, -3)):
        pending.append(index, None, own(priority))
    assert (pending.least(), pending.pop_least().call, len(pending)) == (-3, 1, 3)
    assert [pending.pop_least().call for _ in range(3)] == [3, 0, 2]


def test_one_with_options_is_not_given_where_a_plain_one_is_asked_for():
    pending = PendingCalls()
    pending.append("plain", None)
    pending.append("own", None, own(0))
    assert pending.popleft(plain=True).call == "plain"
    assert pending.popleft(plain=True) is None
    assert pending.popleft().call == "own"


def test_a_call_that_was_hurried_takes_no_others_along_when_some_are_dropped():
    pending = PendingCalls()
    for call, priority in ("urgent", 10), ("hurried", 0), ("gone", 0), ("last", 0):
        pending.append(call, call, own(priority))
    pending.hurry("hurried")
    assert [one.call for one in pending.drop(lambda one: one.call == "gone")] == ["gone"]
    assert pending.least() == 0
    assert [pending.popleft().call for _ in range(len(pending))] == ["hurried", "urgent", "last"]
    assert pending.drop(lambda one: True) == []
    assert pending.popleft() is None
