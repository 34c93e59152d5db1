"""What to do about an item that failed: small values with English names."""

from __future__ import annotations

import random
from collections.abc import Callable, Container
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from ..errors import OptionError
from ..model import Chunk, Error, Outcome
from ..options.checks import error_types
from ..options.record import Options

# Full jitter, as in "Exponential Backoff And Jitter" of the AWS Architecture Blog: of the
# ways to spread retries it makes the fewest calls.
FIRST_WAIT = 0.1  # seconds
LONGEST_WAIT = 30.0  # seconds


@dataclass(frozen=True, slots=True)
class Accept:
    """Leave a `Failure` in the item's place and go on."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Try the item again."""

    wait: float  # seconds


@dataclass(frozen=True, slots=True)
class Stop:
    """Begin no item after this one; its exception is the run's."""


Verdict = Accept | Retry | Stop


@dataclass(frozen=True, slots=True)
class Policy:
    """Decide from the options alone."""

    retries: int
    wait: Callable[[int, Error], float]  # seconds after this attempt, which ended in this
    retried: Callable[[BaseException], bool]
    crash_retries: int
    stops: bool

    @classmethod
    def of(cls, options: Options) -> Policy:
        """Give the policy that the options ask for."""
        return cls(
            options.retries,
            waiting(options.retry_wait),
            _retried(options.retry_on),
            options.crash_retries,
            options.on_error == "raise",
        )

    def judge(self, error: Error, attempt: int) -> Verdict:
        """Decide about an item whose attempt number `attempt` (from 1) ended in `error`."""
        if error.kind == "error" and attempt <= self.retries and self.retried(error.exception):
            return Retry(self.wait(attempt, error))
        if error.kind == "lost" and attempt <= self.crash_retries:
            return Retry(0.0)
        return Stop() if self.stops and error.kind != "cancelled" else Accept()


def waiting(wanted: Any, chance: Callable[[], float] = random.random) -> Callable[..., float]:
    """Give the seconds to wait, of an attempt's number and its error, that `retry_wait` means.

    Examples
    --------
    >>> wait = waiting(None, chance=lambda: 0.5)
    >>> [wait(attempt, None) for attempt in (1, 2, 3, 20)]
    [0.05, 0.1, 0.2, 15.0]
    """
    if wanted is None:
        return lambda attempt, error: (
            chance() * min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(attempt - 1, 30))
        )
    if not callable(wanted):
        return lambda attempt, error: float(wanted)

    def wait(attempt: int, error: Error) -> float:
        if type(wanted).__module__.partition(".")[0] == "tenacity":
            given = wanted(_as_tenacity_says(attempt, error))
        else:
            given = wanted(attempt)
        if not isinstance(given, (int, float)) or not given >= 0:
            raise OptionError(f"retry_wait must give seconds, 0 or more, not {given!r}")
        return given

    return wait


def _as_tenacity_says(attempt: int, error: Error) -> Any:
    import tenacity

    state: Any = tenacity.RetryCallState(None, None, (), {})
    state.attempt_number = attempt
    state.set_exception((type(error.exception), error.exception, None))
    return state


def _retried(wanted: Any) -> Callable[[BaseException], bool]:
    if wanted is None:
        return lambda error: True
    kinds = error_types("retry_on", wanted)
    if kinds is None:
        return lambda error: bool(wanted(error))
    return lambda error: isinstance(error, kinds)


class Retrying(NamedTuple):
    """An item that will be tried once more, and what its last attempt was."""

    chunk: Chunk  # the item alone
    error: Error
    wait: float  # seconds
    started: float  # unix time, by the worker's clock
    seconds: float


@dataclass(frozen=True, slots=True)
class Sorted:
    """A chunk that came back, sorted by what becomes of its items."""

    chunk: Chunk  # what is at its end
    outcome: Outcome
    retries: list[Retrying]
    stop: int | None  # index after which nothing may begin


def sort_out(chunk: Chunk, outcome: Outcome, policy: Policy) -> Sorted:
    """Set items that will be tried again apart from those that are at their end."""
    verdicts = {at: policy.judge(error, chunk.attempt) for at, error in outcome.errors.items()}
    stops = [chunk.indices[at] for at, verdict in verdicts.items() if isinstance(verdict, Stop)]
    stop = min(stops, default=None)
    retries = []
    for at, verdict in verdicts.items():
        if isinstance(verdict, Retry):
            one = chunk.pick([at], chunk.attempt + 1)
            begun = outcome.ends[at - 1] if at else 0.0
            started, took = outcome.started + begun, outcome.ends[at] - begun
            retries.append(Retrying(one, outcome.errors[at], verdict.wait, started, took))
    if not retries:
        return Sorted(chunk, outcome, [], stop)
    again = {at for at, verdict in verdicts.items() if isinstance(verdict, Retry)}
    return Sorted(*without(chunk, outcome, again), retries, stop)


def without(chunk: Chunk, outcome: Outcome, gone: Container[int]) -> tuple[Chunk, Outcome]:
    """Give a chunk and its outcome without the items at the offsets that are `gone`."""
    kept = [at for at in range(len(chunk)) if at not in gone]
    remaining = replace(
        outcome,
        values=[outcome.values[at] for at in kept],
        errors={new: outcome.errors[at] for new, at in enumerate(kept) if at in outcome.errors},
        ends=[outcome.ends[at] for at in kept],
    )
    return chunk.pick(kept, chunk.attempt), remaining
