"""RunState: what is known of a run, folded from its events.  No I/O, no clock, no threads."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Literal, NamedTuple

from ..errors import ItemTimeout
from ..model import Choice, Error
from .events import (
    Event,
    Finished,
    Progressed,
    Restored,
    Retried,
    Returned,
    RunEnded,
    RunStarted,
    Sampled,
    Steered,
    Submitted,
)

Phase = Literal["waiting", "running", "paused", "cancelling", "done", "failed", "cancelled"]

RATE_WINDOW = 10.0  # seconds of recent work that the rate and the ETA are made of, at least
TURNS = 3  # and so many turns of a worker, since they all may end at about the same time
SENSE = 1.0  # seconds of work before which a time that is left means nothing
SHOWN = 8  # items whose progress is told
MARK_EVERY = 0.1  # seconds between two remembered counts; keeps the window at 100 of them


class ItemProgress(NamedTuple):
    """What an item, by its index, told with `nbexec.progress`."""

    item: int
    fraction: float | None
    text: str


@dataclass(frozen=True, slots=True)
class Stats:
    """A run at one moment, in numbers.

    Attributes
    ----------
    name : str
        What the run is called.
    phase : str
        "waiting", "running", "paused", "cancelling", then "done", "failed" or "cancelled".
    total : int or None
        Items in all; None while the input has not been seen to its end.
    done, failed, cancelled, retried : int
        Items that have a value, that failed for good, that were stopped on their way, and
        attempts that were made again.
    restored : int
        Items among those done whose value was in the journal: they did not run.
    abandoned : int
        Items that took longer than their timeout and could not be stopped: they may still
        be running, each in a thread that is lost to them.
    running : int
        Items at a worker, at most `workers`: an estimate, since a worker tells when it
        ends, not when it begins.
    elapsed : float
        Seconds since the run began, or that it took.
    rate : float
        Items a second, lately.
    eta : float or None
        Seconds that are left, from recent work; None where it can't be told, and before it
        means something: a second of work, and as many items as there are workers.
    backend, workers, reason : str, int, str
        Where it runs, on how many workers, and why.
    cpu_seconds, busy_seconds : float
        CPU time that the tasks used, and time that workers spent in them.
    effective_cores : float
        ``cpu_seconds / elapsed``: how many cores the tasks kept busy.
    utilisation : float
        ``busy_seconds / (workers * elapsed)``, from 0 to 1: how busy the workers were.
    cores_now, memory, memory_limit : float, int, int
        CPU seconds a second and bytes of the process tree when last sampled, and the bytes
        that the machine or container allows; 0 where they were not sampled.
    sent_bytes, received_bytes : int
        Items that were pickled for another process, and values that came back from there.
    sending_seconds : float
        CPU time that it took to pickle and to unpickle them, in the kernel and in the workers.
    paused_seconds : float
        Time in which the run was paused.
    items : tuple of ItemProgress
        What items that run now told with `nbexec.progress`: index of the item,
        fraction and text.
    waiting : str
        What the run waits for before it begins more items, in words; "" for nothing.
    notes : tuple of str
        What else there is to know: that the journal had to stop, why everything runs again.
    """

    __module__ = "nbexec"

    name: str
    phase: Phase
    total: int | None
    done: int
    failed: int
    cancelled: int
    retried: int
    running: int
    elapsed: float
    rate: float
    eta: float | None
    backend: str
    workers: int
    reason: str
    cpu_seconds: float
    busy_seconds: float
    effective_cores: float
    utilisation: float
    cores_now: float = 0.0
    memory: int = 0
    memory_limit: int = 0
    abandoned: int = 0
    items: tuple[ItemProgress, ...] = ()
    waiting: str = ""
    restored: int = 0
    notes: tuple[str, ...] = ()
    sent_bytes: int = 0
    received_bytes: int = 0
    sending_seconds: float = 0.0
    paused_seconds: float = 0.0

    @property
    def ended(self) -> bool:
        """Whether the run is over."""
        return self.phase in ("done", "failed", "cancelled")

    @property
    def finished(self) -> int:
        """Items that came to their end, one way or another."""
        return self.done + self.failed + self.cancelled


class RunState:
    """Fold events with `apply`; read with `stats`."""

    def __init__(self) -> None:
        self.name = ""
        self.phase: Phase = "waiting"
        self.total: int | None = None
        self.choice = Choice("", 1)
        self.submitted = self.done = self.failed = self.cancelled = self.retried = 0
        self.abandoned = self.restored = 0
        self.notes: tuple[str, ...] = ()
        self.cpu_seconds = self.busy_seconds = self.sending_seconds = 0.0
        self.sent_bytes = self.received_bytes = 0
        self.sample = Sampled(0.0, 0.0, 0, 0)
        self._progress: dict[int, tuple[float | None, str]] = {}  # of the items that run
        self._in_flight = 0
        self._began = self._ended = 0.0
        self._paused = self._cancelling = False
        self._paused_seconds = self._paused_since = 0.0
        self._waiting = ""
        self._slot_seconds = 0.0  # workers x wall, summed over the times between changes
        self._slots_since = 0.0
        self._marks: deque[tuple[float, int]] = deque()
        self._turn = 0.0  # seconds that a worker has taken for a chunk, lately

    def apply(self, event: Event) -> None:
        """Take in one event; they come in the order of the grammar in `events`."""
        match event:
            case Submitted(chunk=chunk):
                self.submitted += len(chunk)
                self._in_flight += len(chunk)
            case Finished():
                self._finished(event)
            case Restored(chunk=chunk):
                self.done += len(chunk)
                self.restored += len(chunk)
            case Returned(chunk=chunk):
                self.submitted -= len(chunk)
                self._in_flight -= len(chunk)
            case Progressed():
                self._progress[event.index] = (event.fraction, event.text)
            case Retried():
                self._progress.pop(event.index, None)
                self.retried += 1
                self.abandoned += _abandoned(event.error)
                self.submitted -= 1
                self._in_flight -= 1
            case Sampled():
                self.sample = event
            case Steered():
                self._steered(event)
            case RunStarted():
                self.name, self.total, self.choice = event.name, event.total, event.choice
                self._began = self._slots_since = event.time
                self.phase = "running"
                self._marks.append((event.time, 0))
            case RunEnded():
                self._count_slots(event.time)
                self._ended = event.time
                self._in_flight = 0
                self.phase = "failed" if event.reason == "crashed" else event.reason

    def _finished(self, event: Finished) -> None:
        outcome = event.outcome
        self.done += len(outcome.values) - len(outcome.errors)
        if outcome.errors:
            cancelled = sum(error.kind == "cancelled" for error in outcome.errors.values())
            self.failed += len(outcome.errors) - cancelled
            self.cancelled += cancelled
            self.abandoned += sum(_abandoned(error) for error in outcome.errors.values())
        self._in_flight -= len(event.chunk)
        for index in self._progress.keys() & set(event.chunk.indices) if self._progress else ():
            del self._progress[index]
        self.cpu_seconds += outcome.cpu
        self.sent_bytes += outcome.sent
        self.received_bytes += outcome.received
        self.sending_seconds += outcome.sending
        if outcome.ends:
            self.busy_seconds += outcome.ends[-1]
            turn = outcome.ends[-1]
            self._turn += (turn - self._turn) * (0.2 if self._turn else 1.0)
        marks = self._marks
        finished = self._ran
        if len(marks) == 1 and not marks[0][1] and outcome.ends:  # workers took a while to start
            marks[0] = (max(marks[0][0], event.time - self._turn), 0)
        if len(marks) > 1 and event.time - marks[-2][0] < MARK_EVERY:
            marks[-1] = (event.time, finished)
        else:
            marks.append((event.time, finished))
        window = max(RATE_WINDOW, TURNS * self._turn)
        while len(marks) > 2 and event.time - marks[1][0] > window:
            marks.popleft()

    def _steered(self, event: Steered) -> None:
        if event.choice is not None:
            self._count_slots(event.time)
            self.choice = event.choice
        if event.total is not None:
            self.total = event.total
        if event.paused is not None:
            self._paused_seconds = self._paused_till(event.time)
            self._paused, self._paused_since = event.paused, event.time
            # what was finished before a pause says nothing about the rate after it
            self._marks.clear()
            self._marks.append((event.time, self._ran))
        if event.waiting is not None:
            self._waiting = event.waiting
        if event.note is not None:
            self.notes = (*self.notes, event.note)
        if event.cancelling:
            self._cancelling = True
        if not self._ended:
            paused: Phase = "paused" if self._paused else "running"
            self.phase = "cancelling" if self._cancelling else paused

    def _paused_till(self, now: float) -> float:
        return self._paused_seconds + (max(0.0, now - self._paused_since) if self._paused else 0.0)

    def _count_slots(self, now: float) -> None:
        self._slot_seconds += self.choice.workers * (now - self._slots_since)
        self._slots_since = now

    @property
    def ended(self) -> bool:
        """Whether the run is over."""
        return self.phase in ("done", "failed", "cancelled")

    def stats(self, now: float) -> Stats:
        """Give the numbers as they stand at `now`, on the clock of the events."""
        over = bool(self._ended)
        if over:
            now = self._ended
        elapsed = max(now - self._began, 0.0) if self.phase != "waiting" else 0.0
        slot_seconds = self._slot_seconds
        if not over:
            slot_seconds += self.choice.workers * max(now - self._slots_since, 0.0)
        rate = self._rate(now, elapsed)
        return Stats(
            name=self.name,
            phase=self.phase,
            total=self.total,
            done=self.done,
            failed=self.failed,
            cancelled=self.cancelled,
            retried=self.retried,
            abandoned=self.abandoned,
            restored=self.restored,
            notes=self.notes,
            running=min(self._in_flight, self.choice.workers),
            elapsed=elapsed,
            rate=rate,
            eta=self._eta(now),
            backend=self.choice.backend,
            workers=self.choice.workers,
            reason=self.choice.reason,
            cpu_seconds=self.cpu_seconds,
            busy_seconds=self.busy_seconds,
            effective_cores=self.cpu_seconds / elapsed if elapsed else 0.0,
            utilisation=min(self.busy_seconds / slot_seconds, 1.0) if slot_seconds else 0.0,
            cores_now=self.sample.cores,
            memory=self.sample.memory,
            memory_limit=self.sample.memory_limit,
            sent_bytes=self.sent_bytes,
            received_bytes=self.received_bytes,
            sending_seconds=self.sending_seconds,
            paused_seconds=self._paused_till(now),
            waiting="" if over else self._waiting,
            items=tuple(
                ItemProgress(at, *told) for at, told in sorted(self._progress.items())[:SHOWN]
            ),
        )

    @property
    def _ran(self) -> int:
        """Items that came to their end by running: what the rate is made of."""
        return self.done + self.failed - self.restored

    def _eta(self, now: float) -> float | None:
        if self.total is None or self.phase != "running" or not self._marks:
            return None
        since, count = self._marks[0]
        ran = self._ran - count
        # What runs now is not late before it takes longer than what ran lately.
        known = max(self._marks[-1][0], now - self._turn)
        if known - since < SENSE or ran < self.choice.workers:
            return None
        left = self.total - self.done - self.failed
        return max(0.0, left * (known - since) / ran - (now - known))

    def _rate(self, now: float, elapsed: float) -> float:
        if self._ended:
            return self._ran / elapsed if elapsed else 0.0
        if not self._marks:
            return 0.0
        since, count = self._marks[0]
        return (self._ran - count) / (now - since) if now > since else 0.0


def _abandoned(error: Error) -> bool:
    return isinstance(error.exception, ItemTimeout) and error.exception.abandoned
