"""Advice: each rule speaks where it should, and is silent where it should not."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

import nbexec
from nbexec.telemetry.advice import advise
from nbexec.telemetry.bars import Bar
from nbexec.telemetry.events import Steered

from .test_state import started, work


@pytest.fixture
def stats(clock):
    """A run that nothing can be said against: 8 workers were busy with CPU work for 10 s."""
    state = started(clock, total=1000, workers=8)
    work(state, clock, 0, 1000, 10.0, cpu=80.0)
    return replace(state.stats(clock()), busy_seconds=78.0, utilisation=0.975, phase="done")


def test_a_good_run_needs_none(stats):
    assert advise(stats, Bar(0, 0.0, 0.1, 1, 0, 0, 5, 5)) == ""
    assert advise(replace(stats, phase="running")) == ""


def tiny(stats):
    return replace(stats, done=50_000, total=50_000, elapsed=0.9, busy_seconds=0.2, cpu_seconds=0.2)


def test_tiny_items(stats):
    assert advise(tiny(stats)) == "items take 4.0 µs: a plain loop is faster"
    assert advise(replace(tiny(stats), phase="running", done=20_000, elapsed=0.6)) != ""


@pytest.mark.parametrize(
    "but",
    [
        {"busy_seconds": 5.0},  # eight workers did more than one could
        {"elapsed": 0.4},  # not worth a word
        {"done": 50, "total": 50},  # too few to tell
        {"workers": 1},
        {"total": None},  # a stream may have waited for its input
        {"retried": 3},  # it may have waited in between
        {"paused_seconds": 0.7},
        {"done": 100, "total": 100},  # 2 ms each
        {"phase": "cancelled"},
    ],
)
def test_tiny_items_are_not_blamed_for_all(stats, but):
    assert advise(replace(tiny(stats), **but)) == ""


def test_nothing_is_said_about_the_backend_where_it_was_left_to_us(stats):
    assert advise(tiny(stats), auto=True) == ""
    assert advise(threads(stats), auto=True) == ""


def test_restored_items_did_not_run(stats):
    assert advise(replace(tiny(stats), restored=49_950)) == ""


def sending(stats):
    return replace(
        stats,
        backend="processes",
        done=100,
        sent_bytes=4_800_000_000,
        received_bytes=800,
        sending_seconds=40.0,
        busy_seconds=10.0,
    )


def test_sending_much(stats):
    said = "80% of the time went into sending 48.0 MB with each item"
    assert advise(sending(stats)).startswith(said)
    assert advise(sending(stats), auto=True).startswith(said)
    back = replace(sending(stats), sent_bytes=800, received_bytes=4_800_000_000)
    assert "80% of the time went into getting 48.0 MB back from each item" in advise(back)


@pytest.mark.parametrize(
    "but",
    [
        {"busy_seconds": 400.0},  # the work is more
        {"sent_bytes": 8_000_000},  # it was importing, not sending
        {"sending_seconds": 0.1},
    ],
)
def test_sending_is_not_blamed_for_all(stats, but):
    assert "sending" not in advise(replace(sending(stats), **but))


def threads(stats):
    return replace(stats, backend="threads", cpu_seconds=10.0)


def test_threads_that_take_turns(stats):
    said = 'threads used 1.0 cores: backend="processes" may use more'
    assert advise(threads(stats)) == said
    assert advise(replace(threads(stats), phase="running")) == said


@pytest.mark.parametrize(
    "but",
    [
        {"cpu_seconds": 2.0},  # they wait
        {"cpu_seconds": 40.0},  # they free the GIL
        {"utilisation": 0.3},  # there was not enough to do
        {"backend": "processes"},
        {"workers": 1},
    ],
)
def test_threads_are_not_blamed_for_all(stats, but):
    assert advise(replace(threads(stats), **but)) == ""
    assert advise(threads(stats), cores=1) == ""


def straggling(stats):
    return replace(stats, elapsed=15.0, busy_seconds=36.0, utilisation=0.3)


def test_a_straggler(stats):
    late = Bar(0, 3.0, 15.0, 1, 0, 0, 17, 17)
    said = "item 17 took 12 s of the 15 s: it would be done sooner as the first"
    assert advise(straggling(stats), late) == said
    early = Bar(0, 0.0, 14.5, 1, 0, 0, 3, 3)
    assert "smaller items" in advise(straggling(stats), early)


@pytest.mark.parametrize(
    "but",
    [
        {"phase": "running"},  # who knows what comes
        {"utilisation": 0.9},  # the others had enough to do
        {"workers": 1},
        {"done": 8, "total": 8},  # a worker for each
        {"elapsed": 60.0},
    ],
)
def test_a_long_item_is_not_always_a_straggler(stats, but):
    late = Bar(0, 3.0, 15.0, 1, 0, 0, 17, 17)
    assert advise(replace(straggling(stats), **but), late) == ""
    assert advise(straggling(stats), None) == ""


def test_memory_that_is_about_to_run_out(stats):
    full = replace(stats, phase="running", memory=15_200_000_000, memory_limit=16_000_000_000)
    assert advise(full).startswith("15.2 GB of 16.0 GB of memory are used: fewer workers")
    assert advise(replace(full, phase="done")) == ""
    assert advise(replace(full, memory=10_000_000_000)) == ""
    assert advise(replace(full, memory_limit=0)) == ""
    assert advise(replace(full, waiting="waiting for memory")) == ""


def test_pauses_are_counted(clock):
    state = started(clock)
    state.apply(Steered(clock(), paused=True))
    assert state.stats(clock.go(2)).paused_seconds == pytest.approx(2)
    state.apply(Steered(clock.go(1), paused=False))
    assert state.stats(clock.go(5)).paused_seconds == pytest.approx(3)


# ---------------------------------------------------------------- what is measured


def test_what_is_sent_is_measured(sent):
    stats = nbexec.map(len, [bytes(2_000_000)] * 4, backend=sent, chunk=1).stats
    assert 8_000_000 <= stats.sent_bytes <= 8_100_000
    assert stats.received_bytes < 10_000
    assert 0 < stats.sending_seconds < 5
    back = nbexec.map(bytes, [2_000_000] * 4, backend=sent, chunk=1).stats
    assert 8_000_000 <= back.received_bytes <= 8_100_000
    assert back.sent_bytes < 10_000


def test_nothing_is_sent_in_the_kernel():
    stats = nbexec.map(len, ["a"] * 4, backend="threads").stats
    assert (stats.sent_bytes, stats.received_bytes, stats.sending_seconds) == (0, 0, 0.0)


@pytest.mark.parametrize("backend", ["auto", "threads"])
def test_a_run_knows_what_advice_needs(backend, monkeypatch):
    told = []
    monkeypatch.setattr(
        "nbexec.run.facts.advise",
        lambda stats, longest, **facts: told.append((stats, longest, facts)),
    )
    run = nbexec.map(time.sleep, [0.01, 0.01, 0.3, 0.01], backend=backend).run
    assert run.advice is None
    ((stats, longest, facts),) = told
    assert stats == run.stats
    assert longest.first == 2
    assert facts["auto"] == (backend == "auto")
    assert facts["cores"] >= 1


def test_a_run_gives_advice():
    assert nbexec.map(abs, range(10)).run.advice == ""
