"""Checks of the options, but for those about a run's pace: what is wrong, its value, what to do."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable
from typing import Any

from ..errors import OptionError

PROGRESS = ("auto", "panel", "text", "off")


def int_at_least(least: int) -> Callable[[str, Any], None]:
    def check(name: str, value: Any) -> None:
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise OptionError(f"{name} must be an integer of at least {least}, not {value!r}")

    return check


def seconds(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= 0:
        raise OptionError(f"{name} must be seconds, 0 or more, not {value!r}")


def wait(name: str, value: Any) -> None:
    if not callable(value):
        if isinstance(value, (int, float)):
            seconds(name, value)
            return
        raise OptionError(
            f"{name} must be seconds, a function of the attempt's number, a wait strategy of "
            f"tenacity, or None, not {value!r}"
        )


SIZE = re.compile(r"\s*([\d.]+)\s*(%|[kMGT]?i?B)?\s*", re.IGNORECASE)
UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}


def bytes_of(name: str, value: Any, whole: int) -> int:
    """Give the bytes of an option: a number, "4 GB", "4 GiB" or "80%" of `whole`.

    Examples
    --------
    >>> bytes_of("memory_limit", "2.5 GB", 0), bytes_of("memory_limit", "80%", 1000)
    (2500000000, 800)
    """
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0:
        return int(value)
    found = SIZE.fullmatch(value) if isinstance(value, str) else None
    if found is not None and found[1].count(".") < 2 and found[1] != "." and float(found[1]):
        number, unit = float(found[1]), (found[2] or "").lower()
        if unit == "%":
            return int(whole * number / 100)
        unit = unit.removesuffix("b")
        factor = UNITS[unit[:1]] if not unit.endswith("i") else 1024 ** "ikmgt".index(unit[0])
        return int(number * factor)
    raise OptionError(f"{name} must be bytes, a size as '4 GB', or a share as '80%', not {value!r}")


def memory(name: str, value: Any) -> None:
    bytes_of(name, value, 1)


def errors(name: str, value: Any) -> None:
    error_types(name, value)


def error_types(name: str, value: Any) -> tuple[type[BaseException], ...] | None:
    """Give the exception types that an option names; None where it is a predicate.

    Examples
    --------
    >>> error_types("retry_on", "OSError, json.JSONDecodeError")
    (<class 'OSError'>, <class 'json.decoder.JSONDecodeError'>)
    """
    if isinstance(value, str):
        from pydoc import locate  # imports what is dotted

        found: dict[str, Any] = {word.strip(): locate(word.strip()) for word in value.split(",")}
    else:
        several = value if isinstance(value, tuple) else (value,)
        found = {repr(one): one for one in several}
    wrong = [
        word
        for word, kind in found.items()
        if not (isinstance(kind, type) and issubclass(kind, BaseException))
    ]
    if not wrong:
        return tuple(found.values())
    if callable(value) and not isinstance(value, type):
        return None
    raise OptionError(
        f"{name} must be an exception type, several in a tuple, their names ('OSError, "
        f"json.JSONDecodeError'), or a function of the exception, not {wrong[0]}"
    )


def text(name: str, value: Any) -> None:
    if not isinstance(value, str):
        raise OptionError(f"{name} must be a string, not {value!r}")


def path(name: str, value: Any) -> None:
    if not isinstance(value, str | os.PathLike) or not str(value).strip():
        raise OptionError(f"{name} must be the path of a file, or None, not {value!r}")


def one_of(allowed: tuple[str, ...]) -> Callable[[str, Any], None]:
    def check(name: str, value: Any) -> None:
        if value not in allowed:
            hint = suggest(str(value), allowed)
            raise OptionError(f"{name}={value!r} is not one of {', '.join(allowed)}{hint}")

    return check


def is_bar(value: Any) -> bool:
    """Whether it is a progress bar as tqdm's, or makes one: with `update` and `close`."""
    made = value.func if isinstance(value, functools.partial) else value
    return all(callable(getattr(made, name, None)) for name in ("update", "close"))


def progress(name: str, value: Any) -> None:
    if isinstance(value, str):
        one_of(PROGRESS)(name, value)
    elif not is_bar(value):
        raise OptionError(
            f"{name} must be one of {', '.join(PROGRESS)}, or a progress bar with update and "
            f"close, as tqdm's (its class, or an instance), not {value!r}"
        )


def several(value: Any) -> tuple[Any, ...]:
    """Give what an option has that may be one, several in a list, or None."""
    if value is None:
        return ()
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def event_functions(name: str, value: Any) -> None:
    for one in several(value):
        if isinstance(one, type) or not (callable(one) or callable(getattr(one, "watch", None))):
            raise OptionError(
                f"{name} must be a function of an event, an observer such as "
                f"nbexec.JsonLines(path), several in a list, or None, not {one!r}"
            )


def suggest(word: str, known: tuple[str, ...] | list[str]) -> str:
    """Give ``"; did you mean 'threads'?"``, or an empty string where no word is similar."""
    import difflib

    near = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else ""
