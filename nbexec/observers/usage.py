"""Usage: CPU and memory of this process and all that it started, by psutil."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from ..system import machine
from ..telemetry.events import (
    Dropped,
    Event,
    Part,
    Retried,
    RunEnded,
    RunStarted,
    Sampled,
    Steered,
)
from ..telemetry.observer import Observer, WatchedRun
from ..telemetry.state import RunState

if TYPE_CHECKING:
    import psutil


EVERY = 0.5  # seconds
PATIENCE = 0.2  # seconds; a shorter run is not worth importing psutil for
PARTS = 64  # processes that are shown apart

# Finding new processes means listing every process of the machine: 2 ms where there are 100
# of them, against 0.1 ms for each that is read.
LOOK_EVERY = 4  # readings between two such listings, where no change is expected


_sampled: weakref.WeakSet[WatchedRun] = weakref.WeakSet()


def sample(run: WatchedRun) -> None:
    """Have a run that goes on sampled, if it isn't yet."""
    if run not in _sampled and not run.done:
        usage = Usage()
        usage.attach(run)
        run.watch(usage)


class Usage(Observer):
    """Posts a `Sampled` event to its run, twice a second."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._look = LOOK_EVERY  # how many more readings look for new processes
        self._always = False

    def attach(self, run: WatchedRun) -> None:
        _sampled.add(run)
        self._always = run.options.memory_limit is not None  # then all memory counts, at once
        threading.Thread(target=self._sample, args=(run,), name="nbexec-usage", daemon=True).start()

    def observe(self, event: Event, state: RunState) -> None:
        if isinstance(event, RunEnded):
            self._stop.set()
        elif isinstance(event, RunStarted | Steered | Retried | Dropped):  # workers may come and go
            self._look = LOOK_EVERY

    def _sample(self, run: WatchedRun) -> None:
        if self._stop.wait(PATIENCE):
            return
        meter = Meter()
        limit = machine.memory_limit()
        count, elsewhere = 0, None
        while not self._stop.wait(EVERY) and not run.done:
            look = self._always or self._look > 0 or not count % LOOK_EVERY
            self._look -= 1
            if not count % LOOK_EVERY:
                elsewhere = run.elsewhere()
            count += 1
            reading = meter.read(look)
            run.post(sampled(time.monotonic(), reading, limit, elsewhere))


class TreeUsage(NamedTuple):
    """CPU and memory of a process tree."""

    cores: float  # CPU seconds a second
    memory: int  # bytes that are resident
    parts: tuple[Part, ...]  # of each process; this one first


class Meter:
    """Reads CPU and memory that the process tree used since the last reading."""

    def __init__(self) -> None:
        import psutil

        self._root = psutil.Process()
        self._tree: list[psutil.Process] = [self._root]
        self._seen: dict[psutil.Process, float] = {}  # CPU seconds when last read
        self._looked = self._gone = False  # in the last reading: for new ones; whether one ended
        self._at = time.perf_counter()
        self.read()

    def read(self, look: bool = True) -> TreeUsage:
        """Read each process; `look` for new ones first, as after one has ended."""
        import psutil

        look = look or self._gone
        if look:
            self._tree = [self._root, *self._root.children(recursive=True)]
        found: list[tuple[psutil.Process, float, int]] = []
        seen = {}
        for process in self._tree:
            try:
                with process.oneshot():
                    times = process.cpu_times()
                    memory = process.memory_info().rss
            except psutil.Error:  # it ended meanwhile
                continue
            cpu = seen[process] = times.user + times.system
            # A new one started after the last reading, if that would have found it.
            before = self._seen.get(process, 0.0 if self._looked else cpu)
            found.append((process, cpu - before, memory))
        now = time.perf_counter()
        took = max(now - self._at, 1e-3)
        self._gone = len(found) < len(self._tree)
        self._tree = [process for process, *_ in found]
        self._seen, self._at, self._looked = seen, now, look
        parts = tuple(
            Part(self._name(process), max(0.0, used / took), memory)
            for process, used, memory in found
        )
        return TreeUsage(*_sums(parts), parts)

    def _name(self, process: psutil.Process) -> str:
        return "kernel" if process is self._root else f"worker {process.pid}"


def sampled(
    time: float, reading: TreeUsage, limit: int, elsewhere: Sequence[Part] | None = None
) -> Sampled:
    """Make the event of a reading; workers that are `elsewhere` replace those of the tree.

    Examples
    --------
    >>> parts = (Part("kernel", 0.5, 200), Part("worker 7", 0.5, 100))
    >>> sampled(1.0, TreeUsage(1.0, 300, parts), 1000).memory
    300
    >>> cluster = sampled(1.0, TreeUsage(1.0, 300, parts), 1000, [Part("worker a", 2.0, 50, 80)])
    >>> cluster.cores, cluster.memory, cluster.memory_limit, cluster.local
    (2.5, 250, 80, 300)
    """
    if elsewhere is None:
        return Sampled(time, reading.cores, reading.memory, limit, few(reading.parts))
    parts = (*reading.parts[:1], *elsewhere)
    limits = [part.limit for part in elsewhere]
    whole = sum(limits) if all(limits) else 0
    return Sampled(time, *_sums(parts), whole, few(parts), local=reading.memory)


def few(parts: Sequence[Part], most: int = PARTS) -> tuple[Part, ...]:
    """Give the parts with the most memory, and the rest as one.

    Examples
    --------
    >>> few([Part("a", 1.0, 10), Part("b", 0.5, 30), Part("c", 0.5, 20)], most=2)
    (Part(name='b', cores=0.5, memory=30, limit=0),
     Part(name='2 more', cores=1.5, memory=30, limit=0))
    """
    ordered = sorted(parts, key=lambda part: part.memory, reverse=True)
    if len(ordered) <= most:
        return tuple(ordered)
    rest = ordered[most - 1 :]
    return (*ordered[: most - 1], Part(f"{len(rest):,} more", *_sums(rest)))


def _sums(parts: Sequence[Part]) -> tuple[float, int]:
    return sum(part.cores for part in parts), sum(part.memory for part in parts)
