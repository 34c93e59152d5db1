"""Durations: "5 min", seconds or a `timedelta`, as seconds; and seconds in words."""

from __future__ import annotations

import math
import re
from datetime import timedelta
from typing import Any

from ..errors import OptionError
from .rates import LENGTHS

PART = re.compile(r"\s*(\d[\d_]*\.?\d*|\.\d+)\s*([a-zµ]*)\s*,?", re.IGNORECASE)
SIZES = {**LENGTHS, "": 1, "ms": 1e-3, "mins": 60, "hr": 3600, "w": 604800, "week": 604800}
EXAMPLES = "seconds, a timedelta, or text such as '5 min', '1 h 30 min' or '500 ms'"
UNITS = (("week", 604800), ("day", 86400), ("h", 3600), ("min", 60))


def duration(name: str, value: Any) -> float:
    """Give the seconds that an option means.

    Examples
    --------
    >>> duration("every", "5 min"), duration("every", "1h 30m"), duration("every", 0.5)
    (300.0, 5400.0, 0.5)
    """
    seconds = -1.0
    if isinstance(value, timedelta):
        seconds = value.total_seconds()
    elif isinstance(value, int | float) and not isinstance(value, bool):
        seconds = float(value)
    elif isinstance(value, str):
        seconds = _read(value)
    if 0 <= seconds < math.inf:
        return seconds
    raise OptionError(f"{name} must be {EXAMPLES}, 0 or more, not {value!r}")


def _read(text: str) -> float:
    """Give the seconds that a text says, or -1."""
    at, seconds = 0, 0.0
    while found := PART.match(text, at):
        unit = found[2].lower()
        size = SIZES.get(unit) or SIZES.get(unit.removesuffix("s"))
        if size is None or (not unit and found.end() < len(text)):
            return -1
        seconds += float(found[1].replace("_", "")) * size
        at = found.end()
    return seconds if at and at == len(text) else -1


def is_text(value: Any) -> bool:
    """Whether it is a text that says a duration.

    Examples
    --------
    >>> is_text("2 h"), is_text("2027-01-31")
    (True, False)
    """
    return isinstance(value, str) and _read(value) >= 0


def in_words(seconds: float) -> str:
    """Say a duration exactly, in the largest unit that it has a whole number of.

    Examples
    --------
    >>> in_words(300), in_words(90), in_words(0.25), in_words(172800), in_words(5400)
    ('5 min', '90 s', '0.25 s', '2 days', '1 h 30 min')
    """
    if seconds > 3600 and seconds % 60 == 0 and seconds % 3600:
        return f"{seconds // 3600:.15g} h {seconds % 3600 // 60:.15g} min"
    for unit, size in UNITS:
        if seconds >= size and seconds % size == 0:
            count = f"{seconds / size:.15g}"
            return (
                f"{count} {unit}s"
                if unit in ("week", "day") and count != "1"
                else f"{count} {unit}"
            )
    return f"{seconds:.15g} s"
