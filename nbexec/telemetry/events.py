"""What happens in a run, as records, in the order in which it may happen.

::

    RunStarted (Submitted | Finished | Restored | Returned | Retried | Output | Progressed
               | Steered | Sampled)* RunEnded

and for each index ``Restored | (Submitted (Returned | Retried))* Submitted Finished``.
Of a chunk that came back, items that are tried again come first, and all have one time.
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
    """A worker handed back items that it had not begun; they will be submitted again."""

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
class Output:
    """What an item wrote: some lines, or the start of one."""

    time: float
    first: int  # the item's index
    last: int  # the same; more where only the chunk is known, as with output from C
    stream: str  # "stdout" or "stderr"
    text: str
    shown: bool = False  # whether it went where it would have gone without us, too


@dataclass(frozen=True, slots=True)
class Progressed:
    """An item told how far it is."""

    time: float
    index: int
    fraction: float | None  # from 0 to 1
    text: str


@dataclass(frozen=True, slots=True)
class Steered:
    """The run goes on differently; None leaves a thing as it was."""

    time: float
    choice: Choice | None = None
    total: int | None = None
    paused: bool | None = None
    cancelling: bool | None = None
    waiting: str | None = None  # what the run waits for before it begins more; "": nothing
    note: str | None = None  # something to be told to whoever watches


class Part(NamedTuple):
    """What one process used just now."""

    name: str  # "kernel", "worker 1234" by its process id, or as a cluster calls it
    cores: float  # CPU seconds a second
    memory: int  # bytes
    limit: int = 0  # bytes that it may use; 0: not known, or those that all may use


@dataclass(frozen=True, slots=True)
class Sampled:
    """What the process tree used just now; with a cluster that was given, what its workers did."""

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
    | Output
    | Progressed
    | Steered
    | Sampled
    | RunEnded
)
