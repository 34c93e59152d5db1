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


class Watching:
    """What shows an executor; it has the executor's run, calls and usage."""

    _run: Run
    _calls: CallQueue
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
