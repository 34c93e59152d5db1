"""CallLimits: limits that single calls of an executor have for themselves, by lane."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any, NamedTuple

from ..model import Chunk
from ..options.rates import Limit, Rate
from .item_facts import ONE
from .limiter import Limiting
from .limiters import limiter_of

# Seconds that may pass between a worker's word that it begins an item and the item's first
# statement: a thread waits for the GIL, a process for a core.  At most, and of a window.
LATE, LATE_SHARE = 0.25, 0.05


def lateness_of(rates: Iterable[Rate]) -> float:
    """Give the seconds that an item may start after its worker has said so."""
    return min([LATE, *(LATE_SHARE * rate.seconds for rate in rates)])


class LimitLane(NamedTuple):
    """Calls with one limit and one key: they wait behind one another, and for nobody else."""

    limit: Limit
    key: Hashable


class OwnTicket(NamedTuple):
    """A start that was reserved with a call's own limit."""

    limiter: Limiting
    ticket: Any
    late: float

    def started(self, at: float) -> None:
        """Note that it was at the time `at`, as its worker said."""
        self.limiter.started(self.ticket, at + self.late)


def lane_of(chunk: Chunk, key: Hashable) -> Hashable:
    """Give the lane of an item: that of its key, or of its own limit and its key."""
    own = chunk.own
    return key if own is None or own.limit is None else LimitLane(own.limit, key)


def free_at(chunk: Chunk, key: Hashable, now: float) -> float:
    """Give when to look again whether an item's own limit lets it start: `now`, if it may."""
    own = chunk.own
    if own is None or own.limit is None:
        return now
    return limiter_of(own.limit).free_at(key, ONE, now)


def reserve(chunk: Chunk, key: Hashable, now: float) -> OwnTicket | float | None:
    """Reserve a start with an item's own limit; None without one, a float: when to look again."""
    own = chunk.own
    if own is None or own.limit is None:
        return None
    limiter = limiter_of(own.limit)
    ticket = limiter.reserve(key, ONE, now)
    if isinstance(ticket, float):
        return ticket
    return OwnTicket(limiter, ticket, lateness_of(own.limit.rates))


class Lanes:
    """Which lanes of a key have items that wait."""

    def __init__(self) -> None:
        self._by_key: dict[Hashable, dict[LimitLane, None]] = {}

    def add(self, lane: Hashable) -> None:
        """Note that something waits in a lane."""
        if isinstance(lane, LimitLane):
            self._by_key.setdefault(lane.key, {})[lane] = None

    def remove(self, lane: Hashable) -> None:
        """Note that nothing does any more."""
        if isinstance(lane, LimitLane) and lane.key in self._by_key:
            lanes = self._by_key[lane.key]
            lanes.pop(lane, None)
            if not lanes:
                del self._by_key[lane.key]

    def of(self, key: Hashable) -> list[Hashable]:
        """Give what has to do with a key: the lane of those without a limit, and the others."""
        return [key, *self._by_key.get(key, ())]
