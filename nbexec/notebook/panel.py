"""Panel: shows a run in the notebook, live, and then what stays in the saved file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..events import Event, Output, Sampled
from ..observers.display import Display
from ..state import RunState, Stats
from . import kernel, summary
from .lines import Lines
from .snapshot import SHOWN, Snapshot, Trail, failure_rows, snapshot

if TYPE_CHECKING:
    from ..run import Run
    from .widget import PanelWidget


class Panel(Display):
    """The panel of a run, in the cell that started it.

    While the run goes on it is a widget.  At the end the display is replaced by plain HTML
    and text, which need no kernel to be seen, and the widget is closed.  A run that is over
    before `patience` never has a widget.

    Parameters
    ----------
    explicit : bool
        Whether the panel was asked for by name.
    """

    patience = 0.15  # seconds: below that nobody reads, and a widget costs some milliseconds

    def __init__(self, explicit: bool = True) -> None:
        super().__init__(explicit)
        self._trail = Trail()
        self._lines = Lines()
        self._failures: list[Snapshot] = []
        self._counted = 0  # failures when they were last looked at
        self._heard = 0
        self._widget: PanelWidget | None = None
        self._handle: Any = None
        self._cell: Any = None

    def attach(self, run: Run) -> None:
        """Take note of the run and of the cell, in the thread that starts it."""
        self._cell = kernel.current_cell()
        super().attach(run)

    def observe(self, event: Event, state: RunState) -> None:
        """Take in an event, in the run's thread; the last one ends the display."""
        if isinstance(event, Sampled):
            self._trail.add(event)
        elif isinstance(event, Output) and not event.shown:
            self._lines.add(event)
        super().observe(event, state)

    def idle(self) -> None:
        """Look for clicks, in the thread that the run blocks."""
        if self._widget is not None:
            kernel.pump_comms()

    def draw(self, stats: Stats) -> None:
        """Show the run as it stands, from the display's thread alone."""
        if stats.phase == "waiting":
            return
        if stats.failed != self._counted and len(self._failures) < SHOWN:
            self._counted = stats.failed
            self._failures = failure_rows(self.run.failures)
        shown = snapshot(stats, self._trail, self._failures, self._heard, self._lines)
        if self._widget is None:
            self._show(shown)
        else:
            self._widget.snapshot = shown

    def finish(self, stats: Stats) -> None:
        """Leave a summary in the place of the widget."""
        rows = failure_rows(self.run.failures)
        shown = snapshot(stats, self._trail, rows, lines=self._lines)
        bundle = summary.bundle(stats, shown)
        if self._handle is None:
            kernel.display_in(self._cell, bundle)
        else:
            self._handle.update(bundle, raw=True)
        if self._widget is not None:
            self._widget.close()
            self._widget = None

    def _show(self, shown: Snapshot) -> None:
        # Imported with the first run that lasts: IPython and ipywidgets take a while.
        from .widget import PanelWidget

        widget = PanelWidget(shown, self._command)
        kernel.hear(widget)
        bundle = summary.placeholder(shown)
        bundle["application/vnd.jupyter.widget-view+json"] = {
            "version_major": 2,
            "version_minor": 0,
            "model_id": widget.model_id,
        }
        self._handle = kernel.display_in(self._cell, bundle)
        self._widget = widget

    def _command(self, name: str, by: int) -> None:
        """Steer the run, in whatever thread the click is heard: it only posts messages."""
        self._heard += 1
        run: Run = self.run
        if name == "cancel":
            run.cancel()
        elif name == "pause":
            run.pause()
        elif name == "resume":
            run.resume()
        else:
            run.workers = max(1, run.workers + by)
