"""QueueBound: how many calls may wait in an executor's queue, and what happens to one more."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Literal

OnFull = Literal["block", "caller_runs", "reject", "discard", "discard_oldest"]
ON_FULL = ("block", "caller_runs", "reject", "discard", "discard_oldest")

# The queues of the executors whose calls run in this context: one of them that waited for room
# in its own queue might wait for ever.
inside: ContextVar[tuple[object, ...]] = ContextVar("nbexec_inside", default=())

# A queue, and until when (`time.monotonic`) who submits to it in this context waits for room.
room_until: ContextVar[tuple[object, float] | None] = ContextVar("nbexec_room", default=None)


class NoRoom(TimeoutError):
    """A queue had no room for a call in time."""


@dataclass(frozen=True)
class QueueBound:
    """How many calls may wait, beside those that a worker is free for.

    Attributes
    ----------
    most : int
        So many, at most.
    on_full : str
        "block": `submit` waits for room; "caller_runs": the call runs in the thread that submits
        it; "reject": `submit` raises `QueueFull`; "discard": the call's future is cancelled;
        "discard_oldest": that of the call which has waited longest is, among those of the
        smallest priority.
    """

    most: int
    on_full: OnFull
