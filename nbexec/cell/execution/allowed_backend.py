"""allowed_backend(): where the items of a loop may run, by what the loop uses."""

from __future__ import annotations

from typing import Any, NamedTuple

from ...options.record import Options
from ..analysis.analysis import Analysis, Refusal
from ..analysis.own_reads import OwnRead
from ..analysis.patches import ODD, WHY, patch_of, pickled_its_own_way, reached
from ..iteration.set_order import holds_varying
from ..loops.find import ItemLoop
from .loop_items import Items

LOOK = 100  # items whose classes are looked at for patches


class Allowed(NamedTuple):
    """Where items may run.

    Attributes
    ----------
    options : dict
        Options of the run that see to it.
    reason : str or None
        Why these, for the report; None where there is nothing to say.
    stays_here : bool
        Whether it is in this process alone, though the options name none.
    """

    options: dict[str, Any]
    reason: str | None = None
    stays_here: bool = False


def allowed_backend(loop: ItemLoop, items: Items, analysis: Analysis, options: Options) -> Allowed:
    """Keep items in this process, or each worker to one item at a time, where that matters.

    Raises
    ------
    Refusal
        They may not run where the options say.
    """
    if loop.awaits:
        return _awaiting(loop, analysis, options)
    tied = _tied(loop, items, analysis)
    if tied is not None and options.backend != "serial":
        return _in_this_process(analysis, options, *tied)
    if options.checkpoint is not None:
        return _for_journal(loop, options)
    if analysis.one_thread is None or options.backend == "serial":
        return Allowed({})
    line, reason = analysis.one_thread
    if options.backend == "auto":
        return Allowed({"backend": "processes"}, f"on processes, since {reason}")
    if leaves(options):
        return Allowed({})
    raise Refusal(line, f"{reason}; backend='processes' can run it")


def _tied(loop: ItemLoop, items: Items, analysis: Analysis) -> tuple[int, str] | None:
    """Give the line and the reason why its items must stay in this process, or None."""
    if analysis.one_process is None and analysis.set_from_outside is not None:
        things = [*analysis.captured.values(), items.sample]
        things += [read.entries for read in own_of(analysis)]
        if items.lazy or holds_varying(things):
            return analysis.set_from_outside
    if analysis.one_process is None:
        for kind, (line, _) in analysis.involved.items():
            if pickled_its_own_way(kind):
                return line, f"`{kind.__name__}` {ODD}"
        patch = patch_of(reached(analysis, items.sample[:LOOK]), analysis.namespace)
        return (loop.line, f"`{patch}` {WHY}") if patch else None
    return analysis.one_process


def _in_this_process(analysis: Analysis, options: Options, line: int, reason: str) -> Allowed:
    """Choose threads, or refuse what else the options name."""
    if analysis.one_thread is not None or options.checkpoint is not None:
        raise Refusal(line, reason)
    if options.backend == "auto":
        it = "" if reason.startswith("`") else "it "
        return Allowed({"backend": "threads"}, f"on threads, since {it}{reason}", True)
    if leaves(options):
        raise Refusal(line, f"{reason}; backend='threads' can run it")
    return Allowed({})


def _awaiting(loop: ItemLoop, analysis: Analysis, options: Options) -> Allowed:
    """Choose asyncio for a loop that awaits: other statements use that event loop too."""
    line = loop.line
    if options.checkpoint is not None:
        raise Refusal(line, "awaits, and a journal keeps what comes from another process")
    if analysis.one_thread is not None:
        raise Refusal(*analysis.one_thread)
    if options.backend not in ("auto", "asyncio"):
        reason = f"awaits, which backend={str(options.backend)!r} can't do for many at once"
        raise Refusal(line, f"{reason}; 'asyncio' can")
    why = "on asyncio, since it awaits" if options.backend == "auto" else ""
    return Allowed({"backend": "asyncio"}, why)


def _for_journal(loop: ItemLoop, options: Options) -> Allowed:
    """Choose other processes for a journal: their records refer to no object of the kernel."""
    if options.backend == "auto":
        why = "on processes, since a journal keeps what comes back from there"
        return Allowed({"backend": "processes"}, why)
    if leaves(options):
        return Allowed({})
    reason = "a journal keeps what comes back from another process"
    raise Refusal(loop.line, f"{reason}; backend='processes' can run it")


def own_of(analysis: Analysis) -> list[OwnRead]:
    """Give what a loop reads of large objects by its items' own keys."""
    return [] if analysis.own_reads is None else [*analysis.own_reads.found.values()]


def leaves(options: Options) -> bool:
    """Whether items may run in other processes."""
    if options.backend == "auto":
        return True
    from ...backends import get_backend

    return bool(getattr(get_backend(options.backend), "remote", True))
