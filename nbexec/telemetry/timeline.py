"""Timeline: a bounded number of bars, folded from a run's events.

::

    Finished, Retried, Dropped -> lanes of bars -> Bars

A million items are not a million bars: items shorter than `resolution` are drawn together,
and the resolution doubles whenever there would be more than `LIMIT` bars.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort

from .bars import FINEST, Bar, Bars
from .events import Dropped, Event, Finished, Retried, RunStarted
from .spans import ErrorOffsets, Span, cuts

LIMIT = 2_000  # bars in all: a plot draws them at once, and they take about 100 kB
LANES = 64
OVERLAP = 1e-4  # seconds; two clocks of one worker differ by less
SKEW = 1e-3  # seconds; a worker's clock that is further off is set right


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
        self._rows: list[list[Span]] = []
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
        return tuple(one.bar(lane) for lane, row in enumerate(self._rows) for one in row)

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
        elif kind is Dropped:
            self._dropped(event)  # type: ignore[arg-type]
        elif self._retried:
            self._flush()
        elif kind is RunStarted:
            self._began = event.time

    def _retry(self, event: Retried) -> None:
        """Keep an attempt until the rest of its chunk is known."""
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
        """Draw a chunk, whose items ran one after the other."""
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
        marks = ErrorOffsets(outcome) if outcome.errors else None
        at, before = 0, 0.0
        for one in retried:  # they stood between the others
            stop = bisect_left(indices, one.index)
            self._items(lane, outcome.started + shift, before, at, stop, event, marks)
            self._attempt(lane, shift, one)
            at, before = stop, one.started + one.seconds - outcome.started
        self._items(lane, outcome.started + shift, before, at, count, event, marks)

    def _dropped(self, event: Dropped) -> None:
        if self._retried:
            self._flush()
        if not event.worker:
            return
        end = event.started + event.seconds
        block = self._block(event.worker, event.started, end, event.time, 1)
        if block is not None:
            self._attempt(*block, event)

    def _block(
        self, worker: str, begun: float, end: float, time: float, count: int
    ) -> tuple[int, float] | None:
        """Give a lane for a worker's chunk, and the shift of its clock; None: no lane is free."""
        if not worker:
            self.unplaced += count
            return None
        now = time - self._began
        shift = self._offset - self._began - self._ahead.get(worker, 0.0)
        start, end = begun + shift, end + shift
        ahead = end - now
        if ahead > SKEW or start < -SKEW:
            # Its clock is ahead: the event came before the end that it reports.  Or behind.
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
        """Store the offset of a worker's clock, and redraw its earlier bars."""
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
        marks: ErrorOffsets | None,
    ) -> None:
        """Draw the items from offset `at` to `stop`, which began `before` after `base`."""
        if at >= stop:
            return
        ends, indices = event.outcome.ends, event.chunk.indices
        for cut, short in cuts(ends, before, at, stop, self.resolution):
            end = ends[cut - 1]
            failed, cancelled = marks.within(at, cut) if marks is not None else (0, 0)
            self._draw(
                lane,
                Span(
                    base + before,
                    base + end,
                    cut - at,
                    failed,
                    cancelled,
                    0,
                    indices[at],
                    indices[cut - 1],
                    short=short,
                ),
            )
            at, before = cut, end

    def _attempt(self, lane: int, shift: float, one: Retried | Dropped) -> None:
        start, dropped = one.started + shift, type(one) is Dropped
        counts = 0, 0, 0, int(not dropped), one.index, one.index, int(dropped)
        short = one.seconds < self.resolution
        self._draw(lane, Span(start, start + one.seconds, *counts, short))

    def _draw(self, lane: int, bar: Span) -> None:
        row = self._rows[lane]
        bar.start = max(bar.start, row[-1].end if row else 0.0)
        bar.end = max(bar.end, bar.start)
        if not bar.short and bar.items:
            took = bar.end - bar.start
            if self._longest is None or took > self._longest[0]:
                self._longest = took, bar.bar(lane)
        if row and row[-1].takes(bar, self.resolution):
            return
        row.append(bar)
        self._count += 1
        while self._count > LIMIT:
            self._coarsen()

    def _coarsen(self) -> None:
        """Double the resolution and redraw all bars."""
        self.resolution *= 2
        self._count = 0
        for lane, row in enumerate(self._rows):
            kept: list[Span] = []
            for one in row:
                one.short = one.short or one.end - one.start < self.resolution
                if not (kept and kept[-1].takes(one, self.resolution)):
                    kept.append(one)
            self._rows[lane] = kept
            self._count += len(kept)


def _together(one: Retried, time: float, worker: str) -> bool:
    """Whether a failed attempt was in a chunk that came back at `time`."""
    return one.time == time and one.worker == worker
