"""What to do about an item that failed: small values with English names."""

from __future__ import annotations

from dataclasses import dataclass, replace

from .knobs import Options
from .model import Chunk, Error, Outcome


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
    retry_wait: float
    crash_retries: int
    stops: bool

    @classmethod
    def of(cls, options: Options) -> Policy:
        """Give the policy that the options ask for."""
        return cls(
            options.retries,
            options.retry_wait,
            options.crash_retries,
            options.on_error == "raise",
        )

    def judge(self, error: Error, attempt: int) -> Verdict:
        """Decide about an item whose attempt number `attempt` (from 1) ended in `error`."""
        if error.kind == "error" and attempt <= self.retries:
            return Retry(self.retry_wait)
        if error.kind == "lost" and attempt <= self.crash_retries:
            return Retry(0.0)
        return Stop() if self.stops and error.kind != "cancelled" else Accept()


@dataclass(frozen=True, slots=True)
class Sorted:
    """A chunk that came back, sorted by what becomes of its items."""

    chunk: Chunk  # what is at its end
    outcome: Outcome
    retries: list[tuple[Chunk, Error, float]]  # one item each, its error, and seconds to wait
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
            retries.append((one, outcome.errors[at], verdict.wait))
    if not retries:
        return Sorted(chunk, outcome, [], stop)
    kept = [at for at in range(len(chunk)) if not isinstance(verdicts.get(at), Retry)]
    remaining = replace(
        outcome,
        values=[outcome.values[at] for at in kept],
        errors={new: outcome.errors[at] for new, at in enumerate(kept) if at in outcome.errors},
        ends=[outcome.ends[at] for at in kept],
    )
    return Sorted(chunk.pick(kept, chunk.attempt), remaining, retries, stop)
