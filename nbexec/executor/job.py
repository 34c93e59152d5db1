"""Job: the handle of what `Executor.schedule` began: watch it, steer it, wait for it."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import CancelledError
from datetime import datetime
from typing import Any, TypeVar

from ..observers import show_jobs
from ..telemetry import wording
from .future import CallFuture
from .job_runs import JobRuns

T = TypeVar("T")


class Job(JobRuns[T]):
    """A call that an executor makes later, or again and again.

    Made by `Executor.schedule`.  In a notebook it shows a line with the time of the next run,
    and with buttons to pause and to cancel it.

    Attributes
    ----------
    name : str
        What it is called.
    last : CallFuture or None
        The run that began last; None before the first.
    last_error : BaseException or None
        What the last run that failed raised, or why the job could not go on.
    done : bool
        Whether none of its runs goes on, and none will begin.

    Examples
    --------
    >>> import nbexec
    >>> with nbexec.Executor("threads") as executor:
    ...     job = executor.schedule(pow, 2, 10, every=0.01, times=3)
    ...     job.result(), job.runs, job.done
    (1024, 3, True)
    """

    __module__ = "nbexec"

    # ------------------------------------------------------------ to be watched

    @property
    def trigger(self) -> str:
        """When it runs, in words: "every 5 s"."""
        return str(self._schedule.timing)

    @property
    def next_time(self) -> datetime | None:
        """When the next run is due, in local time; None where none is, or while that is open."""
        with self._changed:
            due = self._schedule.next_time(self._timer.clock.read())
        return None if due is None else datetime.fromtimestamp(round(due, 3)).astimezone()

    @property
    def runs(self) -> int:
        """How many runs have begun."""
        return self._schedule.begun

    @property
    def failures(self) -> int:
        """How many runs failed."""
        return self._schedule.failures

    @property
    def missed(self) -> int:
        """How many times passed without a run of their own."""
        return self._schedule.missed

    @property
    def paused(self) -> bool:
        """Whether no run begins until `resume`."""
        return self._schedule.paused

    @property
    def done(self) -> bool:
        """Whether none of its runs goes on, and none will begin."""
        return self._done.is_set()

    @property
    def state(self) -> str:
        """One of "waiting", "running", "paused", "done", "failed" and "cancelled"."""
        if self.done:
            if self._cancelled or (self.last is not None and self.last.cancelled()):
                return "cancelled"
            return "failed" if self._stopped_by_error else "done"
        if self._schedule.running:
            return "running"
        return "paused" if self.paused else "waiting"

    @property
    def _stopped_by_error(self) -> bool:
        last = self.last
        if last is None or self._schedule.stopping:
            return self.last_error is not None
        return last.done() and not last.cancelled() and last.exception() is not None

    def __repr__(self) -> str:
        said = [self.state]
        if not self.done and (due := self.next_time) is not None:
            said.append(f"next at {due:%Y-%m-%d %H:%M:%S}")
        for count, what in ((self.runs, "run"), (self.failures, "failure")):
            if count:
                said.append(f"{count:,} {what}{'s' * (count > 1)}")
        if self.missed:
            said.append(f"{self.missed:,} missed")
        if self.last_error is not None:
            error = self.last_error
            said.append(f"last error {type(error).__name__}: {wording.message(error)}")
        return f"<Job {self.name!r} {self.trigger}: {', '.join(said)}>"

    def _ipython_display_(self) -> None:
        """Show its line, in a notebook."""
        if not show_jobs([self]):
            raise NotImplementedError  # IPython shows the repr

    # ------------------------------------------------------------ to be waited for

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is done, at most `timeout` seconds; give whether it is."""
        return self._done.wait(timeout)

    def result(self, timeout: float | None = None) -> T:
        """Wait until it is done, and give what its last run gave.

        Parameters
        ----------
        timeout : float or None
            Seconds to wait at most; None waits for as long as it takes.

        Raises
        ------
        TimeoutError
            It is not done.
        concurrent.futures.CancelledError
            It was cancelled, or had no run.
        Exception
            What its last run raised, or why the job could not go on.
        """
        if not self.wait(timeout):
            raise TimeoutError(f"the job {self.name} is not done after {timeout} s")
        last = self.last
        if self._cancelled:
            raise CancelledError(f"the job {self.name} was cancelled")
        if self._schedule.stopping and self.last_error is not None:
            raise self.last_error
        if last is None:
            if self.last_error is not None:
                raise self.last_error
            raise CancelledError(f"the job {self.name} had no run")
        return last.result()

    # ------------------------------------------------------------ to be steered

    def cancel(self) -> bool:
        """Begin no further run; give whether that changes anything.

        A run that goes on does so to its end, and the job is done then; one that waits for a
        worker is cancelled.
        """
        more = self.close()
        with self._changed:
            going = list(self._going)
        stopped = [future for future in going if future.cancel()]
        return more or bool(stopped)

    def pause(self) -> None:
        """Begin no run until `resume`; one that goes on does so to its end."""
        with self._changed:
            self._schedule.paused = True

    def resume(self) -> None:
        """Go on after `pause`; what was due meanwhile is treated as `missed` says."""
        with self._changed:
            self._schedule.paused = False
        self._timer.wake(self)

    def run_now(self) -> CallFuture[T]:
        """Begin a run now, out of turn, also while the job is paused.

        It counts as a run.  A job that runs once has had its run then; with ``after_each`` the
        next comes after its end.

        Returns
        -------
        CallFuture
            Of that run, or of the one that goes on, unless they may overlap.

        Raises
        ------
        RuntimeError
            No run begins any more.
        """
        schedule = self._schedule
        with self._changed:
            if schedule.policy.overlap != "allow":
                self._changed.wait_for(lambda: self._going or not schedule.running)
            if self.done or schedule.stopping or schedule.spent:
                raise RuntimeError(f"the job {self.name} begins no further run")
            if self._going and schedule.policy.overlap != "allow":
                return self.last  # type: ignore[return-value]  # it goes on
            schedule.force()
        return self._begin()


class Jobs(list[Job[Any]]):
    """Jobs; in a notebook a panel with a line for each."""

    def __init__(self, jobs: Iterable[Job[Any]] = ()) -> None:
        super().__init__(jobs)

    def _ipython_display_(self) -> None:
        """Show their lines, in a notebook."""
        if not self or not show_jobs(self):
            raise NotImplementedError  # IPython shows the repr
