"""Stats: a run at one moment, in numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

Phase = Literal["waiting", "running", "paused", "cancelling", "done", "failed", "cancelled"]


class ItemProgress(NamedTuple):
    """Progress that an item reported with `nbexec.progress`, by the item's index."""

    item: int
    fraction: float | None
    text: str


class WorkerShare(NamedTuple):
    """What one worker did: items that ended there, seconds in them, its share of all seconds."""

    calls: int
    seconds: float
    share: float  # from 0 to 1


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
    hedged : int
        Second tries that were begun beside a first one that took long, with `hedge_after`.
    restored : int
        Items among those done whose value was in the journal: they did not run.
    abandoned : int
        Items that took longer than their timeout and could not be stopped: they may still
        be running, each in a thread that is lost to them.
    running : int
        Items at a worker, at most `workers`: an estimate, since a worker reports the end of
        an item, not its beginning.
    queued : int
        Items that no worker has begun: calls of an executor that wait; of other runs what is left,
        where that is known.
    rejected : int
        Calls that an executor refused since its queue was full.
    elapsed : float
        Seconds since the run began, or that it took.
    rate : float
        Items a second, lately.
    eta : float or None
        Seconds that are left, from recent work; None where it is not known, and before it
        means something: a second of work, and as many items as there are workers.
    backend, workers, reason : str, int, str
        Where it runs, on how many workers, and why.
    cpu_seconds, busy_seconds : float
        CPU time that the tasks used, and time that workers spent in them.
    effective_cores : float
        ``cpu_seconds / elapsed``: how many cores the tasks kept busy.
    utilisation : float
        ``busy_seconds / (workers * elapsed)``, from 0 to 1: how busy the workers were.
    by_worker : dict of str to WorkerShare
        For each worker its ``calls`` (items that ended there), its ``seconds`` in them, and its
        ``share`` of the seconds of all workers, from 0 to 1.
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
        Progress that running items reported with `nbexec.progress`: index of the item,
        fraction and text.
    waiting : str
        The reason why no further item begins, in words; "" where there is none.
    spent : float
        The sum of what items cost, with `price`.
    budget : float or None
        What it may be.
    expected : tuple of float or None
        What all items will cost: about, at least and at most (19 times in 20), from the first
        ten on; None where that isn't known, and at the end.
    notes : tuple of str
        Messages for the user: that the journal had to stop, why everything runs again.
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
    spent: float = 0.0
    budget: float | None = None
    expected: tuple[float, float, float] | None = None
    hedged: int = 0
    queued: int = 0
    rejected: int = 0
    by_worker: dict[str, WorkerShare] = field(default_factory=dict, hash=False)

    @property
    def ended(self) -> bool:
        """Whether the run is over."""
        return self.phase in ("done", "failed", "cancelled")

    @property
    def finished(self) -> int:
        """Items that ended: done, failed or cancelled."""
        return self.done + self.failed + self.cancelled

    # Names that statistics of other executors have:

    @property
    def active(self) -> int:
        """The same as `running`."""
        return self.running

    @property
    def completed(self) -> int:
        """The same as `done`."""
        return self.done

    @property
    def execution_seconds(self) -> float:
        """The same as `busy_seconds`."""
        return self.busy_seconds

    @property
    def cpu_percent(self) -> float:
        """`cores_now` in per cent of one core: 200 is two cores."""
        return 100 * self.cores_now
