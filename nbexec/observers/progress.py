"""TextProgress: a line that is written over in a terminal, plain lines in a log."""

from __future__ import annotations

import shutil
import sys
import threading
from typing import TextIO

from .. import text
from ..events import Event, Output
from ..state import RunState, Stats
from .display import Display
from .echo import Echo

LOG_EVERY = 5.0  # seconds between two lines of a log
QUIET = 0.5  # seconds; shorter runs say nothing unless text was asked for by name
BAR = 20  # characters
CLEAR = "\r\x1b[K"  # empties the terminal's line


class TextProgress(Display):
    """Progress on standard error."""

    patience = QUIET

    def __init__(self, explicit: bool = True, stream: TextIO | None = None) -> None:
        super().__init__(explicit)
        self._stream = stream or sys.stderr
        self._live = self._stream.isatty()
        self._drawn = False
        self._echo = Echo()
        self._lock = threading.Lock()
        if not self._live:
            self.every = LOG_EVERY

    def observe(self, event: Event, state: RunState) -> None:
        if isinstance(event, Output):
            with self._lock:
                if self._live and self._drawn:  # what is written takes the line's place
                    self._stream.write(CLEAR)
                    self._stream.flush()
                self._echo.observe(event, state)
        super().observe(event, state)

    def draw(self, stats: Stats) -> None:
        self._drawn = True
        if not self._live:
            self._write(f"nbexec {text.summary(stats)}\n")
            return
        width = shutil.get_terminal_size().columns - 1
        self._write(CLEAR + f"{bar(stats)} {text.summary(stats)}"[:width])

    def finish(self, stats: Stats) -> None:
        if not (self.explicit or self._drawn or stats.failed or stats.elapsed >= QUIET):
            return
        start = CLEAR if self._live and self._drawn else ""
        self._write(f"{start}nbexec {text.summary(stats)}\n")

    def _write(self, line: str) -> None:
        with self._lock:
            self._stream.write(line)
            self._stream.flush()


def bar(stats: Stats) -> str:
    """Draw how much is done, in characters."""
    if not stats.total:
        return "[" + "·" * BAR + "]"
    full = min(BAR, BAR * stats.finished // stats.total)
    return "[" + "█" * full + "·" * (BAR - full) + "]"
