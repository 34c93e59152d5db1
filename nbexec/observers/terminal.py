"""Screen: the last lines of a terminal, where runs are drawn; other output goes above them."""

from __future__ import annotations

import atexit
import importlib.util
import os
import sys
import threading
import time
from typing import Any, TextIO

from ..system import after_fork
from ..telemetry.stats import Stats
from ..worker import streams
from .painter import LinePainter, Painter

PATIENCE = 0.3  # seconds without output, after which an unfinished line counts as ended: `print`
#                  writes its arguments piece by piece
LONGEST = 2.0  # seconds that a run waits for that at most: the line may never end


class Screen:
    """One terminal with any number of live runs, drawn together by one painter.

    Parameters
    ----------
    stream : file
        The terminal.
    rich : bool or None
        Whether rich draws; None uses it where it is installed.
    """

    def __init__(self, stream: TextIO, rich: bool | None = None) -> None:
        self.stream = stream
        self._rich = rich
        self._painter: Painter | None = None
        self._runs: dict[object, Stats] = {}
        self._lock = threading.RLock()
        self._open_line = False  # whether other output left the cursor in the middle of a line
        self._written = 0.0  # when the last output came: a slow terminal takes its time

    def draw(self, owner: object, stats: Stats) -> None:
        """Show a run as it stands."""
        with self._lock:
            if self._painter is None:
                self._painter = _painter(self.stream, self._rich)
            self._runs[owner] = stats
            if not self._open_line and not prompting():
                self._painter.paint(list(self._runs.values()))

    def leave(self, owner: object, text: str = "") -> None:
        """Remove a run; write some lines about it instead."""
        late = time.monotonic() + LONGEST
        while True:
            with self._lock:
                now = time.monotonic()
                ended = not (text and self._open_line)
                if ended or now - self._written > PATIENCE or now > late:
                    self._runs.pop(owner, None)
                    if text and self._open_line:
                        text = "\n" + text
                    self.write(self.stream, text)
                    return
            time.sleep(PATIENCE / 10)

    def write(self, stream: Any, text: str) -> None:
        """Write to a stream; if it is this terminal, above the drawing."""
        with self._lock:
            here = stream is self.stream or is_terminal(stream)
            if here:
                self.erase()
            stream.write(text)
            if here:
                stream.flush()
                self._open_line = not text.endswith(("\n", "\r")) if text else self._open_line
                self._written = time.monotonic()

    def erase(self) -> None:
        """Erase the drawing until the next one."""
        with self._lock:
            if self._painter is not None:
                self._painter.erase()


_screen: Screen | None = None  # of standard error, while something is shown there
_users = 0
_lock = threading.Lock()


def _forget() -> None:
    """Have a forked child draw nothing: the parent goes on to."""
    global _screen, _users, _lock
    if _screen is not None:
        after_fork.keep(_screen)
        atexit.unregister(_screen.erase)
    _screen, _users, _lock = None, 0, threading.Lock()


after_fork.add(_forget)


def enter(stream: TextIO) -> Screen:
    """Give the screen of this process's terminal, in use until `leave`."""
    global _screen, _users
    with _lock:
        if _screen is None:
            _screen = Screen(stream)
            streams.install()
            streams.give_way(_screen.write)
            atexit.register(_screen.erase)  # rich hides the cursor
        _users += 1
        return _screen


def leave() -> None:
    """Undo an `enter`."""
    global _screen, _users
    with _lock:
        _users -= 1
        if not _users and _screen is not None:
            atexit.unregister(_screen.erase)
            _screen = None
            streams.give_way(None)
            streams.remove()


def is_terminal(stream: Any) -> bool:
    """Whether a stream is a terminal that can be drawn in."""
    try:
        return bool(stream.isatty()) and os.environ.get("TERM") != "dumb"
    except (AttributeError, ValueError):  # not a file, or closed
        return False


def prompting() -> bool:
    """Whether IPython's prompt has the cursor."""
    ipython = sys.modules.get("IPython")
    shell: Any = ipython.get_ipython() if ipython is not None else None
    prompt = getattr(getattr(shell, "pt_app", None), "app", None)
    return bool(getattr(prompt, "is_running", False))


def _painter(stream: TextIO, rich: bool | None) -> Painter:
    if rich if rich is not None else importlib.util.find_spec("rich") is not None:
        from .rich import RichPainter

        return RichPainter(stream)
    return LinePainter(stream)
