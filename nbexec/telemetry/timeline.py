"""Timeline: which worker was busy when, folded from a run's events into a bounded number of bars.

::

    Finished, Retried -> lanes of bars -> Bars

A million items are not a million bars: what is shorter than `resolution` is drawn together,
and the resolution doubles whenever there would be more than `LIMIT` bars.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import sub

from ..model import Outcome
from .bars import FINEST, Bar, Bars
from .events import Event, Finished, Retried, RunStarted

LIMIT = 2_000  # bars in all: what a plot draws at once, and about 100 kB
LANES = 64
OVERLAP = 1e-4  # seconds; two clocks of one worker differ by less
SKEW = 1e-3  # seconds; a worker's clock that is further off is set right


@dataclass(slots=True)
class _Span:
    """A bar that may still grow."""

    start: float
    end: float
    items: int
    failed: int
    cancelled: int
    retried: int
    first: int
    last: int
    short: bool = False  # all that it stands for is shorter than the resolution

    def told(self, lane: int) -> Bar:
        """Give it as it is now."""
        counts = self.items, self.failed, self.retried, self.first, self.last, self.cancelled
        return Bar(lane, self.start, self.end, *counts)

    def takes(self, other: _Span, resolution: float) -> bool:
        """Take in the next bar, if they are to be drawn together; give whether they are."""
        if other.start - self.end >= resolution:
            return False
        if other.start == other.end:  # stopped with, or right after, what it follows
            pass
        elif not (self.short and other.short):
            return False
        self.end = other.end
        self.items += other.items
        self.failed += other.failed
        self.cancelled += other.cancelled
        self.retried += other.retried
        self.first = min(self.first, other.first)
        self.last = max(self.last, other.last)
        return True


class Timeline:
    """Fold events with `apply`; read with `bars`, or all of it with `read`.

    Parameters
    ----------
    offset : float
        The run's clock less the Unix time: outcomes have the workers' time.
    """

    def __init__(self, offset: float = 0.0) -> None:
        self.resolution = FINEST
        self.unplaced = 0
        self._offset = offset
        self._began = 0.0
        self._names: list[str] = []  # of the lanes
        self._rows: list[list[_Span]] = []
        self._free: dict[str, list[tuple[float, int]]] = {}  # end and lane, ascending
        self._ahead: dict[str, float] = {}  # seconds, of a worker's clock
        self._longest: tuple[float, Bar] | None = None
        self._count = 0  # bars
        self._retried: list[Retried] = []  # attempts of a chunk whose other items come next

    @property
    def lanes(self) -> tuple[str, ...]:
        """The worker of each lane."""
        return tuple(self._names)

    @property
    def longest(self) -> Bar | None:
        """The item that took longest, of those that came to their end in a bar of their own."""
        return None if self._longest is None else self._longest[1]

    def bars(self) -> tuple[Bar, ...]:
        """Give every bar, by lane and then by time."""
        return tuple(one.told(lane) for lane, row in enumerate(self._rows) for one in row)

    def read(self) -> Bars:
        """Give the timeline as it stands."""
        return Bars(self.bars(), self.lanes, self.resolution, self.unplaced)

    def apply(self, event: Event) -> None:
        """Take in one event."""
        kind = type(event)
        if kind is Finished:
            self._finished(event)  # type: ignore[arg-type]
        elif kind is Retried:
            self._retry(event)  # type: ignore[arg-type]
        elif self._retried:
            self._flush()
        elif kind is RunStarted:
            self._began = event.time

    def _retry(self, event: Retried) -> None:
        """Keep an attempt till it is known what else was in its chunk."""
        if self._retried and not _together(self._retried[0], event.time, event.worker):
            self._flush()
        self._retried.append(event)

    def _flush(self) -> None:
        retried, self._retried = sorted(self._retried, key=lambda one: one.started), []
        begun, last = retried[0].started, retried[-1]
        end = last.started + last.seconds
        block = self._block(last.worker, begun, end, last.time, len(retried))
        if block is not None:
            for one in retried:
                self._attempt(*block, one)

    def _finished(self, event: Finished) -> None:
        """Draw a chunk: a worker had its items one after the other."""
        outcome, indices = event.outcome, event.chunk.indices
        ends, worker, begun = outcome.ends, outcome.worker, outcome.started
        count = len(ends)
        if not count:
            return
        end = begun + ends[-1]
        retried: list[Retried] = []
        if self._retried:
            if not _together(self._retried[0], event.time, worker):
                self._flush()
            else:
                retried, self._retried = sorted(self._retried, key=lambda one: one.index), []
                begun = min(begun, retried[0].started)
                end = max(end, retried[-1].started + retried[-1].seconds)
        block = self._block(worker, begun, end, event.time, count + len(retried))
        if block is None:
            return
        lane, shift = block
        marks = _Marks(outcome) if outcome.errors else None
        at, before = 0, 0.0
        for one in retried:  # they stood between the others
            stop = bisect_left(indices, one.index)
            self._items(lane, outcome.started + shift, before, at, stop, event, marks)
            self._attempt(lane, shift, one)
            at, before = stop, one.started + one.seconds - outcome.started
        self._items(lane, outcome.started + shift, before, at, count, event, marks)

    def _block(
        self, worker: str, begun: float, end: float, time: float, count: int
    ) -> tuple[int, float] | None:
        """Give a lane for what a worker did, and what to add to its times; None: there is none."""
        if not worker:
            self.unplaced += count
            return None
        now = time - self._began
        shift = self._offset - self._began - self._ahead.get(worker, 0.0)
        start, end = begun + shift, end + shift
        ahead = end - now
        if ahead > SKEW or start < -SKEW:
            # Its clock is ahead: this was heard of before it ended.  Or it is behind.
            ahead = ahead if ahead > SKEW else max(start, ahead)
            if abs(ahead) > SKEW:
                self._set_clock(worker, ahead)
                shift, start, end = shift - ahead, start - ahead, end - ahead
        free = self._free.setdefault(worker, [])
        # Of the lanes that are free by then, the one that was busy last: with outcomes in the
        # order of their ends no other way needs fewer.
        at = bisect_right(free, (start + OVERLAP, LANES)) - 1
        if at >= 0:
            lane = free.pop(at)[1]
        elif len(self._rows) < LANES:
            lane = len(self._rows)
            self._rows.append([])
            self._names.append(worker)
        else:
            self.unplaced += count
            return None
        insort(free, (end, lane))
        return lane, shift

    def _set_clock(self, worker: str, ahead: float) -> None:
        """Note how far a worker's clock is off, and draw earlier bars of it anew."""
        self._ahead[worker] = self._ahead.get(worker, 0.0) + ahead
        free = self._free.get(worker, [])
        rows = [self._rows[lane] for _, lane in free]
        if any(row[0].start - ahead < -SKEW for row in rows):
            return  # the clock jumped: earlier bars were right
        for row in rows:
            for one in row:
                one.start, one.end = max(0.0, one.start - ahead), max(0.0, one.end - ahead)
        self._free[worker] = [(end - ahead, lane) for end, lane in free]

    def _items(
        self,
        lane: int,
        base: float,
        before: float,
        at: int,
        stop: int,
        event: Finished,
        marks: _Marks | None,
    ) -> None:
        """Draw the items from offset `at` to `stop`, which began `before` after `base`."""
        if at >= stop:
            return
        ends, indices = event.outcome.ends, event.chunk.indices
        for cut, short in _cuts(ends, before, at, stop, self.resolution):
            end = ends[cut - 1]
            failed, cancelled = marks.within(at, cut) if marks is not None else (0, 0)
            self._draw(
                lane,
                _Span(
                    base + before,
                    base + end,
                    cut - at,
                    failed,
                    cancelled,
                    0,
                    indices[at],
                    indices[cut - 1],
                    short,
                ),
            )
            at, before = cut, end

    def _attempt(self, lane: int, shift: float, one: Retried) -> None:
        start = one.started + shift
        counts = 0, 0, 0, 1, one.index, one.index
        short = one.seconds < self.resolution
        self._draw(lane, _Span(start, start + one.seconds, *counts, short))

    def _draw(self, lane: int, bar: _Span) -> None:
        row = self._rows[lane]
        bar.start = max(bar.start, row[-1].end if row else 0.0)
        bar.end = max(bar.end, bar.start)
        if not bar.short and bar.items:
            took = bar.end - bar.start
            if self._longest is None or took > self._longest[0]:
                self._longest = took, bar.told(lane)
        if row and row[-1].takes(bar, self.resolution):
            return
        row.append(bar)
        self._count += 1
        while self._count > LIMIT:
            self._coarsen()

    def _coarsen(self) -> None:
        """Double the resolution and draw all bars anew."""
        self.resolution *= 2
        self._count = 0
        for lane, row in enumerate(self._rows):
            kept: list[_Span] = []
            for one in row:
                one.short = one.short or one.end - one.start < self.resolution
                if not (kept and kept[-1].takes(one, self.resolution)):
                    kept.append(one)
            self._rows[lane] = kept
            self._count += len(kept)


class _Marks:
    """Where in a chunk items have no value."""

    def __init__(self, outcome: Outcome) -> None:
        self._all = sorted(outcome.errors)
        self._cancelled = [at for at in self._all if outcome.errors[at].kind == "cancelled"]

    def within(self, start: int, stop: int) -> tuple[int, int]:
        """Give how many failed, and how many were stopped, from offset `start` to `stop`."""
        every, cancelled = (
            bisect_left(some, stop) - bisect_left(some, start)
            for some in (self._all, self._cancelled)
        )
        return every - cancelled, cancelled


def _together(one: Retried, time: float, worker: str) -> bool:
    """Whether a failed attempt was in a chunk that came back at `time`."""
    return one.time == time and one.worker == worker


def _cuts(
    ends: Sequence[float], before: float, at: int, stop: int, resolution: float
) -> list[tuple[int, bool]]:
    """Give after which items a bar ends, and whether it is of short ones."""
    cuts = []
    for one in _long(ends, before, at, stop, resolution):
        if one > at:
            cuts.append((one, True))
        at = one + 1
        cuts.append((at, False))
    if at < stop:
        cuts.append((stop, True))
    return cuts


def _long(
    ends: Sequence[float], before: float, at: int, stop: int, resolution: float
) -> Iterator[int]:
    """Give the offsets of items that take `resolution` at least, without a look at every item."""
    span = ends[stop - 1] - before
    if span < resolution:
        return
    stride = int((stop - at) * resolution / span / 2)
    if stride > 1:  # many short items: as a rule there is nothing to be found
        marks = ends[at + stride - 1 : stop : stride]
        steps = map(sub, marks[1:], marks)
        most = max(steps, default=0.0)
        if max(most, marks[0] - before, ends[stop - 1] - marks[-1]) < resolution:
            return
    while (one := bisect_left(ends, before + resolution, at, stop)) < stop:
        if ends[one] - (before if one == at else ends[one - 1]) >= resolution:
            yield one
        at, before = one + 1, ends[one]
