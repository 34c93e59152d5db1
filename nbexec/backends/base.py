"""The contract of a backend, in two small classes.

A `Backend` lives as long as the kernel and keeps its workers warm.  A `Session` is one
run's use of it: the run names a slot for each chunk, the session sees that a worker
of its own stands behind each slot.  Whatever happens to a chunk, its reply is
delivered once, from any thread, unless its slot was aborted.
"""

from __future__ import annotations

import contextvars
import math
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from ..model import Chunk, Outcome, Task
from ..options.record import RECONNECT
from ..options.worker_options import WorkerOptions
from ..telemetry.events import Part
from ..worker.chunk_state import AFTER_FAILURE, NOTHING_MORE, SharedChunkState
from ..worker.held_records import HeldRecord
from ..worker.surroundings.kernel_state import Surroundings
from .caller_thread import CallerThread

Reply = Callable[[], Outcome]  # called in the run's loop: unpacking is not a callback's work
Deliver = Callable[[Chunk, Reply], None]
HoldRecord = Callable[[Chunk, int, HeldRecord], bool]  # for an item's turn; or gives False


class ReportChunk(Protocol):
    """Takes output, progress and begun items of a chunk, from any thread."""

    def __call__(
        self, chunk: Chunk, offset: int | None, stream: str, content: Any, /, shown: bool = False
    ) -> None:
        """Take in what the item at `offset` (None: one of the chunk) wrote to `stream`.

        Where `stream` is "progress", `content` is a fraction, or None, and a text.  Where it is
        "returned", the items from `offset` on are pending, and no longer that worker's.
        """


def _unheard(_: Any) -> None:
    """Take in what nobody asked for."""


@dataclass(frozen=True, slots=True)
class ClusterHooks:
    """What a session tells its run of a cluster that changes by itself; from any thread."""

    note: Callable[[str], None] = _unheard  # something that the panel is to say
    give_up: Callable[[BaseException], None] = _unheard  # the run can't go on
    follow: Callable[[int], None] = _unheard  # how many items its workers can run at once


@dataclass(frozen=True, slots=True)
class SessionSpec:
    """What a run gives a session: its task, where replies and reports go, the caller's context."""

    task: Task
    deliver: Deliver
    caller_thread: CallerThread
    report: ReportChunk
    context: contextvars.Context  # of the caller; copied for each thread that enters it
    workers: int
    direct: bool = False  # whether output also goes where it would have gone without us
    hold: HoldRecord | None = None  # takes what items in the kernel log, where that has an order
    stops: bool = False  # whether a failure ends the run: a plain loop begins nothing after it
    collects: bool = False  # whether it goes on whatever fails, and tries nothing again
    judged: bool = False  # whether the seconds without a core, and `running`, are asked for
    own: WorkerOptions = WorkerOptions()  # what is wanted of workers
    once: bool = False  # whether no item may begin twice
    reconnect: float = RECONNECT  # seconds to wait for a cluster's scheduler that is gone
    hooks: ClusterHooks = ClusterHooks()
    surroundings: Surroundings = field(default_factory=Surroundings.here)  # when the run began

    @property
    def after_failure(self) -> float:
        """Seconds that a chunk in the kernel may last once an item of it has failed."""
        if self.stops:
            return NOTHING_MORE
        return math.inf if self.collects else AFTER_FAILURE


# The options about workers; `Backend.takes` are those of them that it can do.
EVERY = frozenset({"teardown", "worker_name", "pin", "env", "recycle_after", "recycle_above"})


class Running(NamedTuple):
    """Seconds of the chunk that runs now."""

    wall: float
    cpu: float
    starved: float  # ready to run while no core was free


class Session(ABC):
    """One run's use of a backend."""

    reports_begun = True  # whether it is reported at once that a worker begins an item
    stealable = False  # whether workers share their chunk states, so that pending items can go back

    # Seconds that an item which isn't wanted any more may go on at its worker before that is
    # stopped: about what it costs to start another one.
    patience = 1.0

    restartable = False  # whether its workers can be replaced while it goes on

    side_threads = False  # whether items run in other threads than a plain loop of the caller's

    @abstractmethod
    def submit(self, slot: int, chunk: Chunk) -> SharedChunkState | None:
        """Start `chunk` on the worker of `slot` (0, 1, ...) and return at once.

        Where the session is stealable, give the state that the worker fills; a chunk all of
        whose items were taken back from there needs no reply.
        """

    def unwanted(self, slot: int) -> None:  # noqa: B027  (some have no way to)
        """Let the items of `slot` know that they may stop early; its reply is still awaited."""

    def take_back(self, slot: int, chunk: Chunk) -> None:  # noqa: B027  (some can't)
        """Ask the worker of `slot` to give back the pending items of `chunk`.

        It acknowledges by a report, "returned", with the offset of the first of them.
        """

    @abstractmethod
    def abort(self, slot: int) -> bool:
        """Stop the chunks of `slot`, whose replies are not awaited; give whether they are stopped.

        A worker that can't be stopped is left behind.  The slot may be used again: a worker that
        is not in the middle of anything stands behind it then.
        """

    def tear_down(self) -> Sequence[Future[Any]]:
        """Begin the task's teardown in each worker that is there; give what is done at its end.

        Nothing of the run is in progress, and nothing more comes.  What a teardown raises is
        reported as `TORN`.
        """
        return ()

    @abstractmethod
    def close(self) -> None:
        """Give the workers back; aborted ones are replaced when they are next needed."""

    def release(self, slot: int) -> None:  # noqa: B027  (some have none to give back)
        """Give the worker of `slot` back, which has nothing to do: another one is had when needed.

        A process ends; a thread is there for the next run.
        """

    def resize(self, workers: int) -> None:  # noqa: B027  (most share nothing out)
        """Note that `workers` slots are used from now on, not as many as were set at first."""

    def prepare(self, workers: int) -> int:
        """Make ready for so many workers; give for how many that was possible."""
        return workers

    def trim(self) -> None:  # noqa: B027  (most hold nothing)
        """End idle workers for the memory that they hold; nothing runs at this moment."""

    def restart(self) -> None:  # noqa: B027  (some can't)
        """Have each worker end, once it is idle; another one takes its place."""

    def ready(self, slot: int) -> bool:
        """Whether the worker of `slot` is there, so that the time of its item runs."""
        return True

    def worker(self, slot: int, chunk: Chunk) -> str:
        """Give the name of the worker that `slot` has for `chunk`; "" where it isn't known.

        It is the one that an outcome has, for what has none of its own.
        """
        return ""

    def elsewhere(self) -> Sequence[Part] | None:
        """Give the workers' use of cores and memory on other machines; None where they are local.

        Called by a thread that may wait for the answer.
        """
        return None

    def running(self) -> Running | None:
        """Give the seconds of the chunk that runs now, where they are known."""
        return None


class Backend(ABC):
    """Where items can run."""

    name: str
    remote = False  # whether functions and items are pickled on their way
    adds_workers = False  # whether one in the kernel can be added at any time, for a while
    can_time_out = True  # whether an item can be stopped, or left behind, while it runs
    most_workers: int = sys.maxsize
    takes: frozenset[str] = frozenset()  # which options about workers it can do

    @abstractmethod
    def default_workers(self) -> int:
        """How many items at once suit this backend on this machine."""

    @abstractmethod
    def open(self, spec: SessionSpec) -> Session:
        """Begin a run; raises a `PickleError` if its function can't be sent."""

    def warm(self) -> bool:
        """Whether workers are there already, so that starting costs next to nothing."""
        return True

    def warm_up(self, workers: int) -> bool:
        """Start one worker ahead of the first run; give False where `workers` are there."""
        return False

    def close(self) -> None:  # noqa: B027  (most have nothing to close)
        """End every worker; called at interpreter exit."""
