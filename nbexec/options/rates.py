"""Rates: what `rate=` says, "50/s" or a `Limit`, as records."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from ..errors import OptionError

CALLS = "calls"  # the unit of a rate without one
LENGTHS = {"s": 1, "sec": 1, "second": 1, "m": 60, "min": 60, "minute": 60, "h": 3600}
LENGTHS |= {"hour": 3600, "d": 86400, "day": 86400}
FORM = re.compile(r"\s*([\d_,.]+)\s*(?:/|per)\s*([a-z]+?)\s*", re.IGNORECASE)
EXAMPLES = "'50/s', '200/min', '1000/h', several in a list, or {'calls': '200/min', 'tokens': …}"


class Rate(NamedTuple):
    """At most `most` of a unit in any window of `seconds`."""

    most: float
    seconds: float
    unit: str = CALLS

    def __str__(self) -> str:
        per = {1: "s", 60: "min", 3600: "h", 86400: "day"}[int(self.seconds)]
        unit = "" if self.unit == CALLS else f" {self.unit}"
        return f"{self.most:,g}{unit}/{per}" if self.most < 1e6 else f"{self.most:,.0f}{unit}/{per}"


class Limit:
    """A limit on how many items start in a time, for one run or for several together.

    Parameters
    ----------
    rate : str, list or dict
        As ``rate=``: ``"50/s"``, several in a list, or a dict of unit to rate. In any window of
        that length no more start.
    name : str or None
        All runs with a limit of this name share it; of several rates the newest is in force.
        None: those that are given this object do.
    shared : path or None
        An SQLite file, by which several kernels and processes of this machine share the limit.
        It is made where there is none. None: it is this process's.

    Raises
    ------
    OptionError
        A rate, a name or a path that can't be used.

    Examples
    --------
    >>> import nbexec
    >>> limit = nbexec.Limit("50/s", name="api")
    >>> nbexec.map(abs, [-1, -2], rate=limit, progress="off")
    [1, 2]
    """

    __module__ = "nbexec"

    def __init__(
        self,
        rate: Any,
        *,
        name: str | None = None,
        shared: str | os.PathLike[str] | None = None,
    ) -> None:
        if name is not None and (not isinstance(name, str) or not name):
            raise OptionError(f"the name of a Limit must be a string, or None, not {name!r}")
        if shared is not None and (
            not isinstance(shared, str | os.PathLike) or not str(shared).strip()
        ):
            raise OptionError(f"shared must be the path of a file, or None, not {shared!r}")
        self.rates = parse("rate", rate)
        self.name = name
        self.shared = shared

    def __str__(self) -> str:
        rates = " and ".join(map(str, self.rates))
        return f"{rates} for {self.name}" if self.name else rates

    def __repr__(self) -> str:
        more = f", name={self.name!r}" if self.name else ""
        more += f", shared={str(self.shared)!r}" if self.shared is not None else ""
        return f"Limit({[str(rate) for rate in self.rates]}{more})"

    def __reduce__(self) -> tuple[Any, ...]:
        """Give the reduction for pickling: another process shares it by its file alone."""
        if self.shared is None:
            raise TypeError(
                "a Limit can't be sent to another process, which would count for itself: give it "
                "shared='limits.db'"
            )
        return _made, (self.rates, self.name, self.shared)

    def __copy__(self) -> Limit:
        return self  # a copy would count for itself

    def __deepcopy__(self, memo: Any) -> Limit:
        return self


def _made(rates: tuple[Rate, ...], name: str | None, shared: Any) -> Limit:
    made = Limit.__new__(Limit)
    made.rates, made.name, made.shared = rates, name, shared
    return made


def limit_of(name: str, value: Any) -> Limit:
    """Give the limit that an option means.

    Examples
    --------
    >>> str(limit_of("rate", ["10/s", "200/min"]))
    '10/s and 200/min'
    """
    return value if isinstance(value, Limit) else _made(parse(name, value), None, None)


def calls_alone(limit: Limit) -> Limit | None:
    """Give a limit without its other units; None where it has only those.

    Examples
    --------
    >>> str(calls_alone(Limit({"calls": "5/s", "tokens": "10/s"})))
    '5/s'
    """
    rates = tuple(rate for rate in limit.rates if rate.unit == CALLS)
    if len(rates) == len(limit.rates):
        return limit
    return _made(rates, limit.name, limit.shared) if rates else None


def parse(name: str, value: Any) -> tuple[Rate, ...]:
    """Give the rates that an option means.

    Examples
    --------
    >>> parse("rate", {"calls": "200/min", "tokens": "100_000/min"})[1]
    Rate(most=100000.0, seconds=60, unit='tokens')
    """
    if isinstance(value, Mapping):
        rates = [
            rate for unit, one in value.items() for rate in _several(name, one, _unit(name, unit))
        ]
    else:
        rates = _several(name, value, CALLS)
    if not rates:
        raise OptionError(f"{name}={value!r} has no rate: write {EXAMPLES}")
    return tuple(rates)


def _unit(name: str, unit: Any) -> str:
    if not isinstance(unit, str) or not unit:
        raise OptionError(f"a unit of {name} must be a word, as 'tokens', not {unit!r}")
    return unit


def _several(name: str, value: Any, unit: str) -> list[Rate]:
    if isinstance(value, str):
        return [_one(name, one, unit) for one in re.split(r",\s+|;|\band\b", value)]
    if isinstance(value, list | tuple | set | frozenset) and not isinstance(value, Rate):
        return [_one(name, one, unit) for one in value]
    raise OptionError(f"{name} must be {EXAMPLES}, or an nbexec.Limit, not {value!r}")


def _one(name: str, value: Any, unit: str) -> Rate:
    found = FORM.fullmatch(value) if isinstance(value, str) else None
    length = found and (LENGTHS.get(found[2].lower()) or LENGTHS.get(found[2].lower()[:-1]))
    if found and length:
        try:
            most = float(found[1].replace("_", "").replace(",", ""))
        except ValueError:
            most = 0.0
        if (most >= 1 or (unit != CALLS and most > 0)) and math.isfinite(most):
            return Rate(most, length, unit)
        if 0 < most < 1:
            raise OptionError(
                f"{name}={value!r} lets less than one call start in its window: write it with a "
                "longer one, as '30/min' for '0.5/s'"
            )
    raise OptionError(f"{name}={value!r} is no rate: write {EXAMPLES}")
