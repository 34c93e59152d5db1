"""The panel of jobs: a line for each, with the time of its next run, and with buttons."""

from __future__ import annotations

import contextlib
import contextvars
import logging
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .. import kernel
from .job_rows import JobRow, Row, placeholder, summary

if TYPE_CHECKING:
    from ...executor.job import Job
    from ..panel.widget import Command

EVERY = 0.25  # seconds between two looks; the page counts down by itself
MOST = 5  # panels that are open; one more closes the oldest


class JobsPanel:
    """The panel of some jobs, in the cell that runs now."""

    def __init__(self, jobs: Sequence[Job[Any]]) -> None:
        from .jobs_widget import JobsWidget

        self._rows = [JobRow(job) for job in jobs]
        self._shown = self.rows()
        self._heard = 0
        self._closing = False
        self._replaced = kernel.replaces_displays()
        self._context = contextvars.copy_context()  # so that it is drawn in this cell
        self._widget = JobsWidget(self._snapshot(), self.command)
        kernel.listen(self._widget)
        view, metadata = self._widget.view()
        bundle = {**placeholder(self._shown), **view}
        self._handle = kernel.display_in(kernel.current_cell(), bundle, metadata)

    def rows(self) -> list[Row]:
        """Give the lines as they stand."""
        return [row.row() for row in self._rows]

    def _snapshot(self) -> dict[str, Any]:
        return {"rows": self._shown, "now": time.time(), "heard": self._heard}

    def command(self, name: str, given: Command) -> None:
        """Handle a click, in the thread that receives it."""
        self._heard += 1
        if name == "close":
            self._closing = True
        job = self._rows[given["at"]].job if 0 <= given.get("at", -1) < len(self._rows) else None
        if job is None:
            return
        if name == "cancel":
            job.cancel()
        elif name == "pause":
            job.pause()
        elif name == "resume":
            job.resume()
        elif name == "run":  # to submit may wait for room
            threading.Thread(target=run_now, args=(job,), name="nbexec-job", daemon=True).start()

    def draw(self) -> bool:
        """Show what has changed; give whether it goes on."""
        heard, rows = self._heard, self.rows()
        if rows != self._shown or heard != self._widget.snapshot["heard"]:
            self._shown = rows
            self._widget.snapshot = self._snapshot()
        return not self._closing and any(row["live"] for row in rows)

    def finish(self) -> None:
        """Leave a summary in its place."""
        self._shown = self.rows()
        self._handle.update(summary(self._shown), raw=True)
        self._widget.snapshot = self._snapshot()
        if self._replaced:
            self._widget.close()

    def turn(self) -> bool:
        """Draw, or finish where it is over; give whether it goes on."""
        return self._context.run(self._turn)

    def _turn(self) -> bool:
        try:
            if self.draw():
                return True
            self.finish()
        except Exception:
            logging.getLogger("nbexec").exception("a panel of jobs raised and was dropped")
        return False

    def close(self) -> None:
        """Have the drawing thread leave a summary in its place."""
        self._closing = True


def run_now(job: Job[Any]) -> None:
    """Begin a run out of turn, where the job still begins any."""
    with contextlib.suppress(Exception):  # the job has noted it
        job.run_now()


class Board:
    """Draws all panels that are open, from one thread that is there while there are any."""

    def __init__(self) -> None:
        self._panels: list[JobsPanel] = []
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def add(self, panel: JobsPanel) -> None:
        """Draw a panel until it is over."""
        with self._lock:
            self._panels.append(panel)
            for old in self._panels[:-MOST]:
                old.close()
            if self._thread is None:
                self._thread = threading.Thread(target=self._go, name="nbexec-jobs", daemon=True)
                self._thread.start()

    def _go(self) -> None:
        while True:
            time.sleep(EVERY)
            over = [panel for panel in list(self._panels) if not panel.turn()]
            with self._lock:
                self._panels = [panel for panel in self._panels if panel not in over]
                if not self._panels:
                    self._thread = None
                    return


board = Board()


def show(jobs: Sequence[Job[Any]]) -> None:
    """Show a panel of jobs in the cell that runs now, or a summary where all are done."""
    rows = [JobRow(job).row() for job in jobs]
    if not any(row["live"] for row in rows):
        kernel.display_in(kernel.current_cell(), summary(rows))
        return
    board.add(JobsPanel(jobs))
