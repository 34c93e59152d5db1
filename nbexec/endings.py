"""What becomes of a chunk that had no end of its own, and of an item that failed."""

from __future__ import annotations

import time

from .errors import ItemTimeout, RunCancelled
from .model import Chunk, Error, ErrorKind, Failure, Outcome


def failure(chunk: Chunk, outcome: Outcome, at: int) -> Failure:
    """Give what stands for the item at offset `at`, which failed."""
    error = outcome.errors[at]
    return Failure(
        chunk.indices[at],
        chunk.items[at],
        error.exception,
        error.traceback,
        outcome.worker,
        chunk.attempt,
        error.kind,
        outcome.values[at],
    )


def stopped(chunk: Chunk) -> Outcome:
    """What a chunk becomes that was stopped in the middle."""
    return _without_values(
        chunk, "cancelled", RunCancelled("the run was stopped while this item ran"), 0.0
    )


def timed_out(chunk: Chunk, timeout: float, ended: bool) -> Outcome:
    """What an item becomes that took too long."""
    left = "was stopped" if ended else "can't be stopped, and may still be running"
    why = ItemTimeout(f"the item took longer than timeout={timeout} s; it {left}")
    why.abandoned = not ended
    return _without_values(chunk, "error", why, timeout)


def _without_values(chunk: Chunk, kind: ErrorKind, why: BaseException, seconds: float) -> Outcome:
    error = Error(kind, why, f"{type(why).__name__}: {why}\n")
    count = len(chunk)
    errors = dict.fromkeys(range(count), error)
    return Outcome([None] * count, errors, time.time() - seconds, [seconds] * count, 0.0, "")
