"""When runs of a job begin, decided without a clock or a thread.

Covers `executor/schedule` and `executor/timings`.
"""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbexec.executor.schedule import GRACE, LOOK_EVERY, SET_BACK, Deadline, JobPolicy, Schedule
from nbexec.executor.timings import AfterEach, At, Every, Fires, Moment, Once

START = 1000.0  # of the monotonic clock
NEW_YORK = ZoneInfo("America/New_York")


def at(seconds, wall=None):
    """Give a moment, so many seconds after the start."""
    wall = 1.8e9 + seconds if wall is None else wall
    return Moment(START + seconds, wall)


def made(timing, **policy):
    return Schedule(timing, JobPolicy(**policy), at(0))


def looks(schedule, moments, runs_take=0.0):
    """Look at each of these times, with runs that are over at once; give those when one begins."""
    begun = []
    for moment in moments:
        for _ in range(schedule.look(at(moment))):
            begun.append(moment)
            schedule.ended(at(moment + runs_take), failed=False)
    return begun


def test_a_fixed_rate_is_that_of_the_plain_arithmetic():
    schedule = made(Every(5.0, delay=2.0))
    assert looks(schedule, range(30)) == [*range(2, 30, 5)]
    assert schedule.missed == 0
    assert schedule.wake(at(29)) == 3.0


def test_a_fixed_delay_counts_from_the_end():
    schedule = made(AfterEach(5.0, delay=1.0))
    assert schedule.look(at(1)) == 1
    assert schedule.wake(at(2)) is None  # not known while it goes on
    assert schedule.look(at(100)) == 0
    schedule.ended(at(100), failed=False)
    assert schedule.wake(at(100)) == 5.0
    assert schedule.look(at(104.9)) == 0
    assert schedule.look(at(105)) == 1
    assert (schedule.missed, schedule.begun) == (0, 2)


def test_once_is_once():
    schedule = made(Once(3.0))
    assert looks(schedule, range(10)) == [3]
    assert schedule.over


@pytest.mark.parametrize(
    ("missed", "begun"), [("once", 1), ("skip", 1), ("all", 4)], ids=["once", "skip", "all"]
)
def test_runs_that_were_missed(missed, begun):
    schedule = made(Every(10.0, delay=10.0), missed=missed)
    moments = [45.0] * 6  # the machine slept, and awakes in the middle of a period
    assert len(looks(schedule, moments)) == begun
    assert schedule.missed == 4 - begun
    assert looks(schedule, [50.0]) == [50.0]


@pytest.mark.parametrize(("missed", "begun"), [("once", 1), ("skip", 0), ("all", 1)])
def test_a_run_that_is_late_by_more_than_a_minute_is_missed(missed, begun):
    schedule = made(Every(3600.0, delay=10.0), missed=missed)
    late = 10 + GRACE + 1
    assert len(looks(schedule, [late])) == begun
    schedule = made(Every(3600.0, delay=10.0), missed=missed)
    assert len(looks(schedule, [10 + GRACE])) == 1


def test_all_that_were_missed_begin_one_after_the_other_or_all_at_once():
    schedule = made(Every(10.0), missed="all")
    assert schedule.look(at(35)) == 1
    assert schedule.look(at(36)) == 0
    assert schedule.wake(at(36)) == 4.0
    schedule.ended(at(37), failed=False)
    assert schedule.wake(at(37)) == 0.0
    assert schedule.look(at(37)) == 1
    schedule = made(Every(10.0), missed="all", overlap="allow")
    assert schedule.look(at(35)) == 4


@pytest.mark.parametrize(
    ("overlap", "at_once", "afterwards", "missed"),
    [("skip", 0, 0, 2), ("queue", 0, 2, 0), ("allow", 2, 0, 0)],
)
def test_runs_that_would_overlap(overlap, at_once, afterwards, missed):
    schedule = made(Every(10.0), overlap=overlap)
    assert schedule.look(at(0)) == 1
    assert schedule.look(at(10)) + schedule.look(at(20)) == at_once
    for _ in range(1 + at_once):
        schedule.ended(at(25), failed=False)
    assert len(looks(schedule, [25, 26, 27])) == afterwards
    assert schedule.missed == missed


def test_an_error_stops_it_where_that_is_wished():
    for on_error, over in (("stop", True), ("go_on", False)):
        schedule = made(Every(1.0), on_error=on_error)
        assert schedule.look(at(0)) == 1
        schedule.ended(at(0.5), failed=True)
        assert (schedule.failures, schedule.over) == (1, over)
        assert schedule.look(at(1)) == (not over)


def test_so_many_times_and_no_more():
    schedule = made(Every(1.0), times=3, overlap="allow", missed="all")
    assert schedule.look(at(10)) == 3
    assert schedule.wake(at(10)) is None
    assert not schedule.over
    for _ in range(3):
        schedule.ended(at(11), failed=False)
    assert schedule.over


@pytest.mark.parametrize("until", [Deadline(START + 10, wall=False), Deadline(1.8e9 + 10, True)])
@pytest.mark.parametrize("timing", [Every(4.0), AfterEach(4.0)])
def test_until(timing, until):
    schedule = made(timing, until=until)
    assert looks(schedule, range(30)) == [0, 4, 8]
    assert schedule.over
    schedule = made(Every(4.0), until=until, missed="all")
    assert len(looks(schedule, [100.0] * 5)) == 3  # what was due later isn't missed
    assert (schedule.missed, schedule.over) == (0, True)


def test_until_is_heeded_where_its_clock_is_set():
    schedule = made(Every(4.0, delay=4.0), until=Deadline(1.8e9 + 100, wall=True))
    assert schedule.look(at(5, wall=2e9)) == 0
    assert schedule.over


def test_what_is_paused_begins_nothing_and_makes_up_for_it():
    schedule = made(Every(10.0))
    schedule.paused = True
    assert schedule.look(at(35)) == 0
    assert schedule.wake(at(35)) is None
    schedule.paused = False
    assert schedule.look(at(36)) == 1
    assert schedule.missed == 3


def test_a_run_out_of_turn():
    once, after, every = made(Once(10.0)), made(AfterEach(10.0)), made(Every(10.0, delay=10.0))
    for schedule in (once, after, every):
        schedule.force()
        schedule.ended(at(1), failed=False)
    assert once.over
    assert after.wake(at(1)) == 10.0
    assert every.wake(at(1)) == 9.0


def test_the_wall_clock_is_looked_at_now_and_then():
    schedule = made(At(datetime.fromtimestamp(1.8e9 + 1000)))
    assert schedule.wake(at(0)) == LOOK_EVERY
    assert schedule.look(at(1, wall=1.8e9 + 1001)) == 1  # it was set


def test_a_fixed_rate_does_not_heed_the_wall_clock():
    schedule = made(Every(10.0))
    assert schedule.look(at(0)) == 1
    schedule.ended(at(0), failed=False)
    for wall in (1e9, 2e9):
        assert schedule.look(at(5, wall=wall)) == 0
        assert schedule.wake(at(5, wall=wall)) == 5.0


@pytest.fixture
def cron():
    triggers = pytest.importorskip("apscheduler.triggers.cron")
    return lambda text, **more: Fires(
        triggers.CronTrigger.from_crontab(text, timezone=NEW_YORK), text, **more
    )


def fired(fires, start, end):
    """Give when it fires, as local time, looking at it each minute."""
    first = Moment(START, start.timestamp())
    schedule = Schedule(fires, JobPolicy(), first)
    times = []
    for wall in range(int(start.timestamp()), int(end.timestamp()), 60):
        if schedule.look(Moment(START + wall - start.timestamp(), wall)):
            times.append(datetime.fromtimestamp(wall, NEW_YORK).strftime("%d %H:%M %z"))
            schedule.ended(first, failed=False)
    return times


def test_when_summer_time_begins_what_is_left_out_runs_once(cron):
    day = datetime(2026, 3, 7, 12, tzinfo=NEW_YORK), datetime(2026, 3, 9, 12, tzinfo=NEW_YORK)
    assert fired(cron("30 2 * * *"), *day) == ["08 03:30 -0400", "09 02:30 -0400"]


def test_when_summer_time_ends_what_comes_twice_runs_once(cron):
    day = datetime(2026, 10, 31, 12, tzinfo=NEW_YORK), datetime(2026, 11, 2, 12, tzinfo=NEW_YORK)
    once = cron("30 1 * * *", twice=False)
    assert fired(once, *day) == ["01 01:30 -0400", "02 01:30 -0500"]
    hours = datetime(2026, 11, 1, 0, 40, tzinfo=NEW_YORK), datetime(2026, 11, 1, 3, tzinfo=NEW_YORK)
    assert [time[3:8] for time in fired(cron("*/30 * * * *"), *hours)] == [
        *("01:00", "01:30", "01:00", "01:30", "02:00", "02:30")
    ]


def test_a_wall_clock_that_is_set_back_far_begins_anew(cron):
    now = datetime(2026, 6, 1, 12, 30, tzinfo=NEW_YORK).timestamp()
    schedule = Schedule(cron("0 * * * *"), JobPolicy(), Moment(START, now))
    assert schedule.look(Moment(START + 1, now - SET_BACK + 60)) == 0
    assert schedule.due == now + 1800  # none twice
    back = now - 10 * SET_BACK
    assert schedule.look(Moment(START + 2, back)) == 0
    assert schedule.due == back + 1800


def test_many_times_of_a_trigger_that_passed_are_counted_up_to_a_bound(monkeypatch):
    interval = pytest.importorskip("apscheduler.triggers.interval")
    monkeypatch.setattr("nbexec.executor.timings.MOST_COUNTED", 100)
    start = datetime.fromtimestamp(1.8e9, NEW_YORK)
    fires = Fires(interval.IntervalTrigger(seconds=1, start_date=start), "every second")
    schedule = made(fires)
    assert schedule.look(at(1e6 + 0.5)) == 1
    assert schedule.missed == 100
    assert schedule.due == 1.8e9 + 1e6 + 1  # in phase


PERIODS = st.floats(0.001, 1e5)
STEPS = st.lists(st.floats(0, 1e6), max_size=30)


@given(PERIODS, STEPS)
def test_every_time_is_passed_once_and_in_order(period, steps):
    timing, now = Every(period), at(0)
    due, count, upto = timing.first(now), 0, START
    for step in steps:
        upto += step
        if due <= upto:
            passed = timing.passed(due, upto)
            assert passed.last <= upto < passed.following
            count, due = count + passed.times, passed.following
    assert due == pytest.approx(START + count * period)


@given(
    st.sampled_from(["once", "skip", "all"]),
    st.sampled_from(["skip", "queue", "allow"]),
    st.integers(1, 12) | st.none(),
    st.lists(st.tuples(st.floats(0, 40), st.sampled_from(["look", "end", "pause", "resume"]))),
)
def test_laws(missed, overlap, times, steps):
    """No time is lost or counted twice, and what isn't to overlap doesn't."""
    schedule = made(Every(10.0), missed=missed, overlap=overlap, times=times)
    now = 0.0
    for step, what in steps:
        now += step
        if what == "look":
            schedule.look(at(now))
        elif what == "end" and schedule.running:
            schedule.ended(at(now), failed=False)
        elif what != "end":
            schedule.paused = what == "pause"
        if overlap != "allow":
            assert schedule.running <= 1
        passed = round((schedule.due - START) / 10)
        if not schedule.spent:
            assert schedule.begun + schedule.waiting + schedule.missed == passed
        assert schedule.begun <= (times or 10**9)
        wake = schedule.wake(at(now))
        assert wake is None or wake >= 0
