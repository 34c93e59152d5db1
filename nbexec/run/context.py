"""RunContext: what the parts of a run's loop share; used in the loop's thread alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import inf

from ..items.feed import Feed
from ..items.outcomes import failure
from ..items.sinks import Sink
from ..model import Choice, Chunk, Failure, Outcome
from ..options.record import Options
from ..pacing.pacing import Pacing
from ..placement.slots import Slot, SlotTable
from ..telemetry.events import Finished, Returned
from ..telemetry.output import Outputs
from ..telemetry.publisher import Publisher
from .backlog import Backlog
from .in_turn import InTurn

FAILURES = 10_000  # that are kept; a list of results has all, a stream gives them away


@dataclass(eq=False)
class RunContext:
    """Where the items of one run are: pending, at workers, finished.

    `Loop` hands chunks out and takes outcomes in, `Reclaim` takes unstarted items back from
    slow workers, and `Stopping` ends what must not go on.
    """

    options: Options
    sink: Sink
    backlog: Backlog  # pending
    slots: SlotTable  # at workers
    publisher: Publisher
    clock: Callable[[], float]
    in_turn: InTurn | None = None  # what items logged and warned; set by the loop
    star: bool = False  # whether an item is several arguments
    origin: str = ""  # marks the run's failures; see `Run.origin`
    failures: list[Failure] = field(default_factory=list)
    output: Outputs = field(default_factory=Outputs)
    goes_on: Callable[[Chunk], bool] = lambda chunk: False  # another try of it; set by the intake
    stop_after: int | None = None  # no item after this one matters: the run stops there

    def __post_init__(self) -> None:
        self.emit = self.publisher.emit
        self.pacing = Pacing(self.options, self.backlog.parked, self.star)

    @property
    def feed(self) -> Feed:
        """Where the items come from."""
        return self.backlog.feed

    @property
    def choice(self) -> Choice:
        """Backend, workers and the reason, as they stand."""
        return self.publisher.state.choice

    def requeue(self, chunk: Chunk, suspect: bool = False) -> None:
        """Requeue items that a worker had not started; one by one where one is to blame."""
        if self.goes_on(chunk):  # that one says how its item ends
            return
        if chunk.hedge:
            chunk = replace(chunk, hedge=False)
        self.emit(Returned(self.clock(), chunk))
        self.pacing.returned(chunk, self.clock())
        if self.in_turn is not None:
            self.in_turn.again(chunk)
        if suspect:
            self.backlog.requeue_singly(chunk)
        else:
            self.backlog.requeue(chunk)

    def finish(self, now: float, chunk: Chunk, outcome: Outcome) -> None:
        """Take in the end of each item of a chunk, for good."""
        failures = {at: failure(chunk, outcome, at, self.origin) for at in sorted(outcome.errors)}
        most = inf if self.options.on_error == "group" else FAILURES  # that has every failure
        room = most - len(self.failures)
        for place, one in enumerate(failures.values()):
            if place < room or one.index == self.stop_after:  # that one is the run's own error
                self.failures.append(one)
        self.emit(Finished(now, chunk, outcome))
        self.issue(chunk)  # before anybody has a value in hand
        self.sink.put(chunk, outcome, failures)

    @property
    def last(self) -> int | None:
        """The item at which a plain loop would have stopped; None where it wouldn't."""
        return self.stop_after if self.stop_after is not None and self.stop_after >= 0 else None

    def issue(self, ended: Chunk | None = None) -> None:
        """Have handlers take in what items issued whose turn it is, a chunk having ended."""
        if self.in_turn is not None and self.in_turn.waiting:
            earliest = min(self.slots.earliest(), self.backlog.earliest())
            if self.last is not None:
                earliest = min(earliest, self.last + 1)
            self.in_turn.advance(earliest, ended)

    def worker_of(self, slot: Slot, chunk: Chunk) -> tuple[str, float]:
        """Give the worker of a chunk that returned no outcome, and the seconds that it had it."""
        worker = slot.session.worker(slot.number, chunk) or slot.worker
        return worker or f"worker {slot.number + 1}", max(0.0, self.clock() - slot.since)
