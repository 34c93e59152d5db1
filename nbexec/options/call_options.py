"""CallOptions: what single calls of an executor have for options that are not its own."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any

from ..errors import OptionError
from . import checks, rates
from .checks import suggest
from .record import Options

SHARED = ("timeout", "retries", "retry_wait", "retry_on")  # are in the record of a run, too
NAMES = ("priority", *SHARED, "rate", "key", "name")


class Priority(IntEnum):
    """Names for priorities, which are integers: a call with a larger one begins sooner.

    Examples
    --------
    >>> import nbexec
    >>> with nbexec.Executor("threads", workers=2) as executor:
    ...     executor.options(priority=nbexec.Priority.HIGH).submit(abs, -1).result()
    1
    """

    __module__ = "nbexec"

    HIGH = 10
    NORMAL = 0
    LOW = -10


@dataclass(frozen=True, slots=True, eq=False)
class CallOptions:
    """The options of some calls; one record for all calls of a view.

    Attributes
    ----------
    options : Options
        Those of the executor's run, with what is other for these calls.
    priority : int
        The larger, the sooner they begin.
    limit : Limit or None
        How many of them may start in a time, beside what the executor's own `rate` allows.
    key : hashable
        What the limits and slowing down are about, in place of what `rate_key` gives.
    name : str
        What they are called where a failure is shown; "" for their function and arguments.
    """

    options: Options
    priority: int = 0
    limit: rates.Limit | None = None
    key: Hashable = None
    name: str = ""

    @property
    def timeout(self) -> float | None:
        """Seconds that a call may take."""
        return self.options.timeout

    @property
    def timed(self) -> bool:
        """Whether a worker must say when it begins one."""
        return self.timeout is not None or self.limit is not None

    @property
    def paced(self) -> bool:
        """Whether a call may have to wait, or counts, for itself."""
        return self.limit is not None or self.key is not None

    def said(self, of_all: Options) -> str:
        """Give what is other than for all calls, as arguments: "priority=10, retries=3"."""
        mine = self.options
        found: dict[str, Any] = {"priority": self.priority} if self.priority else {}
        found |= {
            name: getattr(mine, name)
            for name in SHARED
            if getattr(mine, name) != getattr(of_all, name)
        }
        if self.limit is not None:
            rates = [str(one) for one in self.limit.rates]
            found["rate"] = rates[0] if len(rates) == 1 else rates
        if self.key is not None:
            found["key"] = self.key
        if self.name:
            found["name"] = self.name
        return ", ".join(f"{name}={value!r}" for name, value in found.items())

    def updated(self, changes: dict[str, Any]) -> CallOptions:
        """Give a copy with `changes`; what can't be used is an `OptionError`."""
        for name in changes:
            if name not in NAMES:
                raise OptionError(
                    f"there is no option {name!r} of single calls{suggest(name, [*NAMES])} "
                    f"(options: {', '.join(NAMES)})"
                )
        shared = {name: value for name, value in changes.items() if name in SHARED}
        own = {name: value for name, value in changes.items() if name not in SHARED}
        if "priority" in own:
            _priority(own["priority"])
        if "rate" in own:
            own["limit"] = _limit(own.pop("rate"))
        if "key" in own:
            _key(own["key"])
        if "name" in own:
            if own["name"] is not None:
                checks.text("name", own["name"])
            own["name"] = own["name"] or ""
        options = self.options.updated(shared) if shared else self.options  # checks take 0.1 ms
        return replace(self, options=options, **own)


def _priority(value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise OptionError(
            f"priority must be an integer, as nbexec.Priority.HIGH ({Priority.HIGH}), not {value!r}"
        )


def _limit(value: Any) -> rates.Limit | None:
    if value is None:
        return None
    limit = rates.limit_of("rate", value)
    if rates.calls_alone(limit) is not limit:
        raise OptionError(
            f"rate={value!r} of single calls may limit how many start, and no other unit: give "
            "that to the executor, with cost="
        )
    return limit


def _key(value: Any) -> None:
    try:
        hash(value)
    except TypeError:
        raise OptionError(
            f"key={value!r} can't be a key: it must be hashable, as a string"
        ) from None
