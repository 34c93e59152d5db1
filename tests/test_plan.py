"""Chunks: how large, and where their items come from."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbexec.items import feed
from nbexec.items.feed import Pace, Source


def test_the_first_items_travel_alone():
    pace = Pace()
    assert pace.size(left=10_000, workers=4) == 1
    assert not pace.ahead(10_000, 4)


def test_long_items_travel_alone():
    pace = Pace()
    pace.measure(1, 0.5)
    assert pace.size(left=10_000, workers=4) == 1
    assert not pace.ahead(10_000, 4)


def test_one_waits_at_a_worker_where_others_find_enough_too():
    pace = Pace()
    pace.measure(1, 0.02)
    assert pace.ahead(100, 4)
    assert pace.ahead(None, 4)
    assert not pace.ahead(12, 4)  # it could be the last to begin, behind one that takes long
    assert not Pace(1, ahead=False).ahead(100, 4)
    for _ in range(5):
        pace.measure(100, 0.001)
    assert pace.ahead(12, 4)


def test_where_they_can_be_had_back_long_items_travel_together():
    pace = Pace()
    assert pace.near(10_000, 50) == feed.BLIND
    assert pace.near(100, 50) == 2
    assert pace.budget(feed.BLIND, near=True) == feed.SPELL
    assert pace.budget(1) == feed.FLOOR
    pace.measure(1, 0.01)
    assert pace.near(None, 50) == feed.SPELL / 0.01
    # all of them fairly: what was given away is no longer among what has not begun
    left, sizes = 575, []
    for _ in range(50):
        sizes.append(pace.near(left - len(sizes), 50))
    assert sizes == [12] * 25 + [11] * 25
    assert pace.near(3, 50) == 1
    assert pace.ahead(0, 50, near=True)
    for _ in range(9):
        pace.measure(1, 0.9)
    assert pace.near(None, 50) == 1
    assert not pace.ahead(None, 50, near=True)
    fixed = Pace(fixed=3)
    fixed.measure(3, 0.03)
    assert fixed.near(100, 2) == 3


def test_chunks_grow_to_the_target():
    pace = Pace()
    for _ in range(5):
        items = pace.size(left=None, workers=2)
        pace.measure(items, items * 1e-4)
    assert pace.size(left=None, workers=2) == math.ceil(feed.TARGET / 1e-4)
    assert pace.ahead(0, 2)


def test_chunks_are_short_while_nothing_is_chosen():
    pace = Pace()
    pace.measure(1000, 0.1)
    pace.target = feed.FIRST
    assert pace.size(left=None, workers=2) == math.ceil(feed.FIRST / 1e-4)


def test_a_chunk_is_not_much_larger_than_what_was_measured():
    pace = Pace()
    pace.measure(1, 1e-7)
    assert pace.size(left=None, workers=2) == feed.GROWTH


def test_chunks_shrink_towards_the_end_but_not_to_nothing():
    pace = Pace()
    pace.measure(1000, 0.1)  # 0.1 ms an item
    sizes = [pace.size(left, workers=2) for left in (10_000, 600, 60, 6)]
    assert sizes == [1000, 150, 30, 10]


def test_many_workers_get_longer_chunks_for_the_kernel_to_keep_up():
    pace = Pace()
    pace.measure(1000, 1.0)  # 1 ms an item
    pace.cost = feed.SENDING
    assert pace.size(320, workers=2) == math.ceil(320 / 2 / feed.SHARE)
    assert pace.size(320, workers=16) == math.ceil(16 * feed.SENDING / 0.001)
    assert pace.size(16, workers=16) == 1


def test_a_slow_chunk_counts_at_once():
    pace = Pace()
    pace.measure(100, 0.001)
    pace.measure(1, 1.0)
    assert pace.size(left=None, workers=2) == 1


def test_a_fixed_chunk_stays():
    pace = Pace(fixed=7)
    pace.measure(7, 100.0)
    assert pace.size(left=3, workers=2) == 7
    assert pace.budget(7) == math.inf


def test_a_budget_is_a_few_times_what_is_expected():
    pace = Pace()
    assert pace.budget(1) == feed.FLOOR
    pace.measure(10, 0.1)
    assert pace.budget(10) == pytest.approx(feed.HURRY * 0.1)


@given(
    measured=st.lists(st.tuples(st.integers(1, 1000), st.floats(0, 100)), max_size=20),
    left=st.none() | st.integers(0, 10**7),
    workers=st.integers(1, 1000),
)
def test_a_chunk_has_always_some_items_and_never_too_many(measured, left, workers):
    pace = Pace()
    for items, seconds in measured:
        pace.measure(items, seconds)
    size = pace.size(left, workers)
    assert size >= 1
    assert size <= max(feed.LARGEST, feed.LEAST / pace.item_seconds + 1 if measured else 1)
    assert pace.budget(size) >= feed.FLOOR


class Brought:
    """Stands in for the run: supplies at once what was wanted."""

    def __init__(self, source):
        self.source = source
        self.errors = []

    def __call__(self, items, error, ended):
        self.source.supply(items, error, ended)


def now(job):
    job()


@pytest.mark.parametrize("items", [[1, 2, 3], (1, 2, 3), range(1, 4)])
def test_a_list_is_all_at_hand(items):
    source = Source([items], now)
    assert (source.total, source.left, source.at_hand) == (3, 3, 3)
    first, rest = source.take(2), source.take(9)
    assert (list(first.items), first.indices) == ([1, 2], range(2))
    assert (list(rest.items), rest.indices) == ([3], range(2, 3))
    assert source.left == 0


def test_a_list_may_be_changed_by_its_owner_meanwhile():
    items = [1, 2, 3]
    source = Source([items], now)
    items.clear()
    assert list(source.take(3).items) == [1, 2, 3]


def test_an_iterator_is_pulled_only_as_far_as_was_wanted():
    pulled = []
    source = Source([(pulled.append(x) or x for x in range(10))], now)
    assert (source.total, source.at_hand) == (None, 0)
    source.want(4, Brought(source))
    assert pulled == [0, 1, 2, 3]
    assert list(source.take(3).items) == [0, 1, 2]
    source.want(100, Brought(source))
    assert (source.total, source.left, source.at_hand) == (10, 7, 7)
    assert list(source.take(9).items) == list(range(3, 10))


def test_an_iterator_that_raises_gives_what_came_before():
    def items():
        yield 1
        yield 2
        raise OSError("gone")

    source = Source([items()], now)
    source.want(10, Brought(source))
    assert isinstance(source.error, OSError)
    assert list(source.take(9).items) == [1, 2]
    assert source.left == 0


def test_an_interrupt_in_an_iterator_reaches_its_thread():
    def items():
        raise KeyboardInterrupt
        yield

    source = Source([items()], now)
    with pytest.raises(KeyboardInterrupt):
        source.want(10, Brought(source))
    assert isinstance(source.error, KeyboardInterrupt)


def test_a_slow_iterator_gives_handfuls(monkeypatch):
    monkeypatch.setattr(feed, "PATIENCE", -1.0)  # as if each item took too long
    source = Source([iter(range(10))], now)
    source.want(10, Brought(source))
    assert source.at_hand == 1
    assert source.total is None
