"""Where the rest of a run's items should go, by what several workers did with some of them.

Pure functions, as in `auto`, which chooses by items one after the other.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..model import Choice
from ..system import machine
from ..telemetry.wording import seconds
from .auto import COMPUTES, ENDLESS, FEW, START, WAITS, WARM, Evidence, most_workers, words
from .profiles import Profile

# Constants are chosen by tests/benchmarks/matrix.py.
AGAIN = 0.1  # seconds of work on several workers that tell whether it changed
AGAINST = 0.2  # the same, where an earlier run says that it didn't
CHANGED = 0.7  # going elsewhere is worth it if it takes at most this share of the time
HOLDING = 0.6  # share of knocks from which on the GIL is what threads wait for
MOVES = 4  # times at most that a run changes its mind


@dataclass(frozen=True, slots=True)
class Recent:
    """What several workers did for a while."""

    items: int = 0
    wall: float = 0.0  # seconds that items took, in all
    busy: float = 0.0  # seconds, of those, on a core or ready to run while none was free
    sending: float = 0.0  # seconds of pickling, here and there
    elapsed: float = 0.0  # seconds that went by
    kernel: float = 0.0  # CPU seconds that the kernel used meanwhile, all its threads
    gil_probes: int = 0
    held: float = 0.0

    @property
    def in_turn(self) -> bool:
        """Whether the GIL is what they seem to wait for."""
        return self.gil_probes >= FEW and self.held >= HOLDING * self.gil_probes


def profile_recent(recent: Recent, seen: Evidence, threads: bool) -> Profile:
    """Give the same of what several workers did, as it would be without the others.

    Where `threads` were left that computed in turn, that is what is to be known of the items.
    """
    if threads:
        each, used = recent.kernel / recent.items, 1.0
    else:
        each, used = recent.wall / recent.items, min(1.0, recent.busy / recent.wall)
    return Profile(each, used, used, seen.here, seen.there, memory=seen.grown / 1e9)


def reconsider(
    now: Choice,
    recent: Recent,
    seen: Evidence,
    workers: int | None,
    depth: int,
) -> Choice | None:
    """Give where the rest should go, other than where it goes now; None to leave it there.

    `seen` says what is left, whether there are worker processes, what sending takes, and
    what an item took alone, where that is known.
    """
    if recent.elapsed < AGAIN or recent.items < FEW or now.workers < 1:
        return None
    if now.backend == "threads":
        return _from_threads(now, recent, seen, workers, depth)
    if now.backend == "processes":
        return _from_processes(recent, seen, workers, depth)
    return None


def _from_threads(
    now: Choice, recent: Recent, seen: Evidence, workers: int | None, depth: int
) -> Choice | None:
    """Leave threads that wait for the GIL in turn, or are in one another's way otherwise."""
    count = workers or machine.default_workers(machine.cores(), depth)
    if count == 1 or now.workers == 1:
        return None
    cores = recent.kernel / recent.elapsed  # items that ended may have begun before that
    each = recent.kernel / recent.items  # theirs is told when their chunks end
    left = ENDLESS if seen.left is None else seen.left
    there = WARM if seen.warm else START
    there += max(seen.here * left, (each + seen.here + seen.there) * left / count)
    # with the time in which other programs had the cores
    wanted = max(recent.kernel, recent.busy) / recent.elapsed
    if seen.gil and recent.in_turn and wanted > 0.6 and cores < 1.3:
        if there <= CHANGED * left * each:
            return Choice("processes", count, f"by now {words(each, 1.0)} and hold the GIL")
        return None
    computed = seen.items and seen.busy >= COMPUTES * seen.wall  # when they were alone
    if not computed or each < seen.busy / seen.items / 2 or recent.busy >= WAITS * recent.wall:
        return None  # they wait, or run
    if there <= CHANGED * left * recent.elapsed / recent.items:
        what = f"by now {words(each, 1.0)}"
        return Choice("processes", count, f"{what}, and threads get only {cores:.1f} cores to work")
    return None


def _from_processes(
    recent: Recent, seen: Evidence, workers: int | None, depth: int
) -> Choice | None:
    """Leave processes for threads where items wait, and for the kernel where sending is all."""
    each = recent.wall / recent.items
    used = min(1.0, recent.busy / recent.wall) if recent.wall else 1.0
    left = ENDLESS if seen.left is None else seen.left
    rest = left * recent.elapsed / recent.items
    many = most_workers(workers, depth)
    if used < WAITS and each * left * max(used, 1 / many) < CHANGED * rest:
        return Choice("threads", many, f"by now {words(each, used)}")
    sending = recent.sending / recent.items
    if seen.left is not None and sending > each / 2 and each * left < CHANGED * rest:
        what = f"by now {words(each, 1.0)}, and sending one takes {seconds(sending)}"
        return Choice("serial", 1, what)
    return None
