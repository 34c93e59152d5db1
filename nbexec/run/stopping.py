"""How a run ended, and what its `result` raises."""

from __future__ import annotations

from ..errors import DeadlineExceeded, ItemsError, MemoryLimitExceeded, RunCancelled
from ..model import EndReason, Failure
from ..telemetry import wording
from .loop import Loop


def conclude(loop: Loop, name: str) -> tuple[EndReason, BaseException | None]:
    """Give how the run ended, and what its `result` raises."""
    feed, options = loop.feed, loop.options
    kept = f"{wording.counts(loop.stats()).replace('/', 'of')} results were kept"
    if loop.cancelled:
        return "cancelled", RunCancelled(f"{name} was cancelled; {kept}")
    if loop.late:
        late = DeadlineExceeded(f"{name} was stopped after deadline={options.deadline} s; {kept}")
        return "failed", late
    if loop.over_memory:
        over = MemoryLimitExceeded(
            f"{name} ended {loop.over_memory.replace('waiting for', 'for want of', 1)}, "
            "though nothing of it was running any more. Its results may be what fills the "
            "memory: take them one by one with imap, or raise memory_limit="
            f"{options.memory_limit!r}. {kept}"
        )
        return "failed", over
    if loop.stop_after is not None:
        first = next((one for one in loop.failures if one.index == loop.stop_after), None)
        if first is None:  # `enough`
            return "done", None
        if first.left is None:  # else who mapped it tells it in a way of their own
            _note(first, feed.total)
        return "failed", first.exception
    if feed.error is not None:
        error = ItemsError(
            f"the iterable of items raised {wording.safe_repr(feed.error)} after "
            f"{feed.taken:,} items; their results are in .partial_results"
        )
        error.__cause__ = feed.error
        return "failed", error
    return "done", None


def _note(failure: Failure, total: int | None) -> None:
    of = f" of {total:,}" if total is not None else ""
    worker = f", on {failure.worker}" if failure.worker else ""
    item = wording.safe_repr(failure.item)
    failure.exception.add_note(f"nbexec: item {failure.index:,}{of}{worker}: {item}")
