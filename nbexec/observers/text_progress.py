"""TextProgress: progress on standard error, redrawn in a terminal, line by line in a log."""

from __future__ import annotations

import sys
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

    def _write(self, line: str) -> None:
        self._stream.write(line)
        self._stream.flush()
