"""Measurements of items while they run, for `auto` to choose by."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from ..backends.base import Running
from ..model import Choice, Chunk, Outcome
from ..serialize import nans, pickling
from ..system import machine
from ..system.gil import has_gil
from ..telemetry.wording import seconds
from ..worker.blocks import Covering
from .auto import COPIES, FIRST, SEND, Evidence
from .reconsider import Recent

NOISE = 8e-6  # seconds that to pickle takes however little there is: 4.4 to 7.5 us
LIGHT = 2e-5  # seconds; up to here SEVERAL are weighed together, as in a chunk
HEAVY = 1e-3  # seconds; from here on once is enough
SHARING = 20  # values of a chunk, by and large, where one is heavy by what it shares with others
SEVERAL = 100  # that is how many; of larger ones as many as take `HEAVY`
LATE = 0.0005  # seconds; where the GIL is free a thread that waited comes to itself in 0.1 ms


class _Sample(NamedTuple):
    """Some items, and their values, of which each is that of so many."""

    items: Sequence[Any]
    values: Sequence[Any]
    each: int = 1


def _sample(chunk: Chunk, outcome: Outcome) -> _Sample:
    """Give some items of a chunk with their values; one value, where it stands for several."""
    values = outcome.values[:SEVERAL]
    for at, value in enumerate(values):
        if isinstance(value, Covering):
            return _Sample(chunk.items[at : at + value.count], [value], value.count)
    return _Sample(chunk.items[:SEVERAL], values)


class SendingCost:
    """Measures what it costs to send an item and its value, once that is asked for."""

    def __init__(self) -> None:
        self.here = self.there = SEND / 2  # seconds an item, in the kernel and in a worker
        self.sent = self.received = 0.0  # bytes an item, where that was measured
        self.measured = False
        self.wanted = True  # whether a sample is of use
        self.unsendable: BaseException | None = None  # why the sample can't be sent
        self._sample: _Sample | None = None

    def offer(self, chunk: Chunk, outcome: Outcome, at_once: bool) -> None:
        """Take a sample where one is wanted."""
        if self.wanted and not self.measured and not outcome.errors:
            self._sample = _sample(chunk, outcome)
            self.wanted = len(chunk) < SEVERAL and not at_once  # of the first there is but one
            if at_once:
                self.measure(None)

    def drop(self, wanted: bool) -> None:
        """Keep no sample; say whether another is of use."""
        self._sample = None
        self.wanted = wanted

    def measure(self, running: Chunk | None) -> None:
        """Measure what it takes to send the sample, or items of a chunk that runs."""
        if self.measured or (self._sample is None and running is None):
            return
        sample = self._sample or _Sample(running.items[:SEVERAL] if running else (), ())
        self.measured = self._sample is not None
        self._sample = None
        try:
            out, read_there, sent = _cost_of(sample.items)
            costs = _cost_of(sample.values)
            back, read_here, received = (cost / sample.each for cost in costs)
        except Exception as error:
            self.unsendable = error
            return
        self.sent, self.received = sent, received
        self.here = SEND / 2 + out + read_here + sent / COPIES
        self.there = SEND / 2 + back + read_there + received / COPIES


class Probe:
    """Measures items that run one after the other in the kernel.

    While an item runs in the kernel the run's loop has the GIL now and then, for as long as
    it weighs a large value: to the item that is not waiting.  So has who takes the results of
    a stream; where that one computes all the time, items that wait hold up nobody.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.thread_time,
        consuming: Callable[[], float] = float,
    ) -> None:
        self.seen = Evidence(gil=has_gil())
        self._thread = clock  # CPU seconds of the loop's thread
        self._consuming = consuming  # of the consumer's
        self._loop: float | None = None  # what it had used when the last chunk came back
        self.judged = False  # whether a choice was made of what was seen, if only to stay
        self._whole = 0.0  # seconds of all items, judged or not
        self._each = 0.0  # of an item, in the last chunk
        self._resident, self._most = machine.resident()  # bytes of the kernel, now and at most

    def learn(self, outcome: Outcome) -> None:
        """Take in a chunk that ran in the kernel."""
        seen, ours = self.seen, self._ours()
        self._loop = self._clock()
        self._whole += outcome.ends[-1]
        self._each = outcome.ends[-1] / len(outcome.values)
        self.seen = replace(
            seen,
            items=seen.items + len(outcome.values),
            wall=seen.wall + max(outcome.cpu, outcome.ends[-1] - outcome.starved - ours),
            busy=seen.busy + outcome.cpu,
        )

    def _clock(self) -> float:
        return self._thread() + self._consuming()

    def _ours(self) -> float:
        """Give the seconds in which loop and consumer kept what runs from running."""
        if self._loop is None:  # only now it is certain whose clock it is
            self._loop = self._clock()
        return self._clock() - self._loop if self.seen.gil else 0.0

    def gil_probe(self, share: float) -> None:
        """Take in whether the GIL was held when another thread asked for it."""
        self.seen = replace(
            self.seen, gil_probes=self.seen.gil_probes + 1, held=self.seen.held + share
        )

    def look(
        self,
        now: tuple[Running, Chunk] | None,
        left: int | None,
        warm: bool,
        sending_cost: SendingCost,
    ) -> Evidence:
        """Give the evidence, with the chunk that runs now, and other facts."""
        running, items = Running(0.0, 0.0, 0.0), 1
        if now is not None:
            running, items = now[0], len(now[1])
        return replace(
            self.seen,
            running_wall=max(running.cpu, running.wall - running.starved - self._ours()),
            running_busy=running.cpu,
            expected=items * self._each if items > 1 else 0.0,
            left=left,
            warm=warm,
            here=sending_cost.here,
            there=sending_cost.there,
        )

    def grown(self) -> int:
        """Give by how many bytes the kernel grew; 0 where it has been as large before."""
        most = machine.resident()[1]
        return most - self._resident if most > self._most else 0

    def judge(self) -> None:
        """Let only what comes from now on count."""
        self.judged = True
        self.seen = Evidence(gil=self.seen.gil, valued=self._whole > 0)

    def ended(self) -> Choice:
        """Where a run was that ended before anything was chosen."""
        if not self._whole:
            return Choice(FIRST.backend, 1, "nothing had to run")
        return Choice(FIRST.backend, 1, f"all of it took {seconds(self._whole)}")


def _cost_of(values: Sequence[Any]) -> tuple[float, float, float]:
    """Give the CPU seconds of pickling and unpickling one of them, and its bytes.

    By the clock it would take longer: the items that run meanwhile want the GIL, too.
    """
    if not len(values):
        return 0.0, 0.0, 0.0
    one = _pickle_times(values[:1])
    if LIGHT < _total(one) < HEAVY:
        one = min(one, _pickle_times(values[:1]), key=_total)  # the first time takes longer
    if _total(one) >= HEAVY:
        return _beyond_the_first(values, one)
    if _total(one) > LIGHT:  # or this machine is busy: one alone doesn't tell
        values = values[: int(HEAVY / _total(one)) + 1]
    several, count = min(_pickle_times(values), _pickle_times(values), key=_total), len(values)
    much = 1 - min(1.0, NOISE / _total(several))
    return much * several.pickling / count, much * several.reading / count, several.size / count


def _beyond_the_first(values: Sequence[Any], one: _PickleTimes) -> tuple[float, float, float]:
    """Give what a heavy value takes beside another: they may share most of it, as a class is.

    The shared part counts as that of a chunk of `SHARING`.
    """
    if len(values) < 2:
        return one.pickling, one.reading, one.size
    two = _pickle_times(values[:2])
    more = [max(0.0, both - alone) for both, alone in zip(two, one, strict=True)]
    shared = [max(0.0, alone - beyond) / SHARING for alone, beyond in zip(one, more, strict=True)]
    pickling, reading, size = (min(a, b + c) for a, b, c in zip(one, more, shared, strict=True))
    return pickling, reading, size


class _PickleTimes(NamedTuple):
    pickling: float  # seconds of CPU
    reading: float  # likewise
    size: int  # bytes


def _total(took: _PickleTimes) -> float:
    return took.pickling + took.reading


def _pickle_times(values: Sequence[Any]) -> _PickleTimes:
    begun = time.thread_time()
    data, buffers = pickling.dumps_apart(list(values))
    pickled = time.thread_time()
    nans.loads(data, buffers)
    read = time.thread_time()
    size = len(data) + sum(one.raw().nbytes for one in buffers)
    return _PickleTimes(pickled - begun, read - pickled, size)


class Watch:
    """Measures what several workers do, for a while at a time."""

    def __init__(
        self, now: float, clock: Callable[[], float] = time.process_time, begun: bool = False
    ) -> None:
        self.recent = Recent()
        self.looked = False  # whether what was seen was once enough to tell
        self.last_reply = now  # when a chunk was last taken in
        self.held = False  # whether the GIL was, when it was last asked for
        self._since = now
        self._begun = begun  # whether workers were there at once
        self._clock = clock  # CPU seconds of the kernel
        self._kernel = clock()  # when that while began

    def learn(self, outcome: Outcome, now: float) -> None:
        """Take in a chunk; the first says from when on, as it may have waited for a worker."""
        self.last_reply = now
        if not self._begun:
            self._begun, self._since, self._kernel = True, now, self._clock()
            return
        recent = self.recent
        self.recent = replace(
            recent,
            items=recent.items + len(outcome.values),
            wall=recent.wall + outcome.ends[-1],
            busy=recent.busy + outcome.cpu + outcome.starved,
            sending=recent.sending + outcome.sending,
            elapsed=now - self._since,
            kernel=self._clock() - self._kernel,
        )

    def gil_probe(self, share: float) -> None:
        """Take in whether the GIL was held when another thread asked for it."""
        recent = self.recent
        self.held = share > 0.5
        self.recent = replace(recent, gil_probes=recent.gil_probes + 1, held=recent.held + share)

    def begin_again(self, now: float) -> None:
        """Let only what comes from now on count."""
        self.recent, self._since, self._kernel = Recent(), now, self._clock()


class GilProbe:
    """Whether the GIL is held: the loop waits for a while, and needs it when it wakes."""

    def __init__(self, timeout: float) -> None:
        self._thread = threading.get_native_id()
        self._hungry = machine.starved(self._thread)
        self._due = time.perf_counter() + timeout

    def answer(self) -> float:
        """Give 1.0 where the GIL was held, 0.0 where it was free: from how late it is now.

        Who holds it is asked for it after 5 ms, but may let it go by itself before that.
        """
        late = time.perf_counter() - self._due
        if late > LATE:
            late -= machine.starved(self._thread) - self._hungry  # for want of a core
        return 1.0 if late > LATE else 0.0
