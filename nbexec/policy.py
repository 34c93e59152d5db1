"""What to do about an item that failed: small values with English names."""

from __future__ import annotations

from dataclasses import dataclass

from .knobs import Options
from .model import Error


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
    stops: bool

    @classmethod
    def of(cls, options: Options) -> Policy:
        """Give the policy that the options ask for."""
        return cls(options.retries, options.retry_wait, options.on_error == "raise")

    def judge(self, error: Error, attempt: int) -> Verdict:
        """Decide about an item whose attempt number `attempt` (from 1) ended in `error`."""
        if error.kind == "error" and attempt <= self.retries:
            return Retry(self.retry_wait)
        return Stop() if self.stops and error.kind != "cancelled" else Accept()
