"""RunFacts: what can be asked of a run, while it goes on and after."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..model import Choice, Task
from ..options.record import Options
from ..records.failure_list import Failures
from ..system import machine
from ..telemetry.advice import advise
from ..telemetry.bars import Bars
from ..telemetry.output import Outputs
from ..telemetry.stats import Stats
from .loop import Loop

if TYPE_CHECKING:
    from pathlib import Path

    from ..journal.journal import Journal


class RunFacts:
    """Facts about a run, read from its loop in any thread."""

    task: Task
    options: Options
    _loop: Loop
    _journal: Journal | None

    @property
    def name(self) -> str:
        """What the run is called."""
        return self.options.name or self.task.name

    @property
    def journal(self) -> Path | None:
        """Where its journal is; None without one."""
        return None if self._journal is None else self._journal.path

    @property
    def total(self) -> int | None:
        """How many items there are in all; None while that isn't known."""
        return self._loop.feed.total

    @property
    def stats(self) -> Stats:
        """The run in numbers, as it stands."""
        return self._loop.stats()

    @property
    def failures(self) -> Failures:
        """Items that failed for good so far, in the order in which they did.

        The first 10,000 are kept; ``stats.failed`` counts all, and a list of results has all.
        """
        return Failures(self._loop.context.failures)

    @property
    def output(self) -> Outputs:
        """What the items wrote so far: a mapping from an item's index to its text."""
        return self._loop.context.output

    def timeline(self) -> Bars:
        """Give which worker was busy when, so far: a sequence of `Bar`, at most 2,000 of them."""
        return self._loop.publisher.timeline()

    @property
    def advice(self) -> str:
        """One line on what would make such a run better; "" where nothing is worth acting on."""
        auto, longest = self.options.backend == "auto", self._loop.publisher.longest
        return advise(self.stats, longest, auto=auto, cores=machine.cores())

    @property
    def choice(self) -> Choice:
        """Backend, workers and the reason, in words."""
        return self._loop.choice
