"""What an exception says of an HTTP reply: that the server asks to slow down, and for how long.

It is read where the exception was raised: on its way to the kernel it may lose what can't be
pickled.  It is known by its attributes, so that no library of HTTP has to be there: `requests`,
`httpx`, `aiohttp`, `urllib`, and clients of services that wrap one of them.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from ..model import SlowDown

STATUSES = (429, 503)  # too many requests, service unavailable
DEPTH = 5  # exceptions that one may come from
EPOCH = 1e9  # seconds, from which on a number is a time and no duration
PART = re.compile(r"([\d.]+)\s*(ms|us|µs|ns|d|h|m|s)")
UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6}


def asked(error: BaseException, wall: Callable[[], float] = time.time) -> SlowDown | None:
    """Give what an exception asks for; None where it is nothing of the kind.

    Parameters
    ----------
    error : BaseException
        What an item raised; those that it was raised from are looked at, too.
    wall : callable
        Gives the Unix time.

    Examples
    --------
    >>> error = OSError("Too Many Requests")
    >>> error.status, error.headers = 429, {"Retry-After": "7"}
    >>> asked(error)
    SlowDown(status=429, seconds=7.0, lacking='')
    """
    for _ in range(DEPTH):
        if not isinstance(error, Exception):
            return None
        found = _of(error, wall)
        if found is not None:
            return found
        if error.__cause__ is None:
            return None
        error = error.__cause__
    return None


def _of(error: Exception, wall: Callable[[], float]) -> SlowDown | None:
    response = _get(error, "response")
    if not (_has_headers(response) or _has_headers(error)):
        return None  # a status alone may be anything, and a plain loop would have raised it
    for one in (error, response):
        for name in ("status_code", "status", "code", "HTTPStatusCode"):
            status = _status(_get(one, name))
            if status in STATUSES:
                headers = {**_headers(response), **_headers(error)}
                return SlowDown(status, seconds_asked(headers, wall()))
    return None


def _get(one: Any, name: str) -> Any:
    """Give an attribute, or what a mapping has by that name, of anything."""
    try:
        if isinstance(one, dict):  # as botocore's
            return one.get(name, one.get("ResponseMetadata", {}).get(name))
        return getattr(one, name, None)
    except Exception:  # a property is the user's code
        return None


def _status(value: Any) -> int:
    if isinstance(value, str) and value.isdecimal() and len(value) == 3:
        return int(value)
    return int(value) if isinstance(value, int) else 0


def _has_headers(one: Any) -> bool:
    """Whether it is a reply, or has one's headers, if only empty ones."""
    return any(hasattr(_get(one, name), "items") for name in ("headers", "HTTPHeaders"))


def _headers(one: Any) -> dict[str, str]:
    found = _get(one, "headers") or _get(one, "HTTPHeaders")
    try:
        pairs = found.items() if found is not None else ()
        return {str(name).lower(): str(value).strip() for name, value in pairs}
    except Exception:
        return {}


def seconds_asked(headers: Mapping[str, str], now: float) -> float | None:
    """Give the seconds that headers ask to wait, from the Unix time `now` on; None: they don't.

    Examples
    --------
    >>> seconds_asked({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1m0.5s"}, 0.0)
    60.5
    """
    now = _date(headers.get("date", "")) or now  # by the server's own clock, where it says it
    exact = _number(headers.get("retry-after-ms", ""))
    if exact is not None:
        return exact / 1000
    given = headers.get("retry-after", "")
    found = _moment(given, now)
    return found if found is not None else _reset(headers, now)


def _reset(headers: Mapping[str, str], now: float) -> float | None:
    """Give when what is used up is there again; where none says that it is, when all are."""
    resets = {
        name: found
        for name, value in headers.items()
        if "reset" in name and ("ratelimit" in name or "rate-limit" in name)
        if (found := _moment(value, now)) is not None
    }
    used_up = [
        found
        for name, found in resets.items()
        if _number(headers.get(name.replace("reset", "remaining"), "")) == 0
    ]
    return max(used_up or resets.values(), default=None)


def _moment(value: str, now: float) -> float | None:
    """Give the seconds from now: of a number of them, a duration, a Unix time or a date."""
    number = _number(value)
    if number is not None:
        if number >= EPOCH * 1000:
            number /= 1000  # milliseconds
        return max(0.0, number - now) if number >= EPOCH else number
    parts = PART.findall(value)
    if parts and not PART.sub("", value).strip():
        return sum(float(much) * UNITS.get(unit, 1e-9) for much, unit in parts)
    at = _date(value)
    return None if at is None else max(0.0, at - now)


def _number(value: str) -> float | None:
    try:
        number = float(value)
    except ValueError:
        return None
    return number if 0 <= number < float("inf") else None


def _date(value: str) -> float | None:
    """Give the Unix time of an HTTP date, or of one in ISO 8601."""
    if not value:
        return None
    from datetime import UTC, datetime
    from email.utils import parsedate_to_datetime

    for parse in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            at = parse(value)
        except (TypeError, ValueError, IndexError):
            continue
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    return None
