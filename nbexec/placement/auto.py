"""The choice of backend="auto": from measurements of items to a backend, and the reason.

The first items run in the kernel, each once, and are timed as they run; so is whether
another thread gets the GIL meanwhile.  `choose` is a pure function of what was seen of
items one after the other; `reconsider` is one of what several workers did with them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from ..model import Choice
from ..system import machine
from ..system.gil import has_gil
from ..telemetry.wording import seconds
from .profiles import Profile

# Constants are chosen by tests/benchmarks/matrix.py, where no other benchmark is named.
ENOUGH = 0.02  # seconds of items that tell enough, where at least FEW of them ended
FEW = 3  # items, or knocks
SLOW = 0.03  # seconds after which an item that still runs is judged by what it did so far
UNSEEN = 0.1  # seconds of the first item, before others go where its value can perhaps not
LATE = 3  # times the expected seconds, after which a chunk of several is
UNPROBED = 0.08  # seconds after which a GIL that could not be knocked at is taken to be held
WAITS = 0.5  # an item that used less CPU time than this share of its time waits
COMPUTES = 0.9  # one that used at least this share computes
START = 0.4  # seconds until cold worker processes are of use: loky, 2 cores
WARM = 0.005  # seconds until warm ones are
SEND = 5e-8  # seconds an item to send it and its result, beyond pickling: 3,000,000 of them
COPIES = 2e9  # bytes a second, to and from a worker, beyond what pickle itself takes
GAIN = 0.85  # workers are worth it if they take at most this share of the time
TURNS = 0.65  # the same for threads that wait for the GIL more than half of the time
NEAR = 1.1  # processes are not worth it where threads take at most so many times as long
ENDLESS = 1_000_000  # items that are taken to be left where nobody knows
WORKER = 60 << 20  # bytes of a worker process: 25 (first-warm), and what it imports (NumPy: 11)
ROOM = 0.8  # share of the free memory that a run's workers may fill


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was seen of a run's items, one after the other in the kernel."""

    items: int = 0  # that ended
    wall: float = 0.0  # seconds, of those, without those in which no core was free
    busy: float = 0.0  # seconds, of those, on a core
    running_wall: float = 0.0  # seconds, of the chunk that runs now, likewise
    running_busy: float = 0.0
    expected: float = 0.0  # seconds that it should take, by what was seen before
    left: int | None = None  # items not yet begun; None where that isn't known
    valued: bool = False  # whether a value was seen before those items
    warm: bool = False  # whether worker processes are there already
    gil_probes: int = 0  # times that another thread asked for the GIL
    held: float = 0.0  # times, of those, that it had to wait until it was given it
    here: float = SEND / 2  # seconds an item that sending takes in the kernel, both ways
    there: float = SEND / 2  # and in a worker
    gil: bool = True  # whether this Python has one
    grown: int = 0  # bytes by which the kernel grew while they ran; 0 where that isn't known


FIRST = Choice("serial", 1, "timing the first items")  # where a run begins


class _Sample(NamedTuple):
    """The items that a choice is made by."""

    items: int
    wall: float
    busy: float
    slow: bool  # whether one of them still runs

    @property
    def each(self) -> float:
        return self.wall / self.items

    @property
    def used(self) -> float:
        """The share of the time that they were on a core."""
        return min(self.busy / self.wall, 1.0)


def most_workers(workers: int | None, depth: int) -> int:
    """Give how many items may run at once wherever a run's items go, `workers` if it is given.

    Examples
    --------
    >>> most_workers(3, 0), most_workers(None, 0) > 0
    (3, True)
    """
    return workers or machine.default_workers(min(32, machine.cores() + 4), depth)


def choose(seen: Evidence, workers: int | None, depth: int) -> Choice | None:
    """Give where the rest should run, or None to see more first."""
    sample = _sample(seen)
    if sample is None:
        return None
    what, used = words(sample.each, sample.used, sample.slow), sample.used
    if GAIN * sample.each < SEND:
        return Choice("serial", 1, f"{what}: sending one would take as long")
    held = _held(seen, used)
    if held is None and used >= WAITS and sample.wall < UNPROBED:
        return None  # whether it frees the GIL decides
    few = workers or machine.default_workers(machine.cores(), depth)
    many = most_workers(workers, depth)
    if used >= WAITS and few == 1:
        return Choice("serial", 1, f"{what} and there is one core to use")
    return _fastest(seen, sample, held, few, few if used >= COMPUTES else many)


def choose_named(seen: Evidence, backend: str, workers: int, remote: bool) -> Choice | None:
    """Give whether the rest should go to the backend that was asked for; None to see more first.

    Parameters
    ----------
    seen : Evidence
        What was seen of items in the kernel.
    backend : str
        Its name.
    workers : int
        How many items it runs at once.
    remote : bool
        Whether items are sent to other processes.

    Returns
    -------
    Choice or None
        That backend, or "serial" where the kernel alone is as fast.

    Examples
    --------
    >>> seen = Evidence(items=1000, wall=0.02, busy=0.02, left=500, warm=True)
    >>> choose_named(seen, "processes", 2, True).reason
    'items take 20 µs of CPU, 10 ms in all: workers would not pay'
    """
    sample = _sample(seen)
    if sample is None:
        return None
    what = words(sample.each, sample.used, sample.slow)
    left = ENDLESS if seen.left is None else seen.left
    count = max(1, min(workers, left))
    if remote:
        took = _on_processes(seen, sample, left, count)
    else:
        held = _held(seen, sample.used)
        if held is None and sample.used >= WAITS and sample.wall < UNPROBED:
            return None
        took = _on_threads(sample, held, left, count)
    if took > GAIN * sample.each * left:
        return Choice("serial", 1, _stays(seen, what, sample.each, left, sample.used < WAITS))
    return Choice(backend, workers, what)


class Expected(NamedTuple):
    """What the rest of a run would take on a backend."""

    workers: int
    seconds: float


def expected(seen: Evidence, workers: int | None, depth: int) -> dict[str, Expected]:
    """Give what the rest would take on each backend; nothing where not enough was seen.

    Examples
    --------
    >>> seen = Evidence(items=1000, wall=10.0, busy=10.0, left=500, warm=True)
    >>> round(expected(seen, 2, 0)["serial"].seconds, 3)
    5.0
    """
    sample = _sample(seen)
    if sample is None:
        return {}
    left = ENDLESS if seen.left is None else seen.left
    few = workers or machine.default_workers(machine.cores(), depth)
    many = few if sample.used >= COMPUTES else most_workers(workers, depth)
    few, many = max(1, min(few, left)), max(1, min(many, left))
    on_threads = _on_threads(sample, _held(seen, sample.used), left, many)
    return {
        "serial": Expected(1, sample.each * left),
        "threads": Expected(many, on_threads),
        "processes": Expected(few, _on_processes(seen, sample, left, few)),
    }


def _fastest(
    seen: Evidence, sample: _Sample, held: float | None, few: int, many: int
) -> Choice | None:
    """Choose by the seconds that the rest takes: here, on `few` processes, on `many` threads."""
    what, used = words(sample.each, sample.used, sample.slow), sample.used
    left = ENDLESS if seen.left is None else seen.left
    few, many = max(1, min(few, left)), max(1, min(many, left))
    on_threads = _on_threads(sample, held, left, many)
    on_processes = _on_processes(seen, sample, left, few)
    if min(on_threads, on_processes) > GAIN * sample.each * left:
        return Choice("serial", 1, _stays(seen, what, sample.each, left, used < WAITS))
    if on_threads <= NEAR * on_processes:
        return Choice("threads", many, _frees(seen, what) if used >= COMPUTES else what)
    if not seen.items and not seen.valued and seen.running_wall < UNSEEN:
        return None
    return Choice("processes", few, what)


def _sample(seen: Evidence) -> _Sample | None:
    """Give what was seen of items, where that tells enough; one that is slow before it ends."""
    if seen.running_wall > max(SLOW, LATE * seen.expected):
        wall, busy = seen.wall + seen.running_wall, seen.busy + seen.running_busy
        return _Sample(seen.items + 1, wall, busy, True)
    if not seen.items or seen.wall < ENOUGH or (seen.items < FEW and seen.wall < SLOW):
        return None
    return _Sample(seen.items, seen.wall, seen.busy, False)


def _on_threads(sample: _Sample, held: float | None, left: int, count: int) -> float:
    """Estimate the seconds that `left` items take on `count` threads."""
    used = sample.used
    share = max(used if held is None else held, used / machine.cores(), 1 / count)
    in_turn = used >= WAITS and held is not None and held > WAITS
    return sample.each * left * share * (GAIN / TURNS if in_turn else 1.0)


def _on_processes(seen: Evidence, sample: _Sample, left: int, count: int) -> float:
    """Estimate the seconds that `left` items take on `count` processes."""
    computing = (sample.each + seen.here + seen.there) * left / count
    return (WARM if seen.warm else START) + max(seen.here * left, computing)


def fit_memory(choice: Choice, grown: int, free: int) -> Choice:
    """Give the same with no more workers than there is memory for, each as large as an item."""
    each = grown + (WORKER if choice.backend == "processes" else 0)
    count = int(ROOM * free / each) if each else choice.workers
    if count >= choice.workers:
        return choice
    if count < 2:
        return Choice("serial", 1, f"{choice.reason}, and there is memory for one at a time")
    return Choice(choice.backend, count, f"{choice.reason}, and there is memory for {count}")


def profile_of(seen: Evidence) -> Profile:
    """Give what was seen of items, as it is kept for the next run of their function."""
    items, wall, busy = seen.items, seen.wall, seen.busy
    if seen.running_wall > SLOW and not items:
        items, wall, busy = 1, seen.running_wall, seen.running_busy
    used = min(1.0, busy / wall)
    held = _held(seen, used)
    held = used if held is None else held
    return Profile(wall / items, used, held, seen.here, seen.there, memory=seen.grown / 1e9)


def evidence_of(known: Profile, left: int | None, warm: bool) -> Evidence:
    """Give the evidence that a fact of earlier runs stands for."""
    items = max(FEW, int(UNPROBED / max(known.each, 1e-9)) + 1)
    wall = items * known.each
    return Evidence(
        items,
        wall,
        wall * known.used,
        left=left,
        warm=warm,
        gil_probes=100,
        held=100 * known.held,
        here=known.here,
        there=known.there,
        gil=has_gil(),
        grown=known.grown,
    )


def worth_measuring(seen: Evidence) -> bool:
    """Whether what sending takes may decide: there is enough left to be worth a sample's."""
    each = seen.wall / seen.items if seen.items else seen.running_wall
    return GAIN * each > SEND and each * (ENDLESS if seen.left is None else seen.left) > ENOUGH


def words(each: float, used: float, slow: bool = False) -> str:
    what = f"items take {'over ' if slow else ''}{seconds(each)}"
    if used < WAITS:
        return f"{what} and wait {1 - used:.0%} of it"
    return f"{what} of CPU" if used >= COMPUTES else f"{what} and compute {used:.0%} of it"


def _held(seen: Evidence, used: float) -> float | None:
    """Give the share of the time in which the GIL is held; None where that isn't known."""
    if not seen.gil:
        return 0.0
    if seen.gil_probes < FEW:
        return None
    return min(used, seen.held / seen.gil_probes)


def _stays(seen: Evidence, what: str, each: float, left: int, waits: bool) -> str:
    """Say why the kernel is as good as any place."""
    sending = seen.here + seen.there
    if not waits and sending > each / 2 and sending > 10 * SEND:
        return f"{what}, and sending one would take {seconds(sending)}"
    return f"{what}, {seconds(each * left)} in all: workers would not pay"


def _frees(seen: Evidence, what: str) -> str:
    return f"{what} and free the GIL" if seen.gil else f"{what}, and this Python has no GIL"
