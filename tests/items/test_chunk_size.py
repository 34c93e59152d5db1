"""How many items travel together, and for how long a worker may take."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbexec.items import chunk_size
from nbexec.items.chunk_size import ChunkSizer


def test_the_first_items_travel_alone():
    sizer = ChunkSizer()
    assert sizer.size(left=10_000, workers=4) == 1
    assert not sizer.prefetch(10_000, 4)


def test_long_items_travel_alone():
    sizer = ChunkSizer()
    sizer.measure(1, 0.5)
    assert sizer.size(left=10_000, workers=4) == 1
    assert not sizer.prefetch(10_000, 4)


def test_one_waits_at_a_worker_where_others_find_enough_too():
    sizer = ChunkSizer()
    sizer.measure(1, 0.02)
    assert sizer.prefetch(100, 4)
    assert sizer.prefetch(None, 4)
    assert not sizer.prefetch(12, 4)  # it could be the last to begin, behind one that takes long
    assert not ChunkSizer(1, prefetch=False).prefetch(100, 4)
    for _ in range(5):
        sizer.measure(100, 0.001)
    assert sizer.prefetch(12, 4)


def test_where_they_can_be_had_back_long_items_travel_together():
    sizer = ChunkSizer()
    assert sizer.stealable_size(10_000, 50) == chunk_size.STEALABLE_FIRST
    assert sizer.stealable_size(100, 50) == 2
    assert sizer.budget(chunk_size.STEALABLE_FIRST, stealable=True) == chunk_size.STEALABLE_TARGET
    assert sizer.budget(1) == chunk_size.BUDGET_FLOOR
    sizer.measure(1, 0.01)
    assert sizer.stealable_size(None, 50) == chunk_size.STEALABLE_TARGET / 0.01
    # all of them fairly: what was given away is no longer among what has not begun
    left, sizes = 575, []
    for _ in range(50):
        sizes.append(sizer.stealable_size(left - len(sizes), 50))
    assert sizes == [12] * 25 + [11] * 25
    assert sizer.stealable_size(3, 50) == 1
    assert sizer.prefetch(0, 50, stealable=True)
    for _ in range(9):
        sizer.measure(1, 0.9)
    assert sizer.stealable_size(None, 50) == 1
    assert not sizer.prefetch(None, 50, stealable=True)
    fixed = ChunkSizer(fixed=3)
    fixed.measure(3, 0.03)
    assert fixed.stealable_size(100, 2) == 3


def test_chunks_grow_to_the_target():
    sizer = ChunkSizer()
    for _ in range(5):
        items = sizer.size(left=None, workers=2)
        sizer.measure(items, items * 1e-4)
    assert sizer.size(left=None, workers=2) == math.ceil(chunk_size.TARGET / 1e-4)
    assert sizer.prefetch(0, 2)


def test_chunks_are_short_while_nothing_is_chosen():
    sizer = ChunkSizer()
    sizer.measure(1000, 0.1)
    sizer.target = chunk_size.FIRST
    assert sizer.size(left=None, workers=2) == math.ceil(chunk_size.FIRST / 1e-4)


def test_a_chunk_is_not_much_larger_than_what_was_measured():
    sizer = ChunkSizer()
    sizer.measure(1, 1e-7)
    assert sizer.size(left=None, workers=2) == chunk_size.GROWTH


def test_chunks_shrink_towards_the_end_but_not_to_nothing():
    sizer = ChunkSizer()
    sizer.measure(1000, 0.1)  # 0.1 ms an item
    sizes = [sizer.size(left, workers=2) for left in (10_000, 600, 60, 6)]
    assert sizes == [1000, 150, 30, 10]


def test_one_worker_alone_leaves_nothing_for_others():
    sizer = ChunkSizer()
    sizer.measure(1_000, 1e-2)
    assert sizer.size(10_000, 1) == 10_000
    assert sizer.size(10_000, 2) == 2_500


def test_many_workers_get_longer_chunks_for_the_kernel_to_keep_up():
    sizer = ChunkSizer()
    sizer.measure(1000, 1.0)  # 1 ms an item
    sizer.cost = chunk_size.SENDING
    assert sizer.size(320, workers=2) == math.ceil(320 / 2 / chunk_size.SHARE)
    assert sizer.size(320, workers=16) == math.ceil(16 * chunk_size.SENDING / 0.001)
    assert sizer.size(16, workers=16) == 1


def test_a_slow_chunk_counts_at_once():
    sizer = ChunkSizer()
    sizer.measure(100, 0.001)
    sizer.measure(1, 1.0)
    assert sizer.size(left=None, workers=2) == 1


def test_a_fixed_chunk_stays():
    sizer = ChunkSizer(fixed=7)
    sizer.measure(7, 100.0)
    assert sizer.size(left=3, workers=2) == 7
    assert sizer.budget(7) == math.inf


def test_a_budget_is_a_few_times_what_is_expected():
    sizer = ChunkSizer()
    assert sizer.budget(1) == chunk_size.BUDGET_FLOOR
    sizer.measure(10, 0.1)
    assert sizer.budget(10) == pytest.approx(chunk_size.BUDGET_FACTOR * 0.1)


@given(
    measured=st.lists(st.tuples(st.integers(1, 1000), st.floats(0, 100)), max_size=20),
    left=st.none() | st.integers(0, 10**7),
    workers=st.integers(1, 1000),
)
def test_a_chunk_has_always_some_items_and_never_too_many(measured, left, workers):
    sizer = ChunkSizer()
    for items, seconds in measured:
        sizer.measure(items, seconds)
    size = sizer.size(left, workers)
    assert size >= 1
    assert size <= max(
        chunk_size.LARGEST, chunk_size.SHORTEST / sizer.item_seconds + 1 if measured else 1
    )
    assert sizer.budget(size) >= chunk_size.BUDGET_FLOOR
