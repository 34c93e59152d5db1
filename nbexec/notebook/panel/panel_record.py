"""PanelRecord: data of a run for its panels, besides its numbers, during the run and after.

A run has one, whatever the number of its panels: it receives every event from the first on,
though a panel may be opened late.
"""

from __future__ import annotations

import threading
import weakref

from ...cell.steps import cell_steps
from ...telemetry.events import Event, Output, Sampled
from ...telemetry.observer import Observer, WatchedRun
from ...telemetry.state import RunState
from .failure_groups import FailureGroups
from .output_tail import OutputTail
from .usage_history import Samples, UsageCurve

_records: weakref.WeakKeyDictionary[WatchedRun, PanelRecord] = weakref.WeakKeyDictionary()
_lock = threading.Lock()


class PanelRecord(Observer):
    """CPU and memory of a run, output of its items, and its failures in groups."""

    def __init__(self) -> None:
        self.curve = UsageCurve()
        self.samples = Samples()
        self.lines = OutputTail()
        self.groups = FailureGroups()
        self.steps = cell_steps.get()  # where a cell under the magic has the run
        self.shown: set[int] = set()  # the executions whose cell has a panel of it
        self.began: float | None = None  # on the clock of the events

    def observe(self, event: Event, state: RunState) -> None:
        """Record an event, in the run's thread."""
        if self.began is None:
            self.began = event.time
        if isinstance(event, Sampled):
            self.curve.add(event)
            self.samples.add(event)
        elif isinstance(event, Output) and not event.shown:
            self.lines.add(event)

    def look_back(self, run: WatchedRun) -> None:
        """Add what the run kept before this record was made."""
        while not self.groups.add(run.failures):
            pass
        if not self.lines.count:
            for index, text in run.output.items():
                self.lines.add(Output(0.0, index, index, "stdout", text))


def record_of(run: WatchedRun) -> PanelRecord:
    """Give the record of a run, from its beginning where that was asked for in time."""
    with _lock:
        found = _records.get(run)
        if found is None:
            found = _records[run] = PanelRecord()
            run.watch(found)
        return found
