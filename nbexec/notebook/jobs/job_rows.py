"""What the line of a job says: as a row for the widget, as HTML and as text."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from ...telemetry import wording
from ..panel.saved_html import BOX, CODE, DIM, LINE
from ..panel.svg import BAD, DONE

if TYPE_CHECKING:
    from ...executor.job import Job

Row = dict[str, Any]

WIDE = 24  # characters of a column of text, where a longer one pushes its own line only
COLOURS = {"done": f"color:{DONE}", "failed": f"color:{BAD}"}


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
    title = "Jobs that had not all ended when this was saved"
    return {
        "text/plain": f"nbexec jobs: {names}",
        "text/html": _table(title, [_line(row)[:2] for row in rows]),
    }


def summary(rows: Sequence[Row]) -> dict[str, str]:
    """Give what stays in the saved notebook."""
    texts = [[row[key] for key in ("name", "trigger", "state", "counts", "last")] for row in rows]
    wide = [max(min(len(text), WIDE) for text in column) for column in zip(*texts, strict=True)]
    lines = [
        "  ".join(f"{text:<{width}}" for text, width in zip(line, wide, strict=True)).rstrip()
        for line in texts
    ]
    return {
        "text/plain": "\n  ".join(["nbexec jobs", *lines]),
        "text/html": _table("Jobs", [_line(row) for row in rows]),
    }


def _line(row: Row) -> list[str]:
    """Give the cells of a job, as HTML."""
    colour = COLOURS.get(row["state"], "")
    return [
        f"<b>{escape(row['name'])}</b>",
        escape(row["trigger"]),
        f'<span style="{colour}">{escape(row["state"])}</span>',
        f'<span style="{DIM}">{escape(row["counts"])}</span>',
        _code(row["last"], f"color:{BAD}" if row["bad"] else ""),
    ]


def _code(text: str, look: str = "") -> str:
    return f'<code style="{CODE};{look}">{escape(text)}</code>'


def _table(title: str, rows: Sequence[Sequence[str]]) -> str:
    """Put cells of HTML under a title; it scrolls in a narrow window."""
    look = f"text-align:left;vertical-align:top;border:0;border-top:{LINE};padding:3px 14px 3px 0"
    first, last = (f"{look};width:{share}%;overflow-wrap:anywhere" for share in (25, 45))
    body = "".join(
        f'<tr style="background:none"><td style="{first}">{row[0]}</td>'
        + "".join(f'<td style="{look};white-space:nowrap">{cell}</td>' for cell in row[1:-1])
        + f'<td style="{last}">{row[-1]}</td></tr>'
        for row in rows
    )
    table = (
        '<table style="border-collapse:collapse;table-layout:auto;width:100%;min-width:720px;'
        f'margin:4px 0 0;font-size:12px">{body}</table>'
    )
    return (
        f'<div class="nbexec-summary" style="{BOX}"><div style="{DIM}">{title}</div>'
        f'<div style="overflow-x:auto">{table}</div></div>'
    )
