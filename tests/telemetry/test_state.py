"""RunState: counts, rate, ETA, effective cores, by events and a fake clock alone.

Covers `nbexec.telemetry.recent_rate`, `nbexec.telemetry.stats`, `nbexec.telemetry.tries` and
`nbexec.telemetry.wording`.
"""

from __future__ import annotations

import pytest

from nbexec.errors import RunCancelled
from nbexec.model import Choice, Chunk, Error, Outcome
from nbexec.telemetry.events import (
    Finished,
    Retried,
    Returned,
    RunEnded,
    RunStarted,
    Sampled,
    Steered,
    Submitted,
)
from nbexec.telemetry.state import RunState
from nbexec.telemetry.wording import summary


def ended(chunk, seconds=1.0, cpu=0.0, errors=()):
    count = len(chunk)
    wrong = {at: Error(kind, ValueError(at), "") for at, kind in dict(errors).items()}
    ends = [seconds * (at + 1) / count for at in range(count)]
    return Outcome([None] * count, wrong, 0.0, ends, cpu, "w")


def started(clock, total=100, workers=2, fastest=None):
    state, choice = RunState(), Choice("processes", workers, "why")
    state.apply(RunStarted(clock(), "measure", total, choice, fastest))
    return state


def work(state, clock, start, stop, seconds, lasted=None, **how):
    chunk = Chunk(range(start, stop), range(start, stop))
    state.apply(Submitted(clock(), chunk))
    clock.go(seconds)
    state.apply(Finished(clock(), chunk, ended(chunk, lasted or seconds, **how)))


def test_seconds_of_failed_tries_count_once(clock):
    """Alone in their chunk, last in it, or amid others that ran on after them."""
    error = Error("error", ValueError(), "")
    state = started(clock)
    state.apply(Submitted(clock(), Chunk(range(1), [0])))
    state.apply(Retried(clock(), 0, 2, error, 0.0, 50.0, 3.0, "w"))  # alone
    assert state.stats(clock()).busy_seconds == 3.0
    clock.go(1)
    chunk = Chunk(range(1, 5), range(4))
    state.apply(Submitted(clock(), chunk))
    state.apply(Retried(clock(), 2, 2, error, 0.0, 101.0, 2.0, "w"))  # amid
    state.apply(Retried(clock(), 4, 2, error, 0.0, 104.0, 5.0, "w"))  # last
    outcome = Outcome([1, 3], {}, 100.0, [1.0, 4.0], 0.0, "w")
    state.apply(Finished(clock(), Chunk([1, 3], [0, 2]), outcome))
    stats = state.stats(clock())
    assert stats.busy_seconds == 3.0 + 4.0 + 5.0
    assert stats.by_worker == {"w": (2, 12.0, 1.0)}


def test_counts(clock):
    state = started(clock)
    work(state, clock, 0, 10, 1.0, errors={0: "error", 1: "lost", 2: "cancelled"})
    stats = state.stats(clock())
    assert (stats.done, stats.failed, stats.cancelled, stats.finished) == (7, 2, 1, 10)
    assert (stats.name, stats.total, stats.backend, stats.workers) == (
        "measure",
        100,
        "processes",
        2,
    )
    assert stats.phase == "running"
    assert not stats.ended


def test_running_is_an_estimate_of_at_most_the_workers(clock):
    state = started(clock, workers=2)
    chunks = [Chunk(range(at, at + 5), range(5)) for at in (0, 5, 10)]
    for chunk in chunks:
        state.apply(Submitted(clock(), chunk))
    assert state.stats(clock()).running == 2
    state.apply(Returned(clock(), chunks[2]))
    state.apply(Finished(clock(), chunks[1], ended(chunks[1])))
    state.apply(Finished(clock(), chunks[0].part(0, 4), ended(chunks[0].part(0, 4))))
    assert state.stats(clock()).running == 1
    state.apply(Retried(clock(), 4, 2, Error("error", ValueError(), ""), 0.0))
    assert state.stats(clock()).running == 0
    assert state.stats(clock()).retried == 1


def test_rate_and_eta_come_from_recent_work(clock):
    state = started(clock, total=1000)
    for at in range(0, 100, 10):  # 10 items a second at first
        work(state, clock, at, at + 10, 1.0)
    assert state.stats(clock()).rate == pytest.approx(10)
    for at in range(100, 600, 20):  # then 20 a second, for long enough
        work(state, clock, at, at + 20, 1.0)
    stats = state.stats(clock())
    assert stats.rate == pytest.approx(20, rel=0.1)
    assert stats.eta == pytest.approx(400 / stats.rate)


def test_what_is_left_takes_as_long_as_a_limit_has_it_take(clock):
    state = started(clock, total=4000, fastest=100 / 60)
    work(state, clock, 0, 100, 2.0)  # all that may start at first, at once
    assert state.stats(clock.go(5)).eta == pytest.approx(3900 * 60 / 100)


def test_rate_falls_while_nothing_ends(clock):
    state = started(clock)
    work(state, clock, 0, 10, 1.0)
    assert state.stats(clock.go(9)).rate == pytest.approx(1)


def test_no_eta_without_a_total_or_while_paused(clock):
    state = started(clock, total=None)
    work(state, clock, 0, 10, 1.0)
    assert state.stats(clock()).eta is None
    state.apply(Steered(clock(), total=40))
    assert state.stats(clock()).eta == pytest.approx(3)
    state.apply(Steered(clock(), paused=True))
    stats = state.stats(clock())
    assert (stats.phase, stats.eta) == ("paused", None)
    clock.go(60)  # a pause says nothing about the rate
    state.apply(Steered(clock(), paused=False))
    work(state, clock, 10, 20, 1.0)
    assert state.stats(clock()).rate == pytest.approx(10)


def test_no_eta_before_it_means_something(clock):
    state = started(clock, total=1000, workers=4)
    work(state, clock, 0, 3, 0.9)  # too soon
    assert state.stats(clock()).eta is None
    work(state, clock, 3, 4, 0.4)
    assert state.stats(clock()).eta == pytest.approx(996 * 1.3 / 4)
    slow = started(clock, total=1000, workers=4)
    work(slow, clock, 0, 1, 60.0)  # the first of four that began together
    assert slow.stats(clock()).eta is None


def test_the_eta_counts_down_while_items_take_as_long_as_before(clock):
    state = started(clock, total=12, workers=4)
    clock.go(60)
    for at in range(4):
        work(state, clock, at, at + 1, 0.0, lasted=60.0)
    assert state.stats(clock()).eta == pytest.approx(120)
    assert state.stats(clock.go(30)).eta == pytest.approx(90)
    assert state.stats(clock.go(29)).eta == pytest.approx(61)
    clock.go(61)  # they are late by a minute now
    assert state.stats(clock()).eta == pytest.approx(8 / 4 * 120 - 60)


def test_the_eta_is_not_made_of_one_item_where_all_workers_end_together(clock):
    state = started(clock, total=400, workers=4)
    for _ in range(5):
        clock.go(60)
        for at in range(4):
            work(state, clock, at, at + 1, 0.0, lasted=60.0)
    clock.go(60)
    work(state, clock, 0, 1, 0.0, lasted=60.0)
    assert state.stats(clock()).eta == pytest.approx(379 * 15, rel=0.3)


def test_the_time_that_workers_take_to_start_is_not_in_the_rate(clock):
    state = started(clock, total=100)
    clock.go(30)
    work(state, clock, 0, 10, 2.0)
    stats = state.stats(clock())
    assert stats.rate == pytest.approx(5)
    assert stats.eta == pytest.approx(18)


def test_effective_cores_and_utilisation(clock):
    state = started(clock, workers=4)
    work(state, clock, 0, 10, 10.0, cpu=8.0)
    stats = state.stats(clock())
    assert stats.effective_cores == pytest.approx(0.8)
    assert stats.utilisation == pytest.approx(0.25)


def test_utilisation_counts_the_workers_of_each_time(clock):
    state = started(clock, workers=1)
    work(state, clock, 0, 10, 10.0)
    state.apply(Steered(clock(), choice=Choice("threads", 3)))
    work(state, clock, 10, 20, 10.0)
    assert state.stats(clock()).utilisation == pytest.approx(20 / 40)


@pytest.mark.parametrize(
    ("reason", "phase"),
    [("done", "done"), ("failed", "failed"), ("cancelled", "cancelled"), ("crashed", "failed")],
)
def test_after_the_end_nothing_moves(clock, reason, phase):
    state = started(clock)
    work(state, clock, 0, 10, 2.0)
    state.apply(RunEnded(clock(), reason))
    stats = state.stats(clock())
    assert stats.ended
    assert stats.phase == phase
    assert stats.elapsed == pytest.approx(2.0)
    assert stats.rate == pytest.approx(5)
    assert state.stats(clock.go(100)) == stats


def test_phases_on_the_way(clock):
    state = RunState()
    assert state.stats(clock()).phase == "waiting"
    assert state.stats(clock()).elapsed == 0.0
    state = started(clock)
    state.apply(Steered(clock(), cancelling=True))
    assert state.stats(clock()).phase == "cancelling"


def test_samples(clock):
    state = started(clock)
    state.apply(Sampled(clock(), 1.5, 10**9, 2 * 10**9))
    stats = state.stats(clock())
    assert (stats.cores_now, stats.memory, stats.memory_limit) == (1.5, 10**9, 2 * 10**9)


def test_summary_says_it_in_words(clock):
    state = started(clock, total=1487, workers=8)
    work(state, clock, 0, 692, 11.0, cpu=80.0, errors={3: "error"})
    said = summary(state.stats(clock()))
    assert said.startswith("measure: 691 / 1,487, 63 / s, about 15 s left, 11 s, 1 failed")
    assert said.endswith("processes × 8: why")
    state.apply(RunEnded(clock(), "done"))
    assert "7.3 cores used" in summary(state.stats(clock()))
    assert "100% busy" not in summary(state.stats(clock()))


def test_cancelled_is_said_with_what_was_kept(clock):
    state = started(clock)
    work(state, clock, 0, 38, 12.4)
    state.apply(RunEnded(clock(), "cancelled"))
    assert "cancelled after 12 s, 38 results kept" in summary(state.stats(clock()))
    assert isinstance(RunCancelled("x"), Exception)
