"""Checks of the options about a run's pace: rates, slowing down, prices."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from ..errors import OptionError
from . import rates


def rate(name: str, value: Any) -> None:
    rates.limit_of(name, value)


def function_of(name: str, value: Any) -> Callable[..., Any]:
    """Give the function that an option is, or names: "urllib.parse.urlsplit".

    Examples
    --------
    >>> function_of("cost", "builtins.len")("four")
    4
    """
    found: Any = value
    if isinstance(value, str):
        from pydoc import locate  # imports what is dotted

        found = locate(value)
    if not callable(found):
        what = FUNCTIONS[name]
        raise OptionError(f"{name} must be {what}, its dotted name, or None, not {value!r}")
    function: Callable[..., Any] = found
    return function


FUNCTIONS = {
    "rate_key": "a function of the item that gives the host or the account",
    "cost": "a function of the item that gives a number, or a dict of unit to number",
    "actual": "a function of the result that gives a number, or a dict of unit to number",
    "price": "a number, a function of the result that gives one",
    "item_price": "a number, a function of the item that gives one",
    "slow_down": "True, False, a function of the exception that gives True, False or seconds",
}


def function(name: str, value: Any) -> None:
    function_of(name, value)


def price(name: str, value: Any) -> None:
    if number(value) is None:
        function_of(name, value)
    elif not number(value) >= 0:  # type: ignore[operator]
        raise OptionError(f"{name} must be 0 or more, not {value!r}")


def number(value: Any) -> float | None:
    """Give an option that is a number, or the text of one; None where it is neither."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except ValueError:
        return None


def budget(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise OptionError(f"{name} must be a number above 0, or None, not {value!r}")


QUANTILE = re.compile(r"p(\d{1,2}(?:\.\d+)?)")


def late_after(name: str, value: Any) -> tuple[float | None, float | None]:
    """Give the seconds after which an item is late, or the share of items that are faster.

    Examples
    --------
    >>> late_after("hedge_after", 1.5), late_after("hedge_after", "p95")
    ((1.5, None), (None, 0.95))
    """
    found = QUANTILE.fullmatch(value) if isinstance(value, str) else None
    if found is not None and float(found[1]) > 0:
        return None, float(found[1]) / 100
    seconds = number(value)
    if seconds is None or not 0 < seconds < float("inf"):
        raise OptionError(
            f"{name} must be seconds above 0, or 'p95', 'p99' and the like, not {value!r}"
        )
    return seconds, None


def hedge_after(name: str, value: Any) -> None:
    late_after(name, value)


def slow_down(name: str, value: Any) -> None:
    if not isinstance(value, bool) and value not in ("on", "off"):
        function_of(name, value)


def together(options: Any) -> None:
    """Check those of `Options` that need one another."""
    if options.hedge_after is not None:
        _may_hedge(options)
    if options.budget is not None and options.price is None and options.item_price is None:
        raise OptionError(
            f"budget={options.budget!r} needs price=, a function of the result, or item_price=, a "
            "function of the item"
        )
    if options.actual is not None and options.cost is None:
        raise OptionError("actual= corrects cost=, which isn't given: give both")
    if options.cost is not None and options.rate is None:
        raise OptionError("cost= is for rate=, which isn't given: rate={'tokens': '1000/min'}")
    if options.rate is None:
        return
    limits = rates.limit_of("rate", options.rate).rates
    others = sorted({rate.unit for rate in limits} - {rates.CALLS})
    if others and options.cost is None:
        raise OptionError(
            f"rate= limits {' and '.join(others)}, and cost= doesn't say how many an item "
            "takes: give a function of the item"
        )
    if options.cost is not None and not others:
        raise OptionError(
            "cost= is given, and rate= limits calls alone: name the other unit, as "
            "rate={'calls': '200/min', 'tokens': '100_000/min'}"
        )


def _may_hedge(options: Any) -> None:
    if options.crash_retries == 0:
        raise OptionError(
            f"hedge_after={options.hedge_after!r} begins items twice, and crash_retries=0 promises "
            "that none is: leave one of them out"
        )
    seconds, _ = late_after("hedge_after", options.hedge_after)
    if seconds is not None and options.timeout is not None and seconds >= options.timeout:
        raise OptionError(
            f"hedge_after={options.hedge_after!r} must be less than timeout={options.timeout!r}: "
            "by then an item has failed"
        )
