"""Watching an executor: its numbers, its run, and its panel."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from .. import observers
from ..run.handle import Run
from ..telemetry.stats import Stats

if TYPE_CHECKING:
    from ..items.call_queue import CallQueue
    from ..observers.usage_on_demand import UsageOnDemand
    from ..options.call_options import CallOptions


class Watching:
    """What shows an executor; it has the executor's run, calls and usage."""

    _run: Run
    _calls: CallQueue
    _own: CallOptions | None
    _usage: UsageOnDemand

    @property
    def stats(self) -> Stats:
        """Its calls in numbers, so far; CPU and memory are measured when it is asked for.

        CPU is what was used since it was last asked for.  The first time that takes 0.1 s.

        Examples
        --------
        >>> import nbexec
        >>> with nbexec.Executor("threads", workers=2) as executor:
        ...     futures = [executor.submit(pow, 2, n) for n in range(3)]
        ...     [future.result() for future in futures]
        ...     stats = executor.stats
        [1, 2, 4]
        >>> stats.completed, stats.active, stats.queued, stats.failed
        (3, 0, 0, 0)
        >>> sum(worker.calls for worker in stats.by_worker.values())
        3
        """
        stats = replace(self._run.stats, rejected=getattr(self._calls, "rejected", 0))
        if stats.memory or stats.ended:  # it is sampled, or is over
            return stats
        sample = self._usage.read(self._run)
        return replace(
            stats,
            cores_now=sample.cores,
            memory=sample.memory,
            memory_limit=sample.memory_limit,
        )

    def __repr__(self) -> str:
        """Say where it is, how many calls run and wait, and whether it takes more.

        Examples
        --------
        >>> import nbexec
        >>> nbexec.Executor("threads", workers=2, name="downloads")
        <Executor 'downloads' on threads with 2 workers: 0 running, 0 queued; open>
        """
        run, stats = self._run, self._run.stats
        name = f" {run.options.name!r}" if run.options.name else ""
        at = run.choice.backend
        workers = "1 worker" if run.workers == 1 else f"{run.workers} workers"
        waiting = stats.queued + len(self._calls.waiting)
        calls = f"{stats.active} running, {waiting} queued"
        own = "" if self._own is None else f".options({self._own.said(run.options)})"
        kind = type(self).__name__
        return f"<{kind}{own}{name} on {at} with {workers}: {calls}; {self._state()}>"

    def _state(self) -> str:
        """Say in a word or two whether it takes calls."""
        if self._run.done:
            phase = self._run.stats.phase
            return "ended" if phase == "done" else phase
        if self._calls.broken:
            return "broken"
        return "shut down" if self._calls.closed else "open"

    @property
    def run(self) -> Run:
        """The run behind it."""
        return self._run

    def panel(self) -> None:
        """Show what it is doing: the live panel in a notebook, elsewhere a line of text.

        The panel is in the cell that runs now, until the executor is shut down; then its summary
        is.  Each cell may have one.

        Examples
        --------
        >>> import nbexec
        >>> with nbexec.Executor("threads", workers=2) as executor:
        ...     executor.panel()
        ...     executor.submit(abs, -3).result()
        3
        """
        observers.watch(self._run)
