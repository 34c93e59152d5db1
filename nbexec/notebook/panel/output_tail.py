"""OutputTail: the last lines of output of a run's items, each with its item."""

from __future__ import annotations

from collections import deque
from typing import Any

from ...telemetry import wording
from ...telemetry.events import Output

KEPT = 200  # lines, for the panel
WIDTH = 300  # characters of a line


class OutputTail:
    """Keeps the last lines of output."""

    def __init__(self) -> None:
        self.count = 0
        self._rows: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self._begun: tuple[int, str] | None = None  # whose last line has no end yet

    def add(self, output: Output) -> None:
        """Add output of an item."""
        several = output.last > output.first
        label = f"{output.first:,}–{output.last:,}" if several else f"{output.first:,}"
        source = (output.first, output.stream)
        pieces = output.text.splitlines(keepends=True)
        for piece in pieces:
            line = piece.rstrip("\r\n")
            if self._begun == source:
                row = self._rows[-1]
                self._rows[-1] = {**row, "text": _cut(row["text"] + line)}
            else:
                self.count += 1
                self._rows.append(
                    {"item": f"item {label}", "stream": output.stream, "text": _cut(line)}
                )
            self._begun = None if piece.endswith(("\n", "\r")) else source

    def last(self, count: int = KEPT) -> list[dict[str, Any]]:
        """Give the last lines, at most `count`; from any thread."""
        return list(self._rows)[-count:]

    def above(self, shown: int) -> str:
        """Give in words how many lines came before the last `shown`; "" for none."""
        left = self.count - shown
        return f"{left:,} lines above these, in .output" if left > 0 else ""


def _cut(line: str) -> str:
    return line if len(line) <= WIDTH else line[: WIDTH - 1] + "…"


def progress_rows(stats: Any) -> list[dict[str, Any]]:
    """Give progress reported with `nbexec.progress`: item, text, and per cent or None."""
    return [
        {
            "item": f"item {item:,}",
            "text": wording.one_line(words, 80),
            "share": None if fraction is None else round(100 * fraction, 1),
        }
        for item, fraction, words in sorted(stats.items)
    ]
