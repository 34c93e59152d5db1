"""Limits of single calls, `Lanes` and priorities of those that wait, with a fake clock."""

from __future__ import annotations

import math
from collections import deque

from hypothesis import given, settings
from hypothesis import strategies as st

from nbexec.model import Chunk, Outcome
from nbexec.options.call_options import CallOptions
from nbexec.options.rates import Limit
from nbexec.options.record import Options
from nbexec.pacing.call_limits import Lanes, LimitLane, lateness_of
from nbexec.pacing.pacing import Pacing
from nbexec.pacing.parked import Parked
from nbexec.worker.execute import Call

from ..conftest import FakeClock
from .test_pacing import fullest

RATES = (None, "1/s", "3/s", "5/min")
KEYS = (None, "a", "b")


def pacing_of(rate=None):
    pacing = Pacing(Options(rate=rate), Parked())
    pacing.unwanted = lambda chunk: False
    return pacing


def chunk_of(index, own):
    return Chunk(range(index, index + 1), [Call(abs, (index,), {})], own=own)


def run(pacing, chunks, clock):
    """Start all, each ending a moment later; give the times of the starts by index."""
    coming, starts = deque(chunks), {}
    while len(starts) < len(chunks):
        chunk = pacing.next(lambda: coming.popleft() if coming else None, clock())
        if chunk is None:
            assert pacing.due() < math.inf, "it would wait for ever"
            clock.now = max(clock() + 1e-6, pacing.due())
            continue
        starts[chunk.indices[0]] = clock()
        pacing.began(chunk, clock())
        pacing.came_back(chunk, Outcome([0], {}, 0.0, [0.0], 0.0, "w"), clock())
    return starts


VIEWS = st.tuples(st.sampled_from(RATES), st.sampled_from(KEYS), st.integers(0, 2))


@settings(deadline=None, max_examples=60)
@given(st.lists(VIEWS, min_size=1, max_size=4), st.data(), st.sampled_from([None, "4/s"]))
def test_no_window_has_more_starts_than_any_limit_allows_and_all_start(views, data, rate):
    limits = {text: Limit(text) for text in RATES if text is not None}
    made = [
        CallOptions(Options(), priority=priority, limit=limits.get(text), key=key)
        for text, key, priority in views
    ]
    which = data.draw(st.lists(st.sampled_from([None, *made]), max_size=25))
    chunks = [chunk_of(index, own) for index, own in enumerate(which)]
    clock = FakeClock()
    begun = clock()
    starts = run(pacing_of(rate), chunks, clock)
    for text, limit in limits.items():
        for key in KEYS:
            mine = [
                starts[index]
                for index, own in enumerate(which)
                if own is not None and (own.limit, own.key) == (limit, key)
            ]
            assert not mine or fullest(mine, limit.rates[0].seconds) <= limit.rates[0].most, text
    if rate is None:
        free = [starts[at] for at, own in enumerate(which) if own is None or own.limit is None]
        assert all(at == begun for at in free)  # they wait for nobody
    else:
        assert not starts or fullest(starts.values(), 1.0) <= 4


def test_of_those_that_wait_the_more_urgent_begin_first():
    limit, clock = Limit("1/s"), FakeClock()
    priorities = [0, 0, 5, -1, 5]
    chunks = [
        chunk_of(index, CallOptions(Options(), priority=one, limit=limit))
        for index, one in enumerate(priorities)
    ]
    starts = run(pacing_of(), chunks, clock)
    assert sorted(starts, key=starts.__getitem__) == [0, 2, 4, 1, 3]


def test_what_waits_can_be_dropped():
    limit, clock, pacing = Limit("1/day"), FakeClock(), pacing_of()
    own = CallOptions(Options(), limit=limit)
    coming = deque(chunk_of(index, own) for index in range(4))
    take = lambda: coming.popleft() if coming else None
    assert pacing.next(take, clock()).indices[0] == 0
    assert pacing.next(take, clock()) is None
    pacing.unwanted = lambda chunk: chunk.indices[0] != 2
    pacing.drop_unwanted()
    assert len(pacing._parked) == 1
    pacing.unwanted = lambda chunk: True
    pacing.drop_unwanted()
    assert (len(pacing._parked), pacing.due()) == (0, math.inf)


def test_lanes_of_a_key():
    lanes, lane = Lanes(), LimitLane(Limit("1/s"), "a")
    lanes.add(lane)
    lanes.add("a")
    assert lanes.of("a") == ["a", lane]
    lanes.remove(lane)
    lanes.remove(lane)
    assert (lanes.of("a"), lanes._by_key) == (["a"], {})


def test_a_late_start_counts_within_its_window():
    assert lateness_of(Limit("5/s").rates) == 0.05
    assert lateness_of(Limit("5/min").rates) == 0.25
