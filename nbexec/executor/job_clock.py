"""The timer: one thread for the jobs of all executors, while there are any."""

from __future__ import annotations

import contextlib
import heapq
import itertools
import logging
import threading
import time
import weakref
from typing import Protocol

from ..system import after_fork, at_exit, subinterpreter
from .timings import Moment

LONGEST = 3600.0  # seconds that the thread sleeps at a time: more may be more than a lock takes
SLACK = 64  # entries of the queue that may be out of date
ENDING = 5.0  # seconds that Python's end waits for the thread at most


class Timed(Protocol):
    """What the timer looks after."""

    def look(self, now: Moment) -> float | None:
        """Begin what is due; give the seconds until there is more, None until it is woken."""

    def close(self) -> bool:
        """Begin nothing more."""


class Clock:
    """What the time is, and how to wait."""

    def read(self) -> Moment:
        """Give what both clocks show."""
        return Moment(time.monotonic(), time.time())

    def wait(self, changed: threading.Condition, seconds: float | None) -> None:
        """Wait until something changes, or for some seconds."""
        changed.wait(LONGEST if seconds is None else min(seconds, LONGEST))


class Timer:
    """Looks at each job when it is due, in a thread that is there while there are jobs."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock = clock or Clock()
        self.jobs: dict[Timed, None] = {}  # those that are not over, in order
        self._due: dict[Timed, float] = {}  # when to look at them, on the monotonic clock
        self._queue: list[tuple[float, int, weakref.ref[Timed]]] = []  # some are no longer so
        self._count = itertools.count()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def add(self, job: Timed) -> None:
        """Look after a job until it is dropped."""
        with self._changed:
            self.jobs[job] = None
        self.wake(job)
        self.begin()

    def drop(self, job: Timed) -> None:
        """Forget a job, which is over."""
        with self._changed:
            self.jobs.pop(job, None)
            self._due.pop(job, None)
            if len(self._queue) > 2 * len(self._due) + SLACK:
                entries = (
                    (due, next(self._count), weakref.ref(one)) for one, due in self._due.items()
                )
                self._queue = sorted(entries)
            self._changed.notify()

    def wake(self, job: Timed) -> None:
        """Look at a job at once."""
        with self._changed:
            if self._push(job, self.clock.read().monotonic):
                self._changed.notify()

    def _push(self, job: Timed, due: float) -> bool:
        """Have a job looked at, if that is earlier than was known; give whether it is."""
        if job not in self.jobs or due >= self._due.get(job, float("inf")):
            return False
        self._due[job] = due
        heapq.heappush(self._queue, (due, next(self._count), weakref.ref(job)))
        return True

    def _pop(self, now: float) -> Timed | None:
        """Give a job that is to be looked at now."""
        while self._queue:
            due, _, ref = self._queue[0]
            job = ref()
            if job is not None and self._due.get(job) == due:
                if due > now:
                    return None
                heapq.heappop(self._queue)
                del self._due[job]
                return job
            heapq.heappop(self._queue)
        return None

    def turn(self) -> float | None:
        """Look at all jobs that are due; give the seconds until there is more to do."""
        while True:
            now = self.clock.read()
            with self._changed:
                job = self._pop(now.monotonic)
                if job is None:
                    return self._queue[0][0] - now.monotonic if self._queue else None
            self._look(job, now)

    def _look(self, job: Timed, now: Moment) -> None:
        try:
            later = job.look(now)
        except Exception:  # the other jobs go on
            logging.getLogger("nbexec").exception("a job can't go on")
            self.drop(job)
            return
        if later is not None:
            with self._changed:
                self._push(job, now.monotonic + later)

    def begin(self) -> None:
        """Have the thread there."""
        with self._changed:
            if self._thread is not None:
                return
            self._thread = threading.Thread(target=self._go, name="nbexec-timer")
            self._thread.daemon = subinterpreter.daemons()
            self._thread.start()
        at_exit.add(_end)

    def _go(self) -> None:
        while True:
            self.turn()
            with self._changed:
                if not self.jobs:
                    self._queue.clear()
                    self._thread = None
                    return
                now = self.clock.read().monotonic
                left = self._queue[0][0] - now if self._queue else None
                if left is None or left > 0:
                    self.clock.wait(self._changed, left)

    def end(self) -> None:
        """Close all jobs, and wait for the thread."""
        for job in list(self.jobs):
            job.close()
        with contextlib.suppress(AttributeError, RuntimeError):  # gone, or this very one
            self._thread.join(ENDING)  # type: ignore[union-attr]


timer = Timer()


def _end() -> None:
    """Have nothing begin at Python's end."""
    timer.end()


def _forked() -> None:
    global timer
    after_fork.keep(timer)
    timer = Timer()


after_fork.add(_forked)
