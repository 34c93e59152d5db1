"""Cron's five fields as a trigger of APScheduler, with the meaning that cron(8) gives them.

APScheduler's `CronTrigger.from_crontab` has other ideas of two things: its weekday 0 is Monday
(its issue 286), and it wants both the day of the month and the weekday to match, where cron is
content with one of them if both are restricted.
"""

from __future__ import annotations

import re
from datetime import tzinfo
from typing import Any

from ..errors import BackendError, OptionError
from .timings import Fires

WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
NUMBERS = {**{name: at for at, name in enumerate(WEEKDAYS)}, **{str(at): at for at in range(8)}}
RANGE = re.compile(r"(?:\*|([0-7]|[a-z]{3})(?:-([0-7]|[a-z]{3}))?)(?:/(\d+))?")
NICKNAMES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
FORM = "minute, hour, day of the month, month and weekday, as '*/5 * * * *' or '0 9 * * mon-fri'"


def crontab(text: Any, timezone: tzinfo | None) -> Fires:
    """Give when a line of a crontab fires.

    Raises
    ------
    OptionError
        It is none; the message has what is wrong.
    BackendError
        APScheduler is not installed.
    """
    fields = NICKNAMES.get(text.strip().lower(), text).split() if isinstance(text, str) else []
    if len(fields) != 5:
        raise OptionError(f"cron={text!r} has not the five fields of cron: {FORM}")
    minute, hour, day, month, weekday = (field.lower() for field in fields)
    often = {"minute": minute, "hour": hour, "month": month, "timezone": timezone}
    days = [{"day": day, "day_of_week": weekdays(text, weekday)}]
    if not day.startswith("*") and not weekday.startswith("*"):
        days = [{one: those} for one, those in days[0].items()]
    triggers = _module("apscheduler.triggers.cron")
    try:
        made = [triggers.CronTrigger(**often, **one) for one in days]
    except (ValueError, TypeError) as error:
        raise OptionError(f"cron={text!r}: {error}; write {FORM}") from None
    fires = made[0] if len(made) == 1 else _module("apscheduler.triggers.combining").OrTrigger(made)
    # As cron: what is due at a given hour runs in the first of the two that have its number.
    return Fires(fires, f"cron {text.strip()}", twice=hour.startswith("*"))


def weekdays(text: str, field: str) -> str:
    """Give the weekdays by their names.

    Examples
    --------
    >>> weekdays("", "1-5"), weekdays("", "0,7"), weekdays("", "*/3"), weekdays("", "fri-sun")
    ('mon,tue,wed,thu,fri', 'sun', 'sun,wed,sat', 'sun,fri,sat')
    """
    if field == "*":
        return field
    chosen: set[int] = set()
    for part in field.split(","):
        found = RANGE.fullmatch(part)
        ends = [NUMBERS.get(one, -1) for one in (found.groups()[:2] if found else ("?",)) if one]
        step = int(found[3] or 1) if found else 0
        if -1 in ends or step < 1:
            raise OptionError(
                f"cron={text!r}: {part!r} is no weekday: write 0 (Sunday) to 6, or mon to sun"
            )
        first, last = (ends or [0])[0], (ends or [6])[-1]
        if len(ends) == 1 and found and found[3]:
            last = 6
        last += 7 * (last < first)
        chosen.update(one % 7 for one in range(first, last + 1, step))
    return ",".join(WEEKDAYS[one] for one in sorted(chosen))


def _module(name: str) -> Any:
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise BackendError(
            'cron= needs APScheduler: pip install "nbexec-toolkit[schedule]" '
            "(or every=, after_each=, delay= and at=, which don't)"
        ) from error
