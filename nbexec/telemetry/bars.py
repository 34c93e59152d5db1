"""Bars: the timeline of a run, as a sequence of the times in which workers were busy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, overload

FINEST = 1e-3  # seconds; the resolution of a timeline at first


class Bar(NamedTuple):
    """A time in which a worker was busy, with one item or with several short ones.

    Attributes
    ----------
    lane : int
        Position of its lane in ``Bars.lanes``.
    start, end : float
        Seconds since the run began.
    items : int
        Items that came to their end in it.
    failed : int
        How many of these failed.
    retried : int
        Attempts in it that failed and were made again; not among `items`.
    first, last : int
        The least and the largest index of its items.
    cancelled : int
        How many of its items were stopped on their way.
    dropped : int
        Tries in it that don't count, since the item's other try does; not among `items`.
    """

    lane: int
    start: float
    end: float
    items: int
    failed: int
    retried: int
    first: int
    last: int
    cancelled: int = 0
    dropped: int = 0


Bar.__module__ = "nbexec"  # not in its body: a NamedTuple's has fields alone


@dataclass(frozen=True, slots=True, repr=False)
class Bars(Sequence[Bar]):
    """A timeline: a sequence of `Bar`, by lane and then by time.

    Items that take less than `resolution` are drawn together with their neighbours; a time
    without work that is at least as long is never drawn over.  Items whose value was in the
    journal have no bar.

    Attributes
    ----------
    lanes : tuple of str
        The worker of each lane.  One that runs several items at once has several lanes.
    resolution : float
        Seconds.
    unplaced : int
        Items and attempts that have no bar: there were more than 64 lanes, or no worker
        ever had them.

    Examples
    --------
    >>> import nbexec
    >>> bars = nbexec.map(abs, [-1, -2, -3], backend="threads", progress="off").run.timeline()
    >>> sum(bar.items for bar in bars)
    3
    >>> bars.lanes[bars[0].lane].startswith("nbexec-thread")
    True
    """

    __module__ = "nbexec"

    bars: tuple[Bar, ...] = ()
    lanes: tuple[str, ...] = ()
    resolution: float = FINEST
    unplaced: int = 0

    @property
    def merged(self) -> int:
        """How many bars stand for several items or attempts."""
        return sum(bar.items + bar.retried + bar.dropped > 1 for bar in self.bars)

    @overload
    def __getitem__(self, at: int) -> Bar: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[Bar, ...]: ...
    def __getitem__(self, at: int | slice) -> Bar | tuple[Bar, ...]:
        return self.bars[at]

    def __len__(self) -> int:
        return len(self.bars)

    def __iter__(self) -> Iterator[Bar]:
        return iter(self.bars)

    def __repr__(self) -> str:
        items = sum(bar.items for bar in self.bars)
        return (
            f"<{len(self):,} bars of {items:,} items in {len(self.lanes)} lanes, "
            f"{self.merged:,} of them merged>"
        )
