"""DelayedDisplay: what shows a run only once it has lasted."""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable
from typing import Any

from ...telemetry.events import Event, RunEnded
from ...telemetry.observer import Observer
from ...telemetry.state import RunState

PATIENCE = 0.3  # seconds: a step that ends before that needs no display, the report is enough


class DelayedDisplay(Observer):
    """Shows a run only once it has lasted: a cell may have many short steps.

    Parameters
    ----------
    displays : list of Observer
        The observers that show it then.
    clock : callable
        Gives seconds.
    """

    def __init__(
        self, displays: list[Observer], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._displays = displays
        self._clock = clock
        self._missed: list[tuple[Event, RunState]] | None = []
        self._lock = threading.RLock()

    def attach(self, run: Any) -> None:
        """Keep the run, and the context of the cell that it is started in."""
        self._run = run
        self._cell = contextvars.copy_context()
        self._began = self._clock()

    def observe(self, event: Event, state: RunState) -> None:
        """Pass the event on, or buffer it until the run has lasted."""
        with self._lock:
            if self._missed is None:
                self._tell(event, state)
                return
            self._missed.append((event, state))
            if isinstance(event, RunEnded) and (state.failed or self._lasted()):
                self._open()

    def idle(self) -> None:
        """Open the displays once the run has lasted; called in the thread that the run blocks."""
        with self._lock:
            if self._missed is not None and self._lasted():
                self._open()
        if self._missed is None:
            for display in self._displays:
                display.idle()

    def _lasted(self) -> bool:
        return self._clock() - self._began >= PATIENCE

    def _open(self) -> None:
        missed, self._missed = self._missed or [], None
        for display in self._displays:
            self._cell.copy().run(display.attach, self._run)
        for event, state in missed:
            self._tell(event, state)

    def _tell(self, event: Event, state: RunState) -> None:
        for display in self._displays:
            display.observe(event, state)
