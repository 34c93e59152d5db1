"""The runs of a job: they begin when the timer says so, and their ends are taken in."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Future
from typing import Generic, TypeVar

from ..errors import BackendError, RunCancelled
from ..items.awaiting_calls import when_done
from ..system import after_fork, subinterpreter
from ..telemetry import wording
from .future import CallFuture
from .job_clock import Timer
from .schedule import Schedule
from .timings import Moment

T = TypeVar("T")


class JobRuns(Generic[T]):
    """Begins runs of one job and counts their ends: what the timer sees of it.

    Parameters
    ----------
    name : str
        What the job is called.
    submit : callable
        Has the executor make the call; it holds the executor until the job is over.
    schedule : Schedule
        Decides which runs begin.
    timer : Timer
        Is told when there may be one to begin.
    queue : object
        That of the executor, by which its jobs are known.
    apart : bool
        Whether `submit` may wait, or run the call: then the timer's thread doesn't do it.
    """

    def __init__(
        self,
        name: str,
        submit: Callable[[], CallFuture[T]],
        schedule: Schedule,
        timer: Timer,
        queue: object = None,
        apart: bool = False,
    ) -> None:
        self.name = name
        self.last: CallFuture[T] | None = None
        self.last_error: BaseException | None = None
        self.queue = queue
        self._submit: Callable[[], CallFuture[T]] | None = submit
        self._schedule = schedule
        self._timer = timer
        self._apart = apart
        self._owed = 0  # runs that a thread of its own is to begin
        self._cancelled = False
        self._going: set[Future[T]] = set()
        self._changed = threading.Condition()  # never held while others' code runs
        self._done = threading.Event()
        after_fork.watch(self)

    def close(self) -> bool:
        """Begin no further run, and leave those that have begun; give whether there was one."""
        with self._changed:
            more = self._schedule.close()
            self._cancelled = self._cancelled or more
        self._timer.drop(self)
        self._conclude()
        return more

    def look(self, now: Moment) -> float | None:
        """Begin what is due; give the seconds until there is more, None until it is woken."""
        try:
            with self._changed:
                count = self._schedule.look(now)
        except Exception as error:  # a trigger is others' code
            self._stop(error)
            return None
        if self._apart and count:
            self._begin_apart(count)
        else:
            for _ in range(count):
                self._try_to_begin()
        self._conclude()
        with self._changed:
            return self._schedule.wake(now)

    def _begin_apart(self, count: int) -> None:
        """Begin runs in a thread of the job's own: an executor that is full may have it wait."""
        with self._changed:
            self._owed += count
            if self._owed > count:
                return
        thread = threading.Thread(target=self._begin_owed, name="nbexec-job")
        thread.daemon = subinterpreter.daemons()
        thread.start()

    def _begin_owed(self) -> None:
        while True:
            self._try_to_begin()
            with self._changed:
                self._owed -= 1
                if not self._owed:
                    return

    def _try_to_begin(self) -> None:
        try:
            self._begin()
        except Exception:  # the job has noted it
            pass

    def _begin(self) -> CallFuture[T]:
        """Have the executor make the call, which counts already; what it raises is noted."""
        submit = self._submit
        try:
            if submit is None:
                raise RuntimeError(f"the job {self.name} was cancelled")
            future = submit()
        except Exception as error:
            self._refused(error)
            raise
        with self._changed:
            self.last = future
            self._going.add(future)
            too_late = self._cancelled
            self._changed.notify_all()
        when_done(future, _AtEnd(self))
        if too_late:
            future.cancel()
        return future

    def _refused(self, error: Exception) -> None:
        """Take in that the executor took no call."""
        gone = type(error) in (RuntimeError, RunCancelled)  # it has ended: nothing is to be said
        ends = gone or isinstance(error, BrokenExecutor)
        with self._changed:
            self._schedule.refused(self._timer.clock.read(), missed=not ends)
            self._changed.notify_all()
        if ends:
            self._stop(None if gone else error)
            return
        self._note(error)  # it is full, say
        self._conclude()
        self._timer.wake(self)

    def ended(self, future: Future[T]) -> None:
        """Take in that a run has ended, in the thread that says so."""
        error = None if future.cancelled() else future.exception()
        if isinstance(error, RunCancelled):
            error = None
        if error is not None:
            self._note(error)
        with self._changed:
            self._going.discard(future)
            self._schedule.ended(self._timer.clock.read(), failed=error is not None)
            self._changed.notify_all()
        self._conclude()
        self._timer.wake(self)

    def _note(self, error: BaseException) -> None:
        """Keep an error; of a job that goes on, the first one is said, too."""
        first, self.last_error = self.last_error is None, error
        if first and not self._schedule.timing.once:
            logging.getLogger("nbexec").warning(
                "a run of the job %s failed (%s: %s); further ones are only counted",
                self.name,
                type(error).__name__,
                wording.message(error),
            )

    def _stop(self, error: BaseException | None) -> None:
        """Begin nothing more: it can't."""
        with self._changed:
            ends_it = error is None and not self._schedule.stopping
            self._cancelled = self._cancelled or ends_it
            self._schedule.stopping = True
            self.last_error = self.last_error if error is None else error
        self._conclude()

    def _conclude(self) -> None:
        """Let go of everything, where it is over."""
        with self._changed:
            if self._schedule.stopping or self._schedule.over:
                self._submit = None
            if not self._schedule.over:
                return
            self.queue = None
            self._done.set()
            self._changed.notify_all()
        self._timer.drop(self)

    def after_fork(self) -> None:
        """Be over: this is a forked child, and the runs are its parent's."""
        self._changed, done = threading.Condition(), self._done.is_set()
        self._done = threading.Event()
        self._done.set()
        if done:
            return
        self._submit = self.queue = self.last = None
        self._going.clear()
        self._schedule.stopping, self._schedule.running = True, 0
        self.last_error = BackendError(
            f"the job {self.name} goes on in process {os.getppid()}, which forked this one"
        )


class _AtEnd(Generic[T]):
    """Tells a job of the end of a run, and holds it no longer than that."""

    def __init__(self, job: JobRuns[T]) -> None:
        self.job: JobRuns[T] | None = job

    def __call__(self, future: Future[T]) -> None:
        job, self.job = self.job, None
        if job is not None:
            job.ended(future)
