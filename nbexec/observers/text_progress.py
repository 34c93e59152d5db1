"""TextProgress: progress on standard error, redrawn in a terminal, line by line in a log."""

from __future__ import annotations

import sys
import threading
import weakref
from typing import TextIO

from ..telemetry import wording
from ..telemetry.events import Event, Output
from ..telemetry.observer import WatchedRun
from ..telemetry.state import RunState
from ..telemetry.stats import Stats
from ..worker import streams
from . import terminal
from .display import Display
from .echo import Echo
from .painter import clean

LOG_EVERY = 5.0  # seconds between two lines of a log
QUIET = 0.5  # seconds; shorter runs print nothing unless text was asked for by name


_shown: weakref.WeakSet[WatchedRun] = weakref.WeakSet()  # that have a line


class TextProgress(Display):
    """Progress on standard error."""

    patience = QUIET

    def __init__(self, explicit: bool = True, stream: TextIO | None = None) -> None:
        super().__init__(explicit)
        stream = stream or sys.stderr
        if isinstance(stream, streams.Router):
            stream = stream.original
        self._stream: TextIO = stream
        self._live = terminal.is_terminal(stream)
        self._screen: terminal.Screen | None = None
        self._drawn = False
        self._echo = Echo()
        if not self._live:
            self.every = LOG_EVERY

    def attach(self, run: WatchedRun) -> None:
        _shown.add(run)
        if self._live:
            self._screen = terminal.enter(self._stream)
        super().attach(run)

    def observe(self, event: Event, state: RunState) -> None:
        if isinstance(event, Output):
            self._echo.observe(event, state)
        super().observe(event, state)

    def draw(self, stats: Stats) -> None:
        self._drawn = True
        if self._screen is not None:
            self._screen.draw(self, stats)
        else:
            self._write(f"nbexec {clean(wording.summary(stats))}\n")

    def finish(self, stats: Stats) -> None:
        shown = self.explicit or self._drawn or stats.failed or stats.elapsed >= QUIET
        if terminal.prompting() and not self.explicit:
            shown = False  # somebody is typing there
        line = f"nbexec {clean(wording.summary(stats))}\n" if shown else ""
        if self._screen is not None:
            self._screen.leave(self, line)
            self._screen = None
            terminal.leave()
        elif line:
            self._write(line)

    def close(self, run: WatchedRun) -> None:
        """Sum up a run that has ended."""
        self._stop.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
        self.finish(run.stats)

    def _write(self, line: str) -> None:
        self._stream.write(line)
        self._stream.flush()


def follow(run: WatchedRun) -> None:
    """Show the line of a run that may have begun, if it has none yet; its output is echoed."""
    if run not in _shown:
        line = TextProgress()
        line.attach(run)
        run.add_done_callback(line.close)  # not by its events: the last one may be over
