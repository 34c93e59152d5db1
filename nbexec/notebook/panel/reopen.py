"""Reopened panels: ``nbexec.attach(id)``, or a `Run` as a cell's value."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

from ...observers.display import Display
from ...observers.usage import Usage, sample
from ...telemetry.events import Event
from ...telemetry.observer import Observer, WatchedRun
from ...telemetry.state import RunState
from ...telemetry.stats import Stats
from .. import kernel
from .panel import Panel
from .panel_record import record_of
from .snapshot import Snapshot

if TYPE_CHECKING:
    from .widget import Command

MOST = 5  # panels of runs that have ended; opening one more closes the oldest
LOOK = 0.3  # seconds between two looks at a run that has ended

_open: deque[Reopened] = deque()


class Reopened(Panel):
    """The panel of a run that goes on, or has ended: in one more cell.

    That of a run that goes on is as the first one.  That of one that has ended stays a
    widget, with its tabs and a button to retry what failed, until it is closed.
    """

    patience = 0.0

    def __init__(self) -> None:
        super().__init__(explicit=True)
        self._stays = False
        self._over = threading.Lock()

    def attach(self, run: WatchedRun) -> None:
        """Show it, in the cell that runs now."""
        self.take_place(run)
        self._stays = run.done
        if self._stays:
            self.record.look_back(run)
            _open.append(self)
            if len(_open) > MOST:
                _open.popleft().close()
        self.draw(run.stats)
        Display.attach(self, run)
        if not self._stays:
            run.watch(self)  # for `idle`
            run.add_done_callback(lambda _: self.close())

    def observe(self, event: Event, state: RunState) -> None:
        """Ignore events: the end comes by the run's callback, which can't be missed."""

    def close(self) -> None:
        """Leave the summary in its place."""
        with self._over:
            if self._stop.is_set():
                return
            self._stop.set()
        if self in _open:
            _open.remove(self)
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
        self.finish(self.run.stats)

    def snapshot(self, stats: Stats) -> Snapshot:
        """Give what is in view, with what can be done after the end."""
        shown = super().snapshot(stats)
        if self._stays and stats.ended:
            self.every = LOOK
            shown["closable"] = True
            if stats.failed + stats.cancelled and self.run.gives_list:
                shown["retry"] = "Retry failed"
        return shown

    def command(self, name: str, given: Command) -> None:
        """Handle a click."""
        if name == "close" and self._stays:
            # not here: it waits for the drawing thread, and this one receives clicks
            threading.Thread(target=self.close, name="nbexec-close", daemon=True).start()
        elif name == "retry" and self._stays and self.run.done:
            self._heard += 1
            again = self.run.again(watchers=watchers)
            self.record = record_of(again)
            self.run = again.start(background=True)
        else:
            super().command(name, given)


def watchers() -> list[Observer]:
    """Give the observers of a run that a click starts: it is shown here already."""
    return [Usage()]


def show(run: WatchedRun) -> bool:
    """Show a run's panel in the cell that runs now; give whether it wasn't there already."""
    if kernel.execution() in record_of(run).shown:
        return False
    sample(run)
    Reopened().attach(run)
    return True
