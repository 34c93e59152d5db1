"""RunState: the state of a run, folded from its events.  No I/O, no clock, no threads."""

from __future__ import annotations

from ..errors import ItemTimeout
from ..model import Choice, Error
from .events import (
    Dropped,
    Event,
    Finished,
    Hedged,
    Progressed,
    Restored,
    Retried,
    Returned,
    RunEnded,
    RunStarted,
    Sampled,
    Spending,
    Steered,
    Submitted,
)
from .recent_rate import RecentRate
from .stats import ItemProgress, Phase, Stats, WorkerShare
from .tries import Tries

SHOWN = 8  # items whose progress is in `Stats`


class RunState:
    """Fold events with `apply`; read with `stats`."""

    def __init__(self) -> None:
        self.name = ""
        self.phase: Phase = "waiting"
        self.total: int | None = None
        self.choice = Choice("", 1)
        self.submitted = self.done = self.failed = self.cancelled = self.retried = 0
        self.abandoned = self.restored = self.hedged = 0
        self.notes: tuple[str, ...] = ()
        self.cpu_seconds = self.busy_seconds = self.sending_seconds = 0.0
        self.sent_bytes = self.received_bytes = 0
        self.sample = Sampled(0.0, 0.0, 0, 0)
        self._progress: dict[int, tuple[float | None, str]] = {}  # of the items that run
        self._workers: dict[str, tuple[int, float]] = {}  # items that ended, and seconds
        self._tries = Tries()
        self._in_flight = 0
        self._began = self._ended = 0.0
        self._paused = self._cancelling = False
        self._paused_seconds = self._paused_since = 0.0
        self._waiting = ""
        self._spending = Spending(0.0, None)
        self._slot_seconds = 0.0  # workers x wall, summed over the times between changes
        self._slots_since = 0.0
        self._recent = RecentRate()
        self._fastest: float | None = None  # items a second that a limit allows

    def apply(self, event: Event) -> None:
        """Fold one event; they come in the order of the grammar in `events`."""
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
                self._tries.add(event)
                self.busy_seconds += event.seconds
                self._worked(event.worker, 0, event.seconds)
                self.abandoned += _abandoned(event.error)
                self.submitted -= 1
                self._in_flight -= 1
            case Hedged():
                self.hedged += 1
                self._in_flight += 1
            case Dropped():
                self._in_flight -= 1
                self.busy_seconds += event.seconds
                self.cpu_seconds += event.cpu
                self._worked(event.worker, 0, event.seconds)
            case Sampled():
                self.sample = event
            case Steered():
                self._steered(event)
            case RunStarted():
                self.name, self.total, self.choice = event.name, event.total, event.choice
                self._began = self._slots_since = event.time
                self._fastest = event.fastest
                self.phase = "running"
                self._recent.restart(event.time, 0)
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
            seconds = outcome.ends[-1] - sum(one.seconds for one in self._tries.among(event))
            self.busy_seconds += seconds
            self._worked(outcome.worker, len(outcome.ends), seconds)
        self._recent.finished(event.time, self._ran, outcome.ends[-1] if outcome.ends else None)

    def _worked(self, worker: str, calls: int, seconds: float) -> None:
        if worker:
            before, busy = self._workers.get(worker, (0, 0.0))
            self._workers[worker] = before + calls, busy + seconds

    def _shares(self) -> dict[str, WorkerShare]:
        all_seconds = sum(seconds for _, seconds in self._workers.values()) or 1.0
        return {
            worker: WorkerShare(calls, seconds, seconds / all_seconds)
            for worker, (calls, seconds) in self._workers.items()
        }

    def _queued(self, known: int | None) -> int:
        known = self.total if known is None else known
        if known is None or self.ended:
            return 0
        finished, running = self.done + self.failed + self.cancelled, self._running
        return max(0, known - finished - running)

    @property
    def _running(self) -> int:
        return min(self._in_flight, self.choice.workers)

    def _steered(self, event: Steered) -> None:
        if event.choice is not None:
            self._count_slots(event.time)
            self.choice = event.choice
        if event.total is not None:
            self.total = event.total
        if event.paused is not None:
            self._paused_seconds = self._paused_till(event.time)
            self._paused, self._paused_since = event.paused, event.time
            self._recent.restart(event.time, self._ran)
        if event.waiting is not None:
            self._waiting = event.waiting
        if event.spending is not None:
            self._spending = event.spending
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

    def stats(self, now: float, known: int | None = None) -> Stats:
        """Give the numbers as they stand at `now`, on the clock of the events.

        `known` is how many items are known so far; None where that is `total`.
        """
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
            hedged=self.hedged,
            notes=self.notes,
            running=self._running,
            queued=self._queued(known),
            by_worker=self._shares(),
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
            spent=self._spending.spent,
            budget=self._spending.budget,
            expected=None if over else self._spending.expected,
            items=tuple(
                ItemProgress(at, *latest) for at, latest in sorted(self._progress.items())[:SHOWN]
            ),
        )

    @property
    def _ran(self) -> int:
        """Items that ended by running; the rate is computed from these."""
        return self.done + self.failed - self.restored

    def _eta(self, now: float) -> float | None:
        if self.total is None or self.phase != "running":
            return None
        left = self.total - self.done - self.failed
        eta = self._recent.eta(now, self._ran, left, self.choice.workers)
        # The first ones may all have started at once, and the others will not.
        return eta if eta is None or not self._fastest else max(eta, left / self._fastest)

    def _rate(self, now: float, elapsed: float) -> float:
        if self._ended:
            return self._ran / elapsed if elapsed else 0.0
        return self._recent.rate(now, self._ran)


def _abandoned(error: Error) -> bool:
    return isinstance(error.exception, ItemTimeout) and error.exception.abandoned
