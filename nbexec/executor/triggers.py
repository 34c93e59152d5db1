"""From the arguments of `Executor.schedule` to when its runs are due."""

from __future__ import annotations

from datetime import datetime, tzinfo
from typing import Any

from ..errors import OptionError
from ..options.duration_text import duration, is_text
from .schedule import GRACE, Deadline
from .timings import AfterEach, At, Every, Fires, Moment, Once, Timing

WAYS = "delay=, at=, every=, after_each=, cron= or trigger="


def timing_of(
    now: Moment,
    *,
    delay: Any = None,
    at: Any = None,
    every: Any = None,
    after_each: Any = None,
    cron: Any = None,
    trigger: Any = None,
    timezone: Any = None,
) -> Timing:
    """Give the timing that the arguments mean.

    Raises
    ------
    OptionError
        None was given, or several that don't go together, or one that can't be used.
    BackendError
        APScheduler is not installed, and would be needed.
    """
    ways = {"at": at, "every": every, "after_each": after_each, "cron": cron, "trigger": trigger}
    given = [name for name, value in ways.items() if value is not None]
    zone = zone_of(timezone)
    if not given and delay is None:
        raise OptionError(f"schedule() needs to know when: give {WAYS}")
    if len(given) > 1 or (delay is not None and given and given[0] not in ("every", "after_each")):
        both = " and ".join(f"{name}=" for name in [*given, *["delay"][: delay is not None]])
        raise OptionError(
            f"{both} don't go together: give one of {WAYS}; delay= may also say when every= and "
            "after_each= begin"
        )
    first = 0.0 if delay is None else duration("delay", delay)
    if every is not None:
        return Every(_period(every), first)
    if after_each is not None:
        return AfterEach(duration("after_each", after_each), first)
    if at is not None:
        return _at(at, zone, now)
    if cron is not None:
        from .crontab import crontab

        return _fires(crontab(cron, zone), now, f"cron={cron!r}")
    if trigger is not None:
        if not callable(getattr(trigger, "get_next_fire_time", None)):
            raise OptionError(
                f"trigger must be one of APScheduler 3's, as CronTrigger(hour=9), not {trigger!r}"
            )
        return _fires(Fires(trigger, str(trigger)), now, f"trigger={trigger!r}")
    return Once(first)


def _period(every: Any) -> float:
    period = duration("every", every)
    if period < 0.001:
        raise OptionError(
            f"every={every!r} is less than a millisecond: after_each=0 has the next run begin "
            "when the last has ended"
        )
    return period


def _at(at: Any, zone: tzinfo | None, now: Moment) -> At:
    when = date_of("at", at, zone)
    if when.timestamp() < now.wall - GRACE:
        today = datetime.fromtimestamp(now.wall, when.tzinfo)
        raise OptionError(f"at={at!r} has passed: it is {today:%Y-%m-%d %H:%M:%S}")
    return At(when)


def _fires(fires: Fires, now: Moment, what: str) -> Fires:
    if fires.first(now) is None:
        raise OptionError(f"{what} never comes: there is no such time after now")
    return fires


def deadline_of(until: Any, timezone: Any, now: Moment) -> Deadline | None:
    """Give the deadline that ``until=`` means: a date, or a duration from now."""
    if until is None:
        return None
    if isinstance(until, datetime) or (isinstance(until, str) and not is_text(until)):
        return Deadline(date_of("until", until, zone_of(timezone)).timestamp(), wall=True)
    return Deadline(now.monotonic + duration("until", until), wall=False)


def date_of(name: str, value: Any, zone: tzinfo | None) -> datetime:
    """Give a date with its time zone: that of the option, else the local one.

    Examples
    --------
    >>> date_of("at", "2027-01-31 09:00", zone_of("Europe/Rome")).isoformat()
    '2027-01-31T09:00:00+01:00'
    """
    date = value
    if isinstance(value, str):
        try:
            date = datetime.fromisoformat(value)
        except ValueError:
            pass
    if not isinstance(date, datetime):
        raise OptionError(
            f"{name} must be a datetime, or text such as '2027-01-31 09:00', not {value!r}"
        )
    if date.tzinfo is None:
        date = date.replace(tzinfo=zone) if zone is not None else date.astimezone()
    return date


def zone_of(timezone: Any) -> tzinfo | None:
    """Give the time zone of a name such as "Europe/Rome"; None stays: the local one."""
    if timezone is None or isinstance(timezone, tzinfo):
        return timezone
    import zoneinfo  # 3 ms, for few

    try:
        return zoneinfo.ZoneInfo(timezone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, TypeError, OSError):
        raise OptionError(
            f"timezone must be a name as 'Europe/Rome' or 'UTC', or a tzinfo, not {timezone!r}"
        ) from None
