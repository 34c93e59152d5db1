"""Arguments of `Executor.schedule` as times.

Covers `executor/triggers`, `executor/crontab` and `options/duration_text`.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from nbexec.errors import BackendError, OptionError
from nbexec.executor.crontab import NICKNAMES, crontab
from nbexec.executor.schedule import Deadline
from nbexec.executor.timings import AfterEach, At, Every, Fires, Moment, Once
from nbexec.executor.triggers import date_of, deadline_of, timing_of
from nbexec.options.duration_text import duration, in_words, is_text

NOW = Moment(1000.0, datetime(2026, 6, 3, 12, 30, tzinfo=UTC).timestamp())  # a Wednesday


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        (5, 5),
        (0.25, 0.25),
        (timedelta(minutes=2), 120),
        ("5 min", 300),
        ("1h30m", 5400),
        ("1 hour, 30 minutes", 5400),
        ("500ms", 0.5),
        (" 2 days ", 172800),
        ("1_000 s", 1000),
        ("1 week", 604800),
        ("90", 90),
        (0, 0),
    ],
)
def test_durations(given, seconds):
    assert duration("every", given) == seconds


@pytest.mark.parametrize(
    "given",
    [
        *("", "min", "5 parsecs", "-5 s", "1 2", "5 min!", "2027-01-31"),
        *(-1, float("nan"), float("inf"), True, None, timedelta(seconds=-1), [5]),
    ],
)
def test_what_is_no_duration(given):
    with pytest.raises(OptionError, match=r"every must be seconds, .*'5 min'.*not"):
        duration("every", given)
    assert not is_text(given)


@pytest.mark.parametrize("seconds", [0.001, 0.5, 1, 59, 60, 90, 3600, 5400, 86400, 604800, 1e6])
def test_durations_in_words_are_read_again(seconds):
    assert duration("every", in_words(seconds)) == seconds


def test_each_way():
    assert timing_of(NOW, delay="5 s") == Once(5.0)
    assert timing_of(NOW, every="5 s", delay=2) == Every(5.0, 2.0)
    assert timing_of(NOW, after_each=0) == AfterEach(0.0)
    when = datetime(2026, 6, 4, 9, tzinfo=UTC)
    assert timing_of(NOW, at=when) == At(when)


def test_dates():
    rome = ZoneInfo("Europe/Rome")
    assert date_of("at", datetime(2027, 1, 31, 9), rome) == datetime(2027, 1, 31, 8, tzinfo=UTC)
    local = date_of("at", "2027-01-31 09:00", None)
    assert local.timestamp() == datetime(2027, 1, 31, 9).timestamp()
    aware = timezone(timedelta(hours=5))
    assert date_of("at", "2027-01-31T09:00+05:00", rome) == datetime(2027, 1, 31, 9, tzinfo=aware)


def test_deadlines():
    assert deadline_of(None, None, NOW) is None
    assert deadline_of("2 h", None, NOW) == Deadline(8200.0, wall=False)
    end = datetime(2027, 1, 31, tzinfo=UTC)
    assert deadline_of("2027-01-31", "UTC", NOW) == Deadline(end.timestamp(), wall=True)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "needs to know when: give delay=, at="),
        ({"every": 5, "after_each": 5}, "every= and after_each= don't go together"),
        ({"at": "2027-01-31", "delay": 5}, "at= and delay= don't go together"),
        ({"every": 0}, "after_each=0 has the next run begin"),
        ({"delay": "soon"}, "delay must be seconds"),
        ({"at": "soon"}, "at must be a datetime, or text such as '2027-01-31 09:00', not 'soon'"),
        ({"at": "2026-06-03 12:00", "timezone": "UTC"}, "has passed: it is 2026-06-03 12:30:00"),
        ({"at": "2027-01-31", "timezone": "Rome"}, "timezone must be a name as 'Europe/Rome'"),
        ({"at": "2027-01-31", "timezone": 2}, "timezone must be a name .* not 2"),
        ({"trigger": "cron"}, "trigger must be one of APScheduler 3's, .* not 'cron'"),
        ({"cron": "* * * *"}, "has not the five fields of cron"),
        ({"cron": 5}, "cron=5 has not the five fields"),
        ({"cron": "* * * * monday"}, "'monday' is no weekday"),
        ({"cron": "* * * * 8"}, "'8' is no weekday"),
        ({"cron": "* * * * */0"}, "is no weekday"),
        ({"cron": "99 * * * *"}, r"cron='99 \* \* \* \*': .*; write minute, hour"),
        ({"cron": "0 0 31 2 *"}, "never comes: there is no such time"),
    ],
)
def test_what_can_not_be_used(given, message):
    if "cron" in given:
        pytest.importorskip("apscheduler")
    with pytest.raises(OptionError, match=message):
        timing_of(NOW, **given)


def times(text, count, zone="UTC"):
    """Give the first times that a crontab's line means."""
    pytest.importorskip("apscheduler")
    fires = crontab(text, ZoneInfo(zone))
    found, due = [], fires.first(NOW)
    while len(found) < count:
        found.append(datetime.fromtimestamp(due, ZoneInfo(zone)).strftime("%a %d %b %H:%M"))
        due = fires.passed(due, due).following
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("*/20 * * * *", ["Wed 03 Jun 12:40", "Wed 03 Jun 13:00", "Wed 03 Jun 13:20"]),
        ("0 9 * * 1", ["Mon 08 Jun 09:00", "Mon 15 Jun 09:00"]),  # in APScheduler, Tuesday
        ("0 9 * * 0", ["Sun 07 Jun 09:00", "Sun 14 Jun 09:00"]),
        ("0 9 * * 7", ["Sun 07 Jun 09:00", "Sun 14 Jun 09:00"]),
        ("0 9 * * Mon-Fri", ["Thu 04 Jun 09:00", "Fri 05 Jun 09:00", "Mon 08 Jun 09:00"]),
        ("0 9 * * fri-mon", ["Fri 05 Jun 09:00", "Sat 06 Jun 09:00", "Sun 07 Jun 09:00"]),
        ("0 9 * * 6,1", ["Sat 06 Jun 09:00", "Mon 08 Jun 09:00"]),
        ("0 9 10 * *", ["Wed 10 Jun 09:00", "Fri 10 Jul 09:00"]),
        # Either, as in cron: the 10th, and each Monday.
        ("0 9 10 * 1", ["Mon 08 Jun 09:00", "Wed 10 Jun 09:00", "Mon 15 Jun 09:00"]),
        # Both, where one of them begins with a star.
        ("0 9 */2 * 1", ["Mon 15 Jun 09:00", "Mon 29 Jun 09:00"]),
        ("0 0 1 jan *", ["Fri 01 Jan 00:00", "Sat 01 Jan 00:00"]),
        ("@daily", ["Thu 04 Jun 00:00", "Fri 05 Jun 00:00"]),
    ],
)
def test_cron(text, expected):
    assert times(text, len(expected)) == expected


@pytest.mark.parametrize("nickname", NICKNAMES)
def test_nicknames(nickname):
    assert times(nickname, 2) == times(NICKNAMES[nickname], 2)


def test_cron_is_in_its_time_zone():
    assert times("0 9 * * *", 1, "Asia/Tokyo") == ["Thu 04 Jun 09:00"]


def test_a_trigger_of_apscheduler():
    calendar = pytest.importorskip("apscheduler.triggers.calendarinterval")
    trigger = calendar.CalendarIntervalTrigger(months=1, hour=9, timezone="UTC")
    timing = timing_of(NOW, trigger=trigger)
    assert isinstance(timing, Fires)
    first = timing.first(NOW)
    assert datetime.fromtimestamp(first, UTC).hour == 9
    following = timing.passed(first, first).following
    assert 28 <= (following - first) / 86400 <= 31


def test_without_apscheduler(monkeypatch):
    monkeypatch.setitem(sys.modules, "apscheduler.triggers.cron", None)
    with pytest.raises(BackendError, match=r'pip install "nbexec-toolkit\[schedule\]"'):
        timing_of(NOW, cron="* * * * *")
