"""Panel: shows a run in the notebook, live, and then the summary for the saved file."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ...observers.display import EVERY, Display
from ...telemetry.observer import WatchedRun
from ...telemetry.stats import Stats
from .. import kernel
from . import saved_html, tabs
from .panel_record import PanelRecord, record_of
from .snapshot import Snapshot, snapshot

if TYPE_CHECKING:
    from .widget import Command, PanelWidget

ANSWERED = 10  # snapshots, after which the page is asked to acknowledge one
SLOWEST = 2.0  # seconds between two snapshots, for a page that can't keep up


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

    record: PanelRecord

    def __init__(self, explicit: bool = True) -> None:
        super().__init__(explicit)
        self._heard = 0
        self._tab = ""
        self._chosen = False  # whether a person chose the tab, or that there is none
        self._folded = False
        self._made = 0.0  # when the tab's content was last made
        self._plots = Plots()
        self._pulse = Pulse()
        self._widget: PanelWidget | None = None
        self._handle: Any = None
        self._cell: Any = None
        self._replaced = True  # whether a summary can take the widget's place

    def attach(self, run: WatchedRun) -> None:
        """Take note of the run and of the cell, in the thread that starts it."""
        self.take_place(run)
        if run.background:
            # Not later: Voila shows what was displayed before the cell ended, and an Output
            # widget takes what is displayed inside its `with`.
            self._show(self.snapshot(replace(run.stats, name=run.name, total=run.total)))
        super().attach(run)

    def take_place(self, run: WatchedRun) -> None:
        """Take note of the run, and of the cell that will show it."""
        self.run, self._cell, self.record = run, kernel.current_cell(), record_of(run)
        self._replaced = kernel.replaces_displays()
        self.record.shown.add(kernel.execution())

    def idle(self) -> None:
        """Look for clicks, in the thread that the run blocks."""
        if self._widget is not None:
            kernel.pump_comms()

    def draw(self, stats: Stats) -> None:
        """Show the run as it stands, from the display's thread alone."""
        if stats.phase == "waiting":
            return
        if not self._chosen:
            self._tab = self._worth_opening(stats)
        self.every = self._pulse.every
        shown = self.snapshot(stats)
        if self._widget is None:
            self._show(shown)
        else:
            shown["number"] = self._pulse.next()
            self._widget.snapshot = shown
        self._fill(stats)

    def finish(self, stats: Stats) -> None:
        """Leave a summary in the place of the widget."""
        if self._handle is None and not (
            self.sums_up_brief or stats.failed or self.record.lines.count
        ):
            return
        while not self.record.groups.add(self.run.failures):
            pass
        kept = saved_html.keep(stats, self.record, self.run)
        bundle = saved_html.bundle(stats, kept)
        if self._handle is None:
            kernel.display_in(self._cell, bundle)
        else:
            self._handle.update(bundle, raw=True)
        if self._widget is not None:
            # A page that was reloaded can't replace it: it keeps this picture.
            self._widget.snapshot = self.snapshot(stats)
            if self._replaced:
                self._widget.close()
            self._widget = None

    def snapshot(self, stats: Stats) -> Snapshot:
        """Give what is always in view."""
        return snapshot(stats, self.record, self._heard, self._tab, self._folded, self.run.advice)

    def _worth_opening(self, stats: Stats) -> str:
        if stats.failed:
            return "failures"
        return "output" if self.record.lines.count or stats.items else ""

    def _show(self, shown: Snapshot) -> None:
        # Imported with the first run that lasts: IPython and ipywidgets take a while.
        from .widget import PanelWidget

        widget = PanelWidget(shown, self.command)
        kernel.listen(widget)
        bundle = saved_html.placeholder(shown)
        view, metadata = widget.view()
        self._handle = kernel.display_in(self._cell, {**bundle, **view}, metadata)
        self._widget = widget

    def _fill(self, stats: Stats) -> None:
        """Send what is in the open tab, where it is time for that."""
        widget, tab = self._widget, self._tab
        if widget is None or self._folded or not tab:
            return
        now = time.monotonic()
        if widget.detail.get("tab") != tab or now - self._made >= tabs.EVERY[tab]:
            self._made = now
            widget.detail = tabs.detail(tab, self.run, self.record, stats)
        self._plots.send(widget)

    def command(self, name: str, given: Command) -> None:
        """Handle a click, in the thread that receives it: it only posts messages."""
        if name == "drawn":
            self._pulse.drawn(given["number"])
            return
        self._heard += 1
        run: WatchedRun = self.run
        if name == "cancel":
            run.cancel()
        elif name == "pause":
            run.pause()
        elif name == "resume":
            run.resume()
        elif name == "workers":
            run.workers = max(1, given["count"])
        elif name == "tab":
            self._tab = given["tab"] if given["tab"] in tabs.EVERY else ""
            self._chosen = True
        elif name == "fold":
            self._folded = given["folded"]
        elif name == "plot" and given["tab"] in tabs.PLOTS:
            self._plots.ask(given["tab"], given["library"], run.workers)


class Plots:
    """Makes the figures that the page asks for, in a thread of their own: bokeh takes a second."""

    def __init__(self) -> None:
        self._ready: deque[tuple[dict[str, Any], list[bytes]]] = deque()

    def ask(self, tab: str, library: bool, workers: int) -> None:
        """Begin to make a figure, with BokehJS where the page has none."""
        threading.Thread(
            target=self._make, args=(tab, library, workers), name="nbexec-plot", daemon=True
        ).start()

    def _make(self, tab: str, library: bool, workers: int) -> None:
        from . import plots

        item = plots.figure(tab, workers)
        buffers = [plots.library()] if library else []
        self._ready.append(({"plot": tab, "item": item}, buffers))

    def send(self, widget: PanelWidget) -> None:
        """Send what is made, from the thread that writes the widget."""
        while self._ready:
            content, buffers = self._ready.popleft()
            widget.send(content, buffers)


class Pulse:
    """The time between snapshots: longer for a page that acknowledges them late.

    A page that never does can't be received from while the cell blocks: it is drawn as ever.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._number = 0
        self._asked: tuple[int, float] | None = None  # what is to be answered, and since when
        self._late = 0.0  # seconds that the last answer took
        self._heard = False

    def next(self) -> int:
        """Number a snapshot: 0, but for those that the page is to answer."""
        self._number += 1
        if self._asked is not None or self._number % ANSWERED:
            return 0
        self._asked = (self._number, self._clock())
        return self._number

    def drawn(self, number: int) -> None:
        """Take in that the page has drawn a snapshot."""
        if self._asked is not None and self._asked[0] == number:
            self._late = self._clock() - self._asked[1]
            self._asked, self._heard = None, True

    @property
    def every(self) -> float:
        """Seconds to the next snapshot."""
        late = self._late
        if self._asked is not None and self._heard:
            late = max(late, self._clock() - self._asked[1])
        return min(max(EVERY, late), SLOWEST)
