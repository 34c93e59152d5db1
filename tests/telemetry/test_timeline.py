"""The timeline: its laws, by events alone, and what runs on every backend leave in it.

Covers `nbexec.telemetry.bars` and `nbexec.telemetry.spans`.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nbexec
from nbexec.model import Choice, Chunk, Error, Outcome
from nbexec.run.failure_policy import Policy, sort_out
from nbexec.telemetry import timeline as module
from nbexec.telemetry.events import Finished, Restored, Retried, RunEnded, RunStarted, Submitted
from nbexec.telemetry.spans import long_items
from nbexec.telemetry.timeline import LANES, OVERLAP, Timeline

from ..waiting import until

BEGAN = 1000.0  # on the run's clock
UNIX = 1.7e9  # then
NEAR = 1e-5  # seconds; what is left of a Unix time in a float

EVERYTHING = Policy(1, lambda attempt, error: 0.0, lambda error: True, 1, False)


def new():
    timeline = Timeline(BEGAN - UNIX)
    timeline.apply(RunStarted(BEGAN, "run", None, Choice("processes", 2)))
    return timeline


def outcome(start, ends, worker="w", errors=()):
    kinds = {at: Error(kind, ValueError(at), "") for at, kind in dict(errors).items()}
    return Outcome([None] * len(ends), kinds, UNIX + start, ends, 0.0, worker)


def finished(first, start, lengths, worker="w", errors=(), at=None):
    ends = [sum(lengths[: k + 1]) for k in range(len(lengths))]
    chunk = Chunk(range(first, first + len(ends)), [None] * len(ends))
    at = start + ends[-1] if at is None else at
    return Finished(BEGAN + at, chunk, outcome(start, ends, worker, errors))


def shapes(timeline):
    """Give start, end and items of each bar."""
    bars = timeline.bars()
    return [(round(bar.start, 4), round(bar.end, 4), bar.items) for bar in bars]


# ---------------------------------------------------------------- laws

LENGTHS = st.sampled_from([1e-5, 2e-4, 9e-4, 1.1e-3, 0.004, 0.03, 0.5, 2.0])
GAPS = st.sampled_from([0.0, 1e-4, 9e-4, 1.1e-3, 0.01, 0.3, 3.0])
KINDS = st.sampled_from([None] * 6 + ["error", "retry", "cancelled", "lost"])
CHUNKS = st.tuples(
    st.integers(0, 2), GAPS, st.lists(st.tuples(LENGTHS, KINDS), min_size=1, max_size=12)
)


def events_of(chunks, overlap):
    """Make events of chunks; give them with each item's worker, start, end and kind."""
    free = Counter()
    events, items = [], []
    for worker, gap, content in chunks:
        name = f"w{worker}"
        start = free[name] + gap
        first, begun, ends, errors = len(items), start, [], {}
        for length, kind in content:
            items.append((name, begun, begun + length, kind))
            begun += length
            ends.append(begun - start)
            if kind is not None:
                errors[len(ends) - 1] = "error" if kind == "retry" else kind
        free[name] = start + 0.4 * (begun - start) if overlap else begun
        chunk = Chunk(range(first, first + len(ends)), [None] * len(ends))
        whole = outcome(start, ends, name, errors)
        retried = {at for at, (_, kind) in enumerate(content) if kind == "retry"}
        policy = replace(EVERYTHING, retried=lambda error, r=retried: error.args[0] in r)
        sorted_out = sort_out(chunk, whole, replace(policy, crash_retries=0))
        now = BEGAN + begun
        batch = [
            Retried(now, again.chunk.indices[0], 2, again.error, 0.0, *again[3:], name)
            for again in sorted_out.retries
        ]
        if sorted_out.chunk.indices:
            batch.append(Finished(now, sorted_out.chunk, sorted_out.outcome))
        events.append((now, batch))
    events.sort(key=lambda pair: pair[0])
    return [event for _, batch in events for event in batch], items


def idle(intervals, least):
    """Give the stretches between intervals, in which nothing is, that are `least` long."""
    found, until = [], 0.0
    for start, end in sorted(intervals):
        if start - until >= least:
            found.append((until, start))
        until = max(until, end)
    return found


@settings(max_examples=300, deadline=None)
@given(
    chunks=st.lists(CHUNKS, min_size=1, max_size=30),
    limit=st.sampled_from([4, 12, 2000]),
    overlap=st.booleans(),
)
def test_laws(chunks, limit, overlap):
    events, items = events_of(chunks, overlap)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "LIMIT", max(limit, 3 * 12 if overlap else 4))
        patch.setattr(module, "LANES", 10)
        timeline = new()
        for event in events:
            timeline.apply(event)
        timeline.apply(RunEnded(BEGAN + 1e6, "done"))
        read = timeline.read()
        assert len(read) <= module.LIMIT, "at most LIMIT bars"
        assert len(read.lanes) <= 10, "at most LANES lanes"
    kinds = Counter(kind for *_, kind in items)
    ended = len(items) - kinds["retry"]
    assert sum(bar.items + bar.retried for bar in read) + read.unplaced == len(items)
    if not read.unplaced:
        assert sum(bar.items for bar in read) == ended
        assert sum(bar.retried for bar in read) == kinds["retry"]
        assert sum(bar.failed for bar in read) == kinds["error"] + kinds["lost"]
        assert sum(bar.cancelled for bar in read) == kinds["cancelled"]
        assert {at for bar in read for at in (bar.first, bar.last)} <= set(range(len(items)))
    for one, other in pairwise(read):
        assert one.start <= one.end
        assert (one.lane, one.end) <= (other.lane, other.start + 1e-9), "bars never overlap"
    for name in {name for name, *_ in items}:
        rows = [bar for bar in read if read.lanes[bar.lane] == name]
        busy = [(start, end) for worker, start, end, _ in items if worker == name]
        for start, end in idle(busy, read.resolution + NEAR):
            inside = (start + OVERLAP + NEAR, end - OVERLAP - NEAR)
            assert not any(bar.start < inside[1] and bar.end > inside[0] for bar in rows), (
                "no idle time is drawn over"
            )
        if read.unplaced:
            continue
        for worker, start, end, _ in items:
            if worker == name and end - start >= read.resolution + NEAR:
                near = 4 * OVERLAP
                assert any(
                    abs(bar.start - start) < near
                    and abs(bar.end - end) < near
                    and bar.items + bar.retried == 1
                    for bar in rows
                ), "an item that takes long has a bar of its own"
    if not overlap:
        assert len(read.lanes) == len(set(read.lanes)), "one thing at a time needs one lane"


@given(lengths=st.lists(LENGTHS, min_size=1, max_size=40), before=st.sampled_from([0.0, 0.5]))
def test_long_items_are_found(lengths, before):
    ends = [before + sum(lengths[: k + 1]) for k in range(len(lengths))]
    found = list(long_items(ends, before, 0, len(ends), 1e-3))
    assert found == [at for at, length in enumerate(lengths) if length >= 1e-3]


class Looked(list):
    """Counts the items that are looked at."""

    looks = 0

    def __getitem__(self, at):
        self.looks += 1 if isinstance(at, int) else len(range(*at.indices(len(self))))
        return super().__getitem__(at)


def test_tiny_items_are_not_looked_at():
    ends = Looked([3e-6 * (at + 1) for at in range(10_000)])
    timeline = new()
    timeline.apply(Finished(BEGAN + 0.03, Chunk(range(10_000), ()), outcome(0.0, ends)))
    assert shapes(timeline) == [(0, 0.03, 10_000)]
    assert ends.looks < 100


# ---------------------------------------------------------------- cases


def test_short_items_are_one_bar_and_a_straggler_its_own():
    timeline = new()
    timeline.apply(finished(0, 0.0, [1e-4] * 100 + [0.5] + [1e-4] * 50))
    timeline.apply(finished(151, 0.516, [1e-4] * 10))
    assert shapes(timeline) == [
        (0.0, 0.01, 100),
        (0.01, 0.51, 1),
        (0.51, 0.515, 50),
        (0.516, 0.517, 10),
    ]
    bars = timeline.read()
    assert (bars.merged, bars[1].first, bars[1].last, bars[2].first) == (3, 100, 100, 101)
    assert "4 bars of 161 items in 1 lanes, 3 of them merged" in repr(bars)


def test_the_resolution_doubles_when_there_are_too_many_bars():
    timeline = new()
    for at in range(10_000):
        timeline.apply(finished(at, 0.01 * at, [0.008]))
    assert len(timeline.bars()) <= module.LIMIT
    assert timeline.resolution == pytest.approx(0.016)
    assert sum(bar.items for bar in timeline.bars()) == 10_000
    timeline.apply(finished(10_000, 200.0, [0.5]))
    assert timeline.bars()[-1][:4] == (0, pytest.approx(200.0), pytest.approx(200.5), 1)


def test_items_at_once_have_lanes_and_those_above_the_most_are_counted():
    timeline = new()
    for at in range(LANES + 6):
        timeline.apply(finished(at, 0.001 * at, [1.0], worker="loop"))
    assert timeline.lanes == ("loop",) * LANES
    assert timeline.unplaced == 6
    timeline.apply(finished(99, 5.0, [1.0], worker="loop"))
    assert len(timeline.lanes) == LANES
    assert timeline.unplaced == 6


def test_a_failed_attempt_has_its_place_in_its_chunk():
    timeline = new()
    timeline.apply(Retried(BEGAN + 3, 1, 2, Error("error", ValueError(), ""), 0, UNIX + 1, 1, "w"))
    timeline.apply(Finished(BEGAN + 3, Chunk([0, 2], ()), outcome(0.0, [1.0, 3.0])))
    bars = timeline.bars()
    assert [(round(bar.start), round(bar.end)) for bar in bars] == [(0, 1), (1, 2), (2, 3)]
    assert [(bar.items, bar.retried) for bar in bars] == [(1, 0), (0, 1), (1, 0)]
    assert timeline.lanes == ("w",)


def test_a_failed_attempt_alone_is_shown_with_the_next_event():
    timeline = new()
    error = Error("error", ValueError(), "")
    timeline.apply(Retried(BEGAN + 1, 0, 2, error, 0, UNIX, 1, "w"))
    timeline.apply(Submitted(BEGAN + 1.5, Chunk([0], ())))
    assert [bar.retried for bar in timeline.bars()] == [1]
    timeline.apply(Retried(BEGAN + 3, 0, 3, error, 0, UNIX + 2, 1, "w"))
    timeline.apply(finished(0, 3.0, [1.0]))
    assert [(bar.items, bar.retried) for bar in timeline.bars()] == [(0, 1), (0, 1), (1, 0)]


@pytest.mark.parametrize("off", [5.0, -5.0])
def test_a_clock_that_is_off_is_set_right(off):
    timeline = new()
    timeline.apply(finished(0, off + 1.0, [1.0], at=2.1))  # heard of late
    timeline.apply(finished(1, off + 2.2, [1.0], at=3.2))
    timeline.apply(finished(2, 2.0, [1.0], worker="here", at=3.2))
    first, second, here = timeline.bars()
    assert first.start == pytest.approx(1.0, abs=0.2 if off > 0 else 1.1)
    assert second.start - first.start == pytest.approx(1.2)
    assert second.end <= 3.201
    assert here.start == pytest.approx(2.0)
    assert timeline.lanes == ("w", "here")


def test_a_clock_that_jumps_leaves_what_was_before():
    timeline = new()
    timeline.apply(finished(0, 1.0, [1.0]))
    timeline.apply(finished(1, 602.0, [1.0], at=3.0))  # the machine slept for ten minutes
    first, second = timeline.bars()
    assert (first.start, first.end) == (pytest.approx(1.0), pytest.approx(2.0))
    assert (second.start, second.end) == (pytest.approx(2.0), pytest.approx(3.0))


def test_what_did_not_run_has_no_bar():
    timeline = new()
    ended = outcome(0.0, [0.0], worker="")
    timeline.apply(Restored(BEGAN, Chunk([0], ()), ended))
    assert timeline.unplaced == 0
    timeline.apply(Finished(BEGAN, Chunk([1], ()), ended))
    assert timeline.unplaced == 1
    assert timeline.bars() == ()


# ---------------------------------------------------------------- runs


def test_each_item_of_a_run_is_in_its_timeline(backend):
    results = nbexec.map(time.sleep, [0.3] * 6 + [0.0] * 50, backend=backend)
    bars = results.timeline()
    assert sum(bar.items for bar in bars) == 56
    assert all(0 <= bar.start <= bar.end <= results.stats.elapsed + 0.002 for bar in bars)
    long = [bar for bar in bars if bar.first < 6]
    assert [bar.items for bar in long] == [1] * 6
    assert all(bar.end - bar.start >= 0.25 for bar in long)
    assert all(bars.lanes)
    assert sum(bar.end - bar.start for bar in bars) == pytest.approx(
        results.stats.busy_seconds, rel=0.2, abs=0.1
    )


def test_attempts_are_in_the_timeline(backend, tmp_path):
    def flaky(x):
        if x % 3 == 0 and not (tmp_path / str(x)).exists():
            (tmp_path / str(x)).touch()
            time.sleep(0.01)
            raise ValueError(x)

    bars = nbexec.map(
        flaky, range(12), backend=backend, chunk=4, retries=1, retry_wait=0.01
    ).timeline()
    assert sum(bar.retried for bar in bars) == 4
    assert sum(bar.items for bar in bars) == 12
    assert len(bars.lanes) <= 4  # two workers; with asyncio each has lanes for what overlaps


def test_a_killed_worker_has_a_bar(remote):
    def work(x):
        time.sleep(0.1)
        if x == 1:
            os._exit(9)

    options = {"backend": remote, "crash_retries": 0, "on_error": "collect"}
    results = nbexec.map(work, range(4), **options)
    bars = results.timeline()
    (killed,) = (bar for bar in bars if bar.failed)
    assert (killed.first, killed.items) == (1, 1)
    assert killed.end - killed.start >= 0.09
    assert results.failures[0].worker == bars.lanes[killed.lane]
    assert sum(bar.items for bar in bars) == 4


def test_a_timeout_has_a_bar():
    for backend in ("threads", "processes", "asyncio"):
        results = nbexec.map(
            time.sleep, [0, 30, 0], backend=backend, timeout=1.0, on_error="collect"
        )
        (late,) = (bar for bar in results.timeline() if bar.failed)
        assert late.first == 1
        assert 0.9 <= late.end - late.start <= results.stats.elapsed


def test_what_was_stopped_on_its_way_has_a_bar(tmp_path):
    def lasts(item):
        if item:
            (tmp_path / str(item)).touch()
            time.sleep(60)

    run = nbexec.start(lasts, range(4), backend="processes", chunk=1, workers=2)
    until(lambda: run.stats.done and len([*tmp_path.iterdir()]) == 2)  # both have begun
    run.cancel()
    run.wait()
    bars = run.timeline()
    assert sum(bar.cancelled for bar in bars) == 2
    assert bars.unplaced == run.stats.cancelled - 2  # one may have waited behind another
    assert sum(bar.failed for bar in bars) == 0
    assert max(bar.end for bar in bars) <= run.stats.elapsed + 0.002


# ---------------------------------------------------------------- results


def test_results_without_a_run_have_no_bars():
    assert not nbexec.Results([1, 2]).timeline()


def test_to_frame_has_a_row_for_each_item():
    def work(x):
        return x / (x - 2)

    frame = nbexec.map(work, range(4), on_error="collect", backend="serial").to_frame()
    assert list(frame.index) == [0, 1, 2, 3]
    assert list(frame.columns) == ["value", "kind", "error", "worker", "attempt"]
    assert list(frame["kind"]) == ["done", "done", "error", "done"]
    assert frame["error"][2] == "ZeroDivisionError: division by zero"
    assert frame["value"][3] == 3.0
    assert frame["value"][2] is None or frame["value"].isna()[2]
    assert frame["attempt"][2] == 1


def test_to_frame_keeps_values_as_they_are():
    import numpy as np

    frame = nbexec.map(np.arange, [2, 2], backend="serial").to_frame()
    assert [list(value) for value in frame["value"]] == [[0, 1], [0, 1]]
    assert nbexec.map(abs, [-1, 2], backend="serial").to_frame()["value"].dtype == "int64"
    assert len(nbexec.map(abs, [], backend="serial").to_frame()) == 0


def test_to_frame_without_pandas_says_what_to_do(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)
    with pytest.raises(ImportError, match="pip install pandas"):
        nbexec.Results([1]).to_frame()
