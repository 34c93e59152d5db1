"""BarDisplay: updates a progress bar of the caller's, such as tqdm's."""

from __future__ import annotations

import functools
import sys
from typing import Any

from ..telemetry import wording
from ..telemetry.events import Event, Output, RunStarted
from ..telemetry.state import RunState
from ..telemetry.stats import Stats
from .display import Display


class BarDisplay(Display):
    """Updates a bar at most 10 times a second, from one thread.

    Parameters
    ----------
    bar : class or object
        With `update(count)` and `close()`.  A class (or a `functools.partial` of one) is
        called with `total` and `desc` when the run begins, and the bar that it makes is closed
        at the end.  An object belongs to the caller: it is closed only once it is full.
    """

    def __init__(self, bar: Any) -> None:
        super().__init__()
        self._make = bar if isinstance(bar, type | functools.partial) else None
        self._bar: Any = None if self._make is not None else bar
        self._shown = 0

    def observe(self, event: Event, state: RunState) -> None:
        if isinstance(event, RunStarted) and self._make is not None:
            self._bar = self._make(total=event.total, desc=wording.one_line(event.name))
        elif isinstance(event, Output) and not event.shown:
            self._write(event)
        super().observe(event, state)

    def draw(self, stats: Stats) -> None:
        if self._bar is None:
            return
        if stats.total is not None and getattr(self._bar, "total", 0) is None:
            self._bar.total = stats.total
        news = stats.finished - self._shown
        if not news:
            return
        self._shown = stats.finished
        if stats.failed and hasattr(self._bar, "set_postfix_str"):
            self._bar.set_postfix_str(f"{stats.failed:,} failed", refresh=False)
        # tqdm counts an update that comes soon after the last, but doesn't draw it.
        if not self._bar.update(news) and hasattr(self._bar, "refresh"):
            self._bar.refresh()

    def finish(self, stats: Stats) -> None:
        if self._bar is None:
            return
        self.draw(stats)
        total = getattr(self._bar, "total", None)
        if self._make is not None or (total is not None and getattr(self._bar, "n", 0) >= total):
            self._bar.close()

    def _write(self, output: Output) -> None:
        """Write an item's output, above the bar where the bar supports that."""
        stream = getattr(sys, output.stream)
        if hasattr(type(self._bar), "external_write_mode"):
            with type(self._bar).external_write_mode(file=stream):
                stream.write(output.text)
        elif stream is not None:
            stream.write(output.text)
            stream.flush()
