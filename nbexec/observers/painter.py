"""Painter: draws runs on the last lines of a terminal; LinePainter does so without rich."""

from __future__ import annotations

import os
import unicodedata
from typing import Protocol, TextIO

from ..telemetry import wording
from ..telemetry.stats import Stats

BAR = 20  # characters
CLEAR = "\r\x1b[K"  # empties the terminal's line


class Painter(Protocol):
    """Draws runs on the last lines of a terminal."""

    def paint(self, runs: list[Stats]) -> None:
        """Draw them, over the last drawing."""

    def erase(self) -> None:
        """Erase the drawing, and move the cursor back to where it was."""


class LinePainter:
    """Overwrites one line: the run that began last, and the number of others."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._drawn = False

    def paint(self, runs: list[Stats]) -> None:
        if not runs:
            return
        others = f" (+{len(runs) - 1} more)" if len(runs) > 1 else ""
        line = f"{bar(runs[-1])} {clean(wording.summary(runs[-1]))}"
        room = width(self._stream) - 1 - len(others)
        self._stream.write(CLEAR + cut(line, room) + others)
        self._stream.flush()
        self._drawn = True

    def erase(self) -> None:
        if self._drawn:
            self._stream.write(CLEAR)
            self._stream.flush()
            self._drawn = False


def width(stream: TextIO) -> int:
    """Give how many characters fit in a line of the terminal."""
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except (OSError, ValueError, AttributeError):
        return 80


def clean(words: str) -> str:
    """Replace characters that would move the cursor.

    Examples
    --------
    >>> clean("one\\n\\x1b[2Jtwo")
    'one  [2Jtwo'
    """
    return "".join(one if one.isprintable() else " " for one in words)


def cut(line: str, room: int) -> str:
    """Give as much of a line as fits in `room` columns: wide characters take two.

    Examples
    --------
    >>> cut("measure", 4), cut("測定する", 5)
    ('meas', '測定')
    """
    for at, one in enumerate(line):
        wide = 2 if unicodedata.east_asian_width(one) in "WF" else 1
        room -= 0 if unicodedata.combining(one) else wide
        if room < 0:
            return line[:at]
    return line


def bar(stats: Stats) -> str:
    """Draw how much is done, in characters."""
    if not stats.total:
        return "[" + "·" * BAR + "]"
    full = min(BAR, BAR * stats.finished // stats.total)
    return "[" + "█" * full + "·" * (BAR - full) + "]"
