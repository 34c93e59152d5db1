"""Events: what happens in a run, as records, and the order in which they may come.

::

    RunStarted (Submitted | Finished | Restored | Returned | Retried | Hedged | Dropped | Output
               | Progressed | Steered | Sampled)* RunEnded

and for each index ``Restored | (Submitted (Returned | Retried))* Submitted Finished``.
When a chunk comes back, its retried items come first, and all its events have one time.
After a Submitted may come a Hedged, at most one before the item comes back; then of its two
tries one is Dropped, sometime until the run has ended.
`time` is in seconds on the run's own clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from ..model import Choice, Chunk, EndReason, Error, Outcome


@dataclass(frozen=True, slots=True)
class RunStarted:
    """The first event of every run."""

    time: float
    name: str
    total: int | None  # items; None while the input has not been seen to its end
    choice: Choice
    fastest: float | None = None  # items a second that a limit allows; None: any number


@dataclass(frozen=True, slots=True)
class Submitted:
    """A chunk went to a worker."""

    time: float
    chunk: Chunk


@dataclass(frozen=True, slots=True)
class Finished:
    """The end of each item of `chunk`: a value, or an error in `outcome.errors`."""

    time: float
    chunk: Chunk
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Restored:
    """The end of items that did not have to run: the journal has their values."""

    time: float
    chunk: Chunk
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Returned:
    """A worker returned unstarted items; they will be submitted again."""

    time: float
    chunk: Chunk


@dataclass(frozen=True, slots=True)
class Retried:
    """An item failed and will be submitted again, `wait` seconds later at the earliest."""

    time: float
    index: int
    attempt: int
    error: Error
    wait: float
    started: float = 0.0  # unix time, by the worker's clock
    seconds: float = 0.0  # that the attempt took
    worker: str = ""


@dataclass(frozen=True, slots=True)
class Hedged:
    """An item went to a second worker, since it takes long at the first."""

    time: float
    chunk: Chunk  # the item alone


@dataclass(frozen=True, slots=True)
class Dropped:
    """One of the two tries of an item came to its end, and doesn't count."""

    time: float
    index: int
    started: float = 0.0  # unix time, by the worker's clock
    seconds: float = 0.0  # that it took
    worker: str = ""  # "": it never began
    cpu: float = 0.0  # CPU seconds


@dataclass(frozen=True, slots=True)
class Output:
    """Output of an item: some lines, or the start of one."""

    time: float
    first: int  # the item's index
    last: int  # the same; more where only the chunk is known, as with output from C
    stream: str  # "stdout" or "stderr"
    text: str
    shown: bool = False  # whether it also reached the stream that the item wrote to


@dataclass(frozen=True, slots=True)
class Progressed:
    """An item reported its progress."""

    time: float
    index: int
    fraction: float | None  # from 0 to 1
    text: str


class Spending(NamedTuple):
    """What a run has spent, and what it will."""

    spent: float
    budget: float | None  # None: as much as it takes
    expected: tuple[float, float, float] | None = None  # of all: about, at least, at most


@dataclass(frozen=True, slots=True)
class Steered:
    """The run changed course; None leaves a field as it was."""

    time: float
    choice: Choice | None = None
    total: int | None = None
    paused: bool | None = None
    cancelling: bool | None = None
    waiting: str | None = None  # the reason why no further item begins; "": there is none
    note: str | None = None  # a message for the user
    spending: Spending | None = None


class Part(NamedTuple):
    """CPU and memory of one process, now."""

    name: str  # "kernel", "worker 1234" by its process id, or as a cluster calls it
    cores: float  # CPU seconds a second
    memory: int  # bytes
    limit: int = 0  # bytes that it may use; 0: not known, or shared with all


@dataclass(frozen=True, slots=True)
class Sampled:
    """CPU and memory of the process tree, now; with a cluster that was given, of its workers."""

    time: float
    cores: float  # CPU seconds a second
    memory: int  # bytes
    memory_limit: int  # bytes that this machine or container, or that cluster, may use; 0: unknown
    parts: tuple[Part, ...] = ()  # the sum of which is above; the largest first
    local: int | None = None  # bytes on this machine, which `memory_limit=` is about; None: all


@dataclass(frozen=True, slots=True)
class RunEnded:
    """The last event of every run."""

    time: float
    reason: EndReason


Event = (
    RunStarted
    | Submitted
    | Finished
    | Restored
    | Returned
    | Retried
    | Hedged
    | Dropped
    | Output
    | Progressed
    | Steered
    | Sampled
    | RunEnded
)
