"""Outcomes for chunks whose worker returned none, and what stands for a failed item."""

from __future__ import annotations

import time
from dataclasses import replace

from ..errors import ItemTimeout, RunCancelled, WorkerDied
from ..model import Chunk, Error, ErrorKind, Failure, Outcome

STOPPED = "the run was stopped while this item ran"


def failure(chunk: Chunk, outcome: Outcome, at: int, run: str) -> Failure:
    """Give the `Failure` of a run that stands for the item at offset `at`."""
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
        run,
        "" if chunk.own is None else chunk.own.name,
    )


def stopped(chunk: Chunk, reason: str = "") -> Outcome:
    """Give the outcome of a chunk that was stopped in the middle; `reason` says why."""
    return without_values(stopped_error(reason=reason), len(chunk))


def stopped_error(traceback: str = "", reason: str = "") -> Error:
    """Describe why an item has no value that was stopped in the middle."""
    text = f"{STOPPED}: {reason}" if reason else STOPPED
    why = _described("cancelled", RunCancelled(text))
    return replace(why, traceback=traceback) if traceback else why


def timed_out(chunk: Chunk, timeout: float, ended: bool) -> Outcome:
    """Give the outcome of an item that took too long; `ended` says whether it was stopped."""
    left = "was stopped" if ended else "can't be stopped, and may still be running"
    what = repr(chunk.own.name) if chunk.own is not None and chunk.own.name else "the item"
    why = ItemTimeout(f"{what} took longer than timeout={timeout} s; it {left}")
    why.abandoned = not ended
    return without_values(_described("error", why), len(chunk))


def lost(how: str, chunk: Chunk) -> Outcome:
    """Give the outcome of a chunk whose worker died.

    One item is lost with its worker.  Of several nobody knows which was the guilty one:
    none counts as begun, and the run tries them one by one.
    """
    if len(chunk) > 1:
        return not_begun()
    why = WorkerDied(f"the worker died while it ran this item: {how}")
    return without_values(_described("lost", why))


def died(outcome: Outcome) -> bool:
    """Whether the worker died, so that the outcome has neither its name nor a time."""
    return not outcome.worker and any(one.kind == "lost" for one in outcome.errors.values())


def placed(outcome: Outcome, worker: str, seconds: float) -> Outcome:
    """Give an outcome of just now with the worker that had it, and the seconds that it took."""
    count = len(outcome.ends)
    began = time.time() - seconds
    return replace(outcome, started=began, ends=[seconds] * count, worker=worker)


def cut(outcome: Outcome, start: int, stop: int) -> Outcome:
    """Give the outcome of the items from offset `start` up to `stop`."""
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


def heard(outcome: Outcome, at: float) -> Outcome:
    """Give an outcome whose last item has ended just now, at the unix time `at`.

    For who counts back from now to when items began: those that ended side by side may have
    waited to be heard of, one after the other, where the kernel has little of a core.
    """
    late = at - outcome.started - outcome.ends[-1]
    if late <= 0:  # or the machine's clock was set
        return outcome
    return replace(outcome, ends=[*outcome.ends[:-1], outcome.ends[-1] + late])


def not_begun() -> Outcome:
    """Give the outcome of a chunk of which no item began: the run queues it again."""
    return Outcome([], {}, time.time(), [], 0.0, "")


def without_values(error: Error, count: int = 1) -> Outcome:
    """Give the outcome of `count` items that all end in `error`, in no time and nowhere."""
    errors = dict.fromkeys(range(count), error)
    return Outcome([None] * count, errors, time.time(), [0.0] * count, 0.0, "")


def refused(why: BaseException) -> Outcome:
    """Give the outcome of an item that can't start."""
    return without_values(_described("error", why))


def _described(kind: ErrorKind, why: BaseException) -> Error:
    return Error(kind, why, f"{type(why).__name__}: {why}\n")
