"""StepCalls: an executor of some steps, and what is ready for it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from .. import observers
from ..executor.calls_executor import CallsExecutor
from ..model import Task
from ..options.record import Options
from ..telemetry.events import Event, Finished
from ..telemetry.observer import Observer
from ..telemetry.state import RunState
from .graph_rows import Row
from .nodes import Node
from .step_counts import StepCounts
from .step_values import batch_of, values_of

AHEAD = 2  # calls at an executor for each of its workers, at least: one runs, one waits
AHEAD_SECONDS = 0.1  # of work for each worker: brief calls travel together; 0.02 left workers idle
#                      where other processes take turns (1,000 steps of 1 ms: 1.5 s, with 0.1 1.0 s)
MOST = 400  # calls at an executor: what they take and give is in memory
LOOK = 0.01  # seconds between two looks how long calls take


class StepWatcher(Observer):
    """Adds up the seconds that workers were at each step.

    It has no other events than the executor's run gives: one stream.
    """

    def __init__(self) -> None:
        self.counts: dict[Any, StepCounts] = {}  # by the function
        self.calls, self.seconds = 0, 0.0  # of all of them

    def observe(self, event: Event, state: RunState) -> None:
        if isinstance(event, Finished):
            before = 0.0
            for call, end in zip(event.chunk.items, event.outcome.ends, strict=False):
                self._of(call).seconds += end - before
                before = end
            self.calls += len(event.chunk)
            self.seconds += before

    def _of(self, call: Any) -> StepCounts:
        fn = call[0]
        found = self.counts.get(id(fn))
        return found if found is not None else self.counts[id(fn.__wrapped__)]


class StepExecutor(CallsExecutor):
    """The executor of some steps, which tells a watcher of its calls."""

    def __init__(self, options: Mapping[str, Any], watcher: StepWatcher) -> None:
        self._watcher = watcher
        super().__init__(**options)

    def _watchers(self, options: Options, task: Task) -> list[Observer]:  # type: ignore[override]
        return [*observers.watchers(options, task), self._watcher]


class StepCalls:
    """An executor, and the calls that wait for it, those of the first rows first.

    Parameters
    ----------
    options : dict
        Of the executor.
    alone : bool
        Whether it is for one step.

    Attributes
    ----------
    ready : list
        A heap of what is ready: priority, row, and rank of the step.
    at : int
        How many are at the executor.
    together : int
        How many rows a call may be about, at most: more than one for batched functions.
    """

    def __init__(self, options: dict[str, Any], alone: bool = False) -> None:
        self.options, self.alone = options, alone
        self.watcher = StepWatcher()
        self.executor = StepExecutor(options, self.watcher)
        self.ready: list[tuple[int, int, int, Row]] = []
        self.at = 0
        self.together = 1
        self._functions: dict[Node, Any] = {}
        self._batches: dict[Node, Any] = {}
        self._most, self._look = 0, 0.0

    def add(self, step: Node, counts: StepCounts) -> None:
        """Have a step be one of those that run here."""
        fn = self._functions[step] = values_of(step.fn)
        self.watcher.counts[id(fn)] = counts
        batch = batch_of(step.fn)
        if batch is not None and len(step.inputs) == 1:
            self._batches[step] = batch
            self.watcher.counts[id(batch)] = counts
            self.together = max(self.together, step.fn.max_size)  # type: ignore[attr-defined]

    def size(self, step: Node) -> int:
        """Give how many rows a call of a step may be about now, so that all workers have some."""
        if step not in self._batches:
            return 1
        share = -(-(len(self.ready) + 1) // self.executor._max_workers)
        return min(share, step.fn.max_size)  # type: ignore[attr-defined,no-any-return]

    def submit(self, step: Node, given: Sequence[Mapping[str, Any]]) -> Any:
        """Have a worker call a step, for one row or for several together; give the future."""
        self.at += 1
        if step in self._batches:  # an item that isn't there has the default, also among others
            given = [{**step.default_arguments, **one} for one in given]
        if len(given) == 1:
            return self.executor.submit(self._functions[step], **given[0])
        items = [value for one in given for value in one.values()]
        return self.executor.submit(self._batches[step], items)

    @property
    def most(self) -> int:
        """How many may be at the executor."""
        now = time.monotonic()
        if now >= self._look:
            self._look = now + LOOK
            workers = self.executor._max_workers
            each = self.watcher.seconds / max(1, self.watcher.calls)
            brief = workers * AHEAD_SECONDS / each if each else 0
            if self._batches:  # what waits here meanwhile goes together
                brief = 0
            self._most = max(AHEAD * workers, int(min(MOST, brief)))
        return self._most

    def close(self, ended: bool) -> None:
        """End the executor: what is left of its calls is not wanted unless all have `ended`."""
        if not ended:
            self.executor.run.cancel()
        self.executor.shutdown(wait=ended, cancel_futures=not ended)
