"""What the line of a job says: as a row for the widget, as HTML and as text."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from ...telemetry import wording
from ..panel.saved_html import BOX, DIM

if TYPE_CHECKING:
    from ...executor.job import Job

Row = dict[str, Any]


class JobRow:
    """The line of one job; it looks at each result once."""

    def __init__(self, job: Job[Any]) -> None:
        self.job = job
        self._seen: object = None  # the run whose end is in the words
        self._words, self._bad = "", False

    def row(self) -> Row:
        """Give the line as it stands."""
        job = self.job
        self._look()
        due = job.next_time
        return {
            "name": job.name,
            "trigger": job.trigger,
            "state": job.state,
            "due": None if due is None else due.timestamp(),
            "at": "" if due is None else f"{due:%Y-%m-%d %H:%M:%S}",
            "counts": counts(job),
            "last": self._words,
            "bad": self._bad,
            "paused": job.paused,
            "live": not job.done,
        }

    def _look(self) -> None:
        last = self.job.last
        if last is not None and last is not self._seen and last.done() and not last.cancelled():
            self._seen = last
            error = last.exception()
            self._bad = error is not None
            if error is None:
                self._words = wording.safe_repr(last.result())
            else:
                self._words = f"{type(error).__name__}: {wording.message(error)}"
        elif last is None and self.job.last_error is not None:
            error, self._bad = self.job.last_error, True
            self._words = f"{type(error).__name__}: {wording.message(error)}"


def counts(job: Job[Any]) -> str:
    """Say how many runs there were: "3 runs · 1 failed"."""
    said = [f"{job.runs:,} run{'s' * (job.runs != 1)}"]
    said += [f"{job.failures:,} failed"] if job.failures else []
    said += [f"{job.missed:,} missed"] if job.missed else []
    return " · ".join(said)


def placeholder(rows: Sequence[Row]) -> dict[str, str]:
    """Give what stands for the panel where widgets can't be shown: the same each time."""
    names = ", ".join(f"{row['name']} {row['trigger']}" for row in rows)
    return {"text/plain": f"nbexec jobs: {names}", "text/html": f"<div>{escape(names)}</div>"}


def summary(rows: Sequence[Row]) -> dict[str, str]:
    """Give what stays in the saved notebook."""
    lines = [
        [row["name"], row["trigger"], row["state"], row["counts"], row["last"]] for row in rows
    ]
    cells = "".join(
        "<tr>"
        + "".join(f'<td style="text-align:left">{escape(one)}</td>' for one in line)
        + "</tr>"
        for line in lines
    )
    table = f'<table style="margin:0"><tbody>{cells}</tbody></table>'
    return {
        "text/plain": "\n".join(["nbexec jobs", *("  " + "  ".join(line) for line in lines)]),
        "text/html": f'<div class="nbexec-summary" style="{BOX}"><div style="{DIM}">Jobs</div>'
        f"{table}</div>",
    }
