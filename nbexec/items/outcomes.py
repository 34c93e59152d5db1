"""What becomes of a chunk that had no end of its own, and of an item that failed."""

from __future__ import annotations

import time
from dataclasses import replace

from ..errors import ItemTimeout, RunCancelled
from ..model import Chunk, Error, ErrorKind, Failure, Outcome


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
        chunk, "cancelled", RunCancelled("the run was stopped while this item ran")
    )


def timed_out(chunk: Chunk, timeout: float, ended: bool) -> Outcome:
    """What an item becomes that took too long."""
    left = "was stopped" if ended else "can't be stopped, and may still be running"
    why = ItemTimeout(f"the item took longer than timeout={timeout} s; it {left}")
    why.abandoned = not ended
    return _without_values(chunk, "error", why)


def died(outcome: Outcome) -> bool:
    """Whether a worker died of this, so that nobody tells when it began, and where."""
    return not outcome.worker and any(one.kind == "lost" for one in outcome.errors.values())


def placed(outcome: Outcome, worker: str, seconds: float) -> Outcome:
    """Give what ended just now with the worker that had it, and for how long."""
    count = len(outcome.ends)
    began = time.time() - seconds
    return replace(outcome, started=began, ends=[seconds] * count, worker=worker)


def cut(outcome: Outcome, start: int, stop: int) -> Outcome:
    """Give what became of the items from offset `start` up to `stop`."""
    if not start and stop >= len(outcome.values):
        return outcome
    before = outcome.ends[start - 1] if start else 0.0
    return replace(
        outcome,
        values=outcome.values[start:stop],
        errors={at - start: one for at, one in outcome.errors.items() if start <= at < stop},
        started=outcome.started + before,
        ends=[end - before for end in outcome.ends[start:stop]],
    )


def _without_values(chunk: Chunk, kind: ErrorKind, why: BaseException) -> Outcome:
    error = Error(kind, why, f"{type(why).__name__}: {why}\n")
    count = len(chunk)
    errors = dict.fromkeys(range(count), error)
    return Outcome([None] * count, errors, time.time(), [0.0] * count, 0.0, "")
