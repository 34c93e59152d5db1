"""RichPainter: runs drawn by rich's live display, where rich is installed."""

from __future__ import annotations

from typing import Any, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ..telemetry import wording
from ..telemetry.stats import Stats
from .painter import clean

STYLES = {"failed": "red", "state": "yellow", "note": "yellow", "left": "bold"}
BAR = 30  # columns
SMALL = 12  # columns of an item's own bar


class RichPainter:
    """Draws some lines for each run, with colours that words repeat."""

    def __init__(self, stream: TextIO) -> None:
        self._console = Console(file=stream)
        self._live: Live | None = None

    def paint(self, runs: list[Stats]) -> None:
        width = self._console.width
        shown = Group(*[block(run, width) for run in runs])
        if self._live is None:
            # The screen passes other output by, as it is.
            self._live = Live(
                shown,
                console=self._console,
                auto_refresh=False,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._live.start()
        self._live.update(shown, refresh=True)

    def erase(self) -> None:
        if self._live is not None:
            self._live.stop()  # one that is started again would take lines away with it
            self._live = None


def block(stats: Stats, width: int = 80) -> Any:
    """Draw a run: its bar and numbers, where it runs and why, and the progress of items."""
    lines = Table.grid()
    name = Text(clean(stats.name), "bold", no_wrap=True, overflow="ellipsis")
    name.truncate(max(8, width // 4), overflow="ellipsis")
    counts = wording.counts(stats)
    total = stats.total or None
    pulse = total is None and stats.phase != "paused"
    long = max(6, min(BAR, width // 4))
    head = Table.grid(padding=(0, 1))
    for least in (name.cell_len, long, len(counts)):
        head.add_column(no_wrap=True, min_width=least)
    head.add_column(no_wrap=True, overflow="ellipsis")
    head.add_row(
        name,
        ProgressBar(total, stats.finished, width=long, pulse=pulse, style="grey37"),
        counts,
        facts(stats),
    )
    lines.add_row(head)
    lines.add_row(Text(clean(wording.where(stats)), "dim", no_wrap=True, overflow="ellipsis"))
    if stats.items:
        lines.add_row(items(stats))
    return lines


def facts(stats: Stats) -> Text:
    """Give the facts besides the counts."""
    found = [Text(clean(words), STYLES.get(label, "")) for label, words in wording.labelled(stats)]
    return Text(" · ", "dim").join(found)


def items(stats: Stats) -> Table:
    """Draw the progress of items that report it with `nbexec.progress`."""
    rows = Table.grid(padding=(0, 1))
    for _ in range(3):
        rows.add_column(no_wrap=True, overflow="ellipsis")
    for one in stats.items:
        known = one.fraction is not None
        bar = ProgressBar(1.0, one.fraction or 0.0, width=SMALL, style="grey37") if known else ""
        share = f"{one.fraction:.0%} " if one.fraction is not None else ""
        rows.add_row(Text(f"  item {one.item:,}", "dim"), bar, share + clean(one.text))
    return rows
