"""AtOnce: has the number of items that run at once follow what pays, where they wait.

`Concurrency` decides; this asks it in time, and says what it must not go beyond: memory, open
files, and threads.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from dataclasses import replace

from ..model import Choice, Outcome, Task
from ..system import machine, open_files
from . import profiles
from .concurrency import Concurrency

BACKENDS = ("threads", "asyncio")  # where items may wait at the kernel's expense
THREADS, COROUTINES = 512, 1000  # at once at most: a thread takes 0.1 ms to make
STACK = 1 << 20  # bytes that a worker takes at least, by and large
ROOM = 0.5  # share of free memory, and of open files, that they may take
SPARE = 10  # files that the kernel opens now and then
NOISE = 0.002  # seconds that tell how many cores the kernel uses, at least
RECENT = 0.5  # at most


class AtOnce:
    """The number of workers of a run on threads or on an event loop.

    Parameters
    ----------
    choice : Choice
        Where items go, and how many at once to begin with.
    task : Task
        What runs; the number is remembered with its function.
    grown : int
        Bytes that an item takes; 0 where that isn't known.
    clock : callable
        The run's clock, in seconds.
    """

    def __init__(self, choice: Choice, task: Task, grown: int, clock: Callable[[], float]) -> None:
        self._choice = choice
        self._fn = task.fn
        self._most = COROUTINES if task.coroutine else THREADS
        self._clock = clock
        self._room = int(ROOM * machine.memory_free() / max(grown, STACK))
        self._files = open_files.count()
        self._ended = False  # whether an item has
        level, self._few = choice.workers, 0.0
        before = profiles.recall_level(self._fn, choice.backend)
        self._recalled = before is not None
        if before is not None:
            self._few = before.few
            level = int(before.level if before.few else max(level, before.level // 2))
        self._level = self._told = max(1, min(level, self._room, self._most))
        self._lacked = -math.inf  # when items last ran out of files or threads
        self._steps: Concurrency | None = None  # from when the first items were sent

    @property
    def choice(self) -> Choice:
        """Where items go, with how many at once, and why."""
        level, why = self._level, "as in an earlier run" if self._few else ""
        if self._steps is not None:
            level, why = self._steps.level, self._steps.why
        reason = self._choice.reason
        if why:  # the number is said before the reason
            reason = f"{reason}; {level} at once: {why}" if reason else why
        return replace(self._choice, workers=level, reason=reason)

    def learn(self, outcome: Outcome, now: float) -> None:
        """Take in items that ended."""
        steps = self._steps
        self._ended = True
        if not outcome.ends or steps is None:
            return
        begun = outcome.started - time.time() + now
        first = outcome.ends[0] if begun < steps.grew else 0.0
        steps.learn(len(outcome.values), outcome.ends[-1], outcome.cpu, first, begun)
        asked = [error.asked.lacking for error in outcome.errors.values() if error.asked]
        lacking = next(filter(None, asked), "")
        if lacking and begun >= self._lacked:  # several side by side are one reason
            self._lacked = now
            steps.halve(now, f"more ran out of {lacking}")

    def due(self) -> float:
        """When to look again; what asks for the first time has sent the first items."""
        if self._steps is None:
            now = self._since = self._clock()
            self._used = _used()
            self._steps = Concurrency(self._level, now, self._few)
        return self._steps.due()

    def look(self, busy: int, waiting: int | None) -> bool:
        """Give whether the number changed, with so many items that run, and others that wait."""
        assert self._steps is not None
        now, used = self._clock(), _used()
        cores = (used - self._used) / (now - self._since) if now - self._since > NOISE else 0.0
        most = min(self._most, self._room, self._for_files(busy))
        if waiting is not None:
            most = min(most, busy + waiting)
        self._steps.look(now, cores, busy, waiting != 0, max(1, most))
        changed, self._told = self._steps.level != self._told, self._steps.level
        if changed or now - self._since > RECENT:
            self._since, self._used = now, used
        return changed

    def _for_files(self, busy: int) -> int:
        """Give for how many workers there are files to open, if each has as many as those now."""
        count = open_files.count()
        each = (count - self._files) / max(1, busy)
        if not self._ended:  # one may yet open its file
            each = max(1.0, each)
        if each < 0.1:
            return sys.maxsize
        return busy + int(ROOM * max(0, open_files.most() - count - SPARE) / each)

    def fall_back(self, count: int) -> None:
        """Note that only so many workers could be made."""
        assert self._steps is not None
        self._steps.limit(count, self._clock())

    def end(self) -> None:
        """Remember the number for the next run of the function."""
        steps = self._steps
        if steps is None:
            return
        if steps.few or self._recalled or steps.level != self._choice.workers:
            level = profiles.Level(steps.level, steps.few)
            profiles.learn_level(self._fn, self._choice.backend, level)


def _used() -> float:
    """Give the CPU seconds of the kernel without those of this thread, which makes the workers."""
    return time.process_time() - time.thread_time()
