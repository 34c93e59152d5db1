"""Display: base of observers that draw from a thread, at most 10 times a second."""

from __future__ import annotations

import contextvars
import logging
import threading

from ..telemetry.events import Event, RunEnded
from ..telemetry.observer import Observer, WatchedRun
from ..telemetry.state import RunState
from ..telemetry.stats import Stats

EVERY = 0.1  # seconds: nobody sees faster updates, and each costs a message


class Display(Observer):
    """Calls `draw` from one thread while the run goes on, and `finish` once, last."""

    every = EVERY
    patience = 0.0  # seconds before the first `draw`: a shorter run has only `finish`
    sums_up_brief = True  # whether a run that was never drawn, and has nothing to say, is shown

    run: WatchedRun

    def __init__(self, explicit: bool = True) -> None:
        self.explicit = explicit  # asked for by name, rather than by "auto"
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def attach(self, run: WatchedRun) -> None:
        self.run = run
        context = contextvars.copy_context()  # so that output lands in the cell that started it
        self._thread = threading.Thread(
            target=context.run, args=(self._tick,), name="nbexec-display", daemon=True
        )
        self._thread.start()

    def observe(self, event: Event, state: RunState) -> None:
        if isinstance(event, RunEnded):
            self._stop.set()
            if self._thread is not None:
                self._thread.join()
            self.finish(self.run.stats)

    def _tick(self) -> None:
        wait = max(self.patience, self.every)
        try:
            while not self._stop.wait(wait):
                wait = self.every
                self.draw(self.run.stats)
        except Exception:  # as with every observer: it ends, and breaks nothing
            logging.getLogger("nbexec").exception("a display raised and stopped moving")

    def draw(self, stats: Stats) -> None:
        """Show the run as it stands."""

    def finish(self, stats: Stats) -> None:
        """Show the run as it ended."""
