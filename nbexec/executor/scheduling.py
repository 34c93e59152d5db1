"""Calls that are made later, or again and again."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

from ..errors import OptionError
from ..items.call_queue import CallQueue
from ..options.checks import int_at_least
from . import job_clock
from .future import CallFuture
from .job import Job, Jobs
from .schedule import JobPolicy, Schedule
from .triggers import deadline_of, timing_of

T = TypeVar("T")

CHOICES = {
    "missed": ("once", "skip", "all"),
    "overlap": ("skip", "queue", "allow"),
    "on_error": ("go_on", "stop"),
}


class Scheduling:
    """What an executor does later; it has the executor's `submit`."""

    submit: Callable[..., CallFuture[Any]]
    _calls: CallQueue

    def schedule(
        self,
        fn: Callable[..., T],
        /,
        *args: Any,
        delay: Any = None,
        at: Any = None,
        every: Any = None,
        after_each: Any = None,
        cron: str | None = None,
        trigger: Any = None,
        timezone: Any = None,
        until: Any = None,
        times: int | None = None,
        missed: str = "once",
        overlap: str = "skip",
        on_error: str = "go_on",
        name: str | None = None,
    ) -> Job[T]:
        """Have ``fn(*args)`` called later, or again and again, and give its job.

        One of `delay`, `at`, `every`, `after_each`, `cron` and `trigger` says when.  Durations
        are seconds, a `timedelta`, or text such as "5 min"; dates are a `datetime`, or text such
        as "2027-01-31 09:00".

        Parameters
        ----------
        fn, *args
            What is called, by this executor as with `submit`; `functools.partial` gives it
            keyword arguments.
        delay : duration or None
            Once, after that; with `every` or `after_each`, when the first run is due.
        at : date or None
            Once, then.
        every : duration or None
            The first run at once, and then one each time this has passed, however long they take.
        after_each : duration or None
            The first run at once, and then one when this has passed since the end of the last.
        cron : str or None
            Five fields, as in a crontab: "0 9 * * mon-fri".
        trigger : object or None
            A trigger of APScheduler 3, such as ``CalendarIntervalTrigger(months=1)``.
        timezone : str, tzinfo or None
            That of `cron`, and of dates without one; None is the local one.
        until : date, duration or None
            No run is due after that, or later than that from now.
        times : int or None
            How many runs there are at most.
        missed : {"once", "skip", "all"}
            What is done about runs whose time passed while nothing could begin (the machine
            slept, or the job was paused): one for all of them, none, or each.
        overlap : {"skip", "queue", "allow"}
            What is done about a run that is due while the last one goes on, or waits for a
            worker: nothing, it waits for it, or it begins.
        on_error : {"go_on", "stop"}
            Whether there are further runs after one that failed.
        name : str or None
            What the job is called; None: as the function.

        Returns
        -------
        Job
            It keeps the executor until it is done, cancelled, or the executor is shut down.

        Raises
        ------
        OptionError
            What says when, or an option, can't be used.
        BackendError
            `cron` needs APScheduler, which is not installed.
        RuntimeError
            The executor was shut down.

        Examples
        --------
        >>> import nbexec
        >>> with nbexec.Executor("threads") as executor:
        ...     executor.schedule(pow, 2, 10, delay="10 ms").result()
        1024
        """
        if not callable(fn):
            raise TypeError(f"what is scheduled must be callable, not {fn!r}")
        if times is not None:
            int_at_least(1)("times", times)
        for option, given in (("missed", missed), ("overlap", overlap), ("on_error", on_error)):
            if given not in CHOICES[option]:
                choices = ", ".join(map(repr, CHOICES[option]))
                raise OptionError(f"{option} must be one of {choices}, not {given!r}")
        timer = job_clock.timer
        now = timer.clock.read()
        timing = timing_of(
            now,
            delay=delay,
            at=at,
            every=every,
            after_each=after_each,
            cron=cron,
            trigger=trigger,
            timezone=timezone,
        )
        policy = JobPolicy(missed, overlap, on_error, times, deadline_of(until, timezone, now))
        plan = Schedule(timing, policy, now)
        if plan.due is None:
            raise OptionError(f"until={until!r} comes before the first run: {timing}")
        if self._calls.closed:
            raise RuntimeError("cannot schedule new futures after shutdown")
        submit = functools.partial(self.submit, fn, *args)
        called = name or getattr(fn, "__qualname__", None) or type(fn).__name__
        # To submit may wait for room, or run the call, where the queue has a bound.
        apart = getattr(self._calls, "bound", None) is not None
        job: Job[T] = Job(called, submit, plan, timer, self._calls, apart)
        timer.add(job)
        return job

    @property
    def jobs(self) -> Jobs:
        """Its jobs that are not done, in the order in which they were made."""
        return Jobs(job for job in _all() if job.queue is self._calls)

    def _close_jobs(self) -> None:
        """Have no job begin anything more; calls that were submitted are not touched."""
        for job in self.jobs:
            job.close()


def _all() -> list[Job[Any]]:
    jobs = list(job_clock.timer.jobs)
    return [job for job in jobs if isinstance(job, Job) and not job.done]


def jobs() -> Jobs:
    """Give the jobs of all executors of this process that are not done.

    In a notebook a panel shows a line for each, with buttons to pause and to cancel it.

    Examples
    --------
    >>> import nbexec
    >>> with nbexec.Executor("threads") as executor:
    ...     job = executor.schedule(print, "later", delay="1 h", name="later")
    ...     [one.name for one in nbexec.jobs()]
    ['later']
    """
    return Jobs(_all())


jobs.__module__ = "nbexec"
