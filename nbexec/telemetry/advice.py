"""Advice: at most one line on how to make a run better, from its measurements."""

from __future__ import annotations

from . import wording
from .bars import Bar
from .stats import Stats

ENOUGH = 0.5  # seconds; a shorter run has little to gain, and little is known of it
FULL = 0.9  # of the memory limit
TINY = 1e-3  # seconds an item; a longer one is worth sending wherever it is sent to
MANY = 100  # items, of tiny ones
LARGE = 100_000  # bytes an item
SENDING = 0.3  # of the time
ONE_CORE = (0.9, 1.1)  # cores used by threads that wait for the GIL in turn
BUSY = 0.7  # utilisation of such threads
IDLE = 0.75  # utilisation of workers that wait for a straggler
STRAGGLES = 0.5  # of the run's time


def advise(stats: Stats, longest: Bar | None = None, *, auto: bool = False, cores: int = 2) -> str:
    """Give one line of advice; "" where nothing is worth acting on.

    Parameters
    ----------
    stats : Stats
        The run in numbers.
    longest : Bar or None
        The item that took longest, where it has a bar of its own.
    auto : bool
        Whether nbexec chose the backend: then there is no advice about that.
    cores : int
        Cores of this machine.

    Examples
    --------
    >>> import nbexec
    >>> stats = nbexec.map(abs, [-1, -2], backend="serial", progress="off").stats
    >>> advise(stats)
    ''
    """
    if stats.elapsed - stats.paused_seconds < ENOUGH or stats.phase == "cancelled":
        return ""
    return (
        _memory(stats)
        or ("" if auto else _plain_loop(stats))
        or _sending(stats)
        or ("" if auto or cores < 2 else _threads(stats))
        or _straggler(stats, longest)
    )


def _memory(stats: Stats) -> str:
    """Warn that memory is about to run out."""
    if stats.ended or stats.waiting or not stats.memory_limit:
        return ""
    if stats.memory < FULL * stats.memory_limit:
        return ""
    of = f"{wording.size(stats.memory)} of {wording.size(stats.memory_limit)} of memory are used"
    return f"{of}: fewer workers, or memory_limit=, would leave more"


def _plain_loop(stats: Stats) -> str:
    """Say that the items, one after the other, take less time than the run."""
    items = stats.done - stats.restored + stats.failed
    if items < MANY or stats.workers < 2 or stats.retried or stats.waiting:
        return ""
    if stats.total is None:  # a stream, or an executor: it may be waiting for its input
        return ""
    each = stats.busy_seconds / items
    took = stats.elapsed - stats.paused_seconds
    if each > TINY or stats.busy_seconds > 0.8 * took:
        return ""
    return f"items take {wording.seconds(each)}: a plain loop is faster"


def _sending(stats: Stats) -> str:
    """Say that pickling took much of the time, and how much it was that was pickled."""
    items = stats.done - stats.restored + stats.failed
    sending = stats.sending_seconds
    if not items or sending < ENOUGH * SENDING:
        return ""
    share = sending / (sending + stats.busy_seconds)
    out, back = stats.sent_bytes / items, stats.received_bytes / items
    if share < SENDING or max(out, back) < LARGE:
        return ""
    of = f"{share:.0%} of the time went into"
    if out >= back:
        size = wording.size(out)
        return f"{of} sending {size} with each item: what the function captures is sent once"
    return f"{of} getting {wording.size(back)} back from each item: let it return less"


def _threads(stats: Stats) -> str:
    """Say that threads kept one core busy between them, as those do that hold the GIL."""
    if stats.backend != "threads" or stats.workers < 2 or stats.utilisation < BUSY:
        return ""
    used = stats.cpu_seconds / (stats.elapsed - stats.paused_seconds)
    if not ONE_CORE[0] <= used <= ONE_CORE[1]:
        return ""
    return f'threads used {used:.1f} cores: backend="processes" may use more'


def _straggler(stats: Stats, longest: Bar | None) -> str:
    """Say which item the others waited for, once it has ended."""
    if longest is None or not stats.ended or stats.finished <= stats.workers:
        return ""
    took, whole = longest.end - longest.start, stats.elapsed - stats.paused_seconds
    if stats.workers < 2 or took < STRAGGLES * whole or stats.utilisation > IDLE:
        return ""
    of = f"item {longest.first:,} took {wording.seconds(took)} of the {wording.seconds(whole)}"
    best = max(took, stats.busy_seconds / stats.workers)
    if whole - best > 0.1 * whole and longest.start > 0.1 * whole:
        return f"{of}: it would be done sooner as the first"
    return f"{of}, and the others waited: smaller items would be done sooner"
