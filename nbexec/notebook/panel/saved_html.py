"""The summary in the saved notebook: text, and HTML that needs nothing else.

A notebook that comes from someone else is sanitised before it is shown: scripts, inline
SVG and CSS variables go; tables, plain inline styles and images stay.  So the layout is a
table, colours can be read on white and on black, and without any style the text is still
complete.  Everything from the user is escaped.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any, NamedTuple

from ...history import PastRun
from ...telemetry import wording
from ...telemetry.bars import Bars
from ...telemetry.observer import WatchedRun
from ...telemetry.stats import Stats
from .panel_record import PanelRecord
from .snapshot import Snapshot, snapshot
from .svg import ACCENT, BAD, DONE, MEMORY, spark, timeline

QUIET = "#7d8793"
LINE = "1px solid rgba(128,128,128,.3)"
LOOKS = {"done": ("✓", DONE), "failed": ("✕", BAD), "cancelled": ("■", QUIET)}
GROUPS = 5  # of failures that are listed
LINES = 12  # that items wrote
TRACEBACK = 2_000  # characters
ROOM = 36_000  # characters of HTML: with that a notebook grows by less than 50 kB a run

BOX = (
    "font-family:system-ui,-apple-system,'Segoe UI','DejaVu Sans',sans-serif;font-size:13px;"
    f"line-height:1.45;border:{LINE};border-radius:8px;padding:9px 14px 8px;margin:2px 0;"
    "max-width:980px;box-sizing:border-box"
)
ROW = "display:flex;flex-wrap:wrap;align-items:center"
GAP = "margin-right:16px"  # not `gap`, which is stripped
DIM = "opacity:.65"
CODE = "font-family:ui-monospace,'DejaVu Sans Mono',monospace;font-size:12px;background:none"


class SummaryContent(NamedTuple):
    """The content of a summary."""

    shown: Snapshot
    groups: Sequence[dict[str, Any]]  # of failures
    more: str  # of them
    lines: Sequence[dict[str, Any]]  # that items wrote
    above: str  # of them
    bars: Bars


def keep(stats: Stats, record: PanelRecord, run: WatchedRun | PastRun) -> SummaryContent:
    """Collect the content of a run's summary."""
    lines = record.lines.last(LINES)
    return SummaryContent(
        snapshot(stats, record, advice=run.advice),
        record.groups.rows(run.id, GROUPS),
        record.groups.more(stats.failed, GROUPS),
        lines,
        record.lines.above(len(lines)),
        run.timeline(),
    )


def past_run(run: PastRun) -> dict[str, Any]:
    """Give the summary of a run that a journal has."""
    record, failures = PanelRecord(), run.failures
    while not record.groups.add(failures):
        pass
    assert run.stats is not None
    return bundle(run.stats, keep(run.stats, record, run))


def placeholder(shown: Snapshot) -> dict[str, Any]:
    """Give the placeholder of a panel where widgets can't be shown, while its run goes on.

    The text is the same each time, with no times in it: nbval compares what was displayed
    first.
    """
    name = shown["name"]
    return {
        "text/plain": f"nbexec {name}",
        "text/html": f"<div>nbexec <b>{escape(name)}</b> had not ended when this was saved</div>",
    }


def bundle(stats: Stats, kept: SummaryContent) -> dict[str, Any]:
    """Give the summary of a run that has ended: text/plain and text/html."""
    return {"text/plain": plain(stats, kept), "text/html": html(stats, kept)}


def plain(stats: Stats, kept: SummaryContent) -> str:
    """Give the summary as text, with a line for each kind of failure."""
    lines = [f"nbexec {wording.summary(stats)}"]
    if kept.shown["advice"]:
        lines.append(f"  {kept.shown['advice']}")
    for row in kept.groups:
        where = f" in {row['place']}" if row["place"] else ""
        lines.append(f"  {row['count']}: {row['type']}{where}: {row['message']}  {row['items']}")
    lines += [f"  {kept.more}"] if kept.more else []
    lines += [f"  {kept.above}"] if kept.above else []
    lines += [f"  {row['item']} │ {row['text']}" for row in kept.lines]
    return "\n".join(lines)


def html(stats: Stats, kept: SummaryContent) -> str:
    """Give the summary as one HTML block; if it is too large, without the least important parts."""
    page = _html(stats, kept)
    if len(page) > ROOM:
        kept = kept._replace(groups=[{**row, "traceback": ""} for row in kept.groups])
        page = _html(stats, kept)
    if len(page) > ROOM:
        page = _html(stats, kept._replace(bars=Bars()))
    return page


def _html(stats: Stats, kept: SummaryContent) -> str:
    shown = kept.shown
    sign, colour = LOOKS.get(shown["phase"], ("●", ACCENT))
    head = [
        f'<span style="color:{colour};font-weight:600">{sign}</span>',
        f"<b>{escape(shown['name'])}</b>",
        f'<span style="color:{colour}">{escape(shown["state"])}</span>',
        f'<span style="{DIM};font-size:12px">{escape(shown["where"])}</span>',
    ]
    return "".join(
        [
            f'<div class="nbexec-summary" style="{BOX}">',
            f"<div>{' &nbsp;'.join(head)}</div>",
            bar(shown["shares"] or (0.0, 0.0), colour),
            f'<div style="{ROW}">{numbers(shown)}{meters(shown)}</div>',
            advice(shown["advice"]),
            failures(kept),
            output(kept),
            lanes(stats, kept.bars),
            "</div>",
        ]
    )


def bar(shares: tuple[float, float], colour: str) -> str:
    """Draw what is done and what failed; without styles it is not there at all."""
    parts = "".join(
        f'<div style="float:left;height:6px;width:{share:g}%;background-color:{of}"></div>'
        for share, of in zip(shares, (colour, BAD), strict=True)
    )
    return (
        '<div style="height:6px;margin:10px 0 8px;border-radius:3px;overflow:hidden;'
        f'background-color:rgba(128,128,128,.18)">{parts}</div>'
    )


def numbers(shown: Snapshot) -> str:
    """Give the counts and other facts."""
    looks = {"failed": f"color:{BAD}", "time": DIM}
    text = f'<span style="{GAP}"><b>{escape(shown["done"])}</b> {escape(shown["of"])}</span> '
    for label, words in shown["facts"]:
        text += f'<span style="{GAP};{looks.get(label, "")}">{escape(words)}</span> '
    return f"<div>{text}</div>"


def meters(shown: Snapshot) -> str:
    """Give CPU and memory, each with the line of the whole run as an image."""
    colours = {"cpu": ACCENT, "memory": MEMORY}
    drawn = " &nbsp; ".join(
        f'<span style="{DIM}">{meter["label"]}</span> '
        f"{spark(meter['line'], colours[meter['about']])} "
        f'<b>{meter["number"]}</b> <span style="{DIM}">{meter["unit"]}</span>'
        for meter in shown["meters"]
    )
    return f'<div style="margin-left:auto">{drawn}</div>'


def advice(words: str) -> str:
    """Give the one line of advice."""
    look = "margin:7px 0 2px;padding:3px 10px;border-left:3px solid #c98a10"
    return f'<div style="{look}">{escape(words)}</div>' if words else ""


def failures(kept: SummaryContent) -> str:
    """Give the kinds of failures, a row each, with the traceback of the first item folded."""
    if not kept.groups:
        return ""
    cell = f"text-align:left;vertical-align:top;border:0;border-top:{LINE};padding:3px 14px 3px 0"
    short, long = f"{cell};white-space:nowrap", f"{cell};overflow-wrap:anywhere"
    body = "".join(
        '<tr style="background:none">'
        f'<td style="{short};color:{BAD};font-weight:600">{escape(row["type"])}</td>'
        f'<td style="{long};width:45%">{escape(row["message"])}{traceback(row)}</td>'
        f'<td style="{short}">{escape(row["count"])}</td>'
        f'<td style="{long};width:35%"><code style="{CODE}">{escape(row["items"])}</code></td>'
        "</tr>"
        for row in kept.groups
    )
    table = (  # it scrolls in a narrow window
        '<table style="border-collapse:collapse;table-layout:auto;width:100%;min-width:440px;'
        f'margin:0;font-size:12px">{body}</table>'
    )
    scrolls = f'<div style="overflow-x:auto;margin:8px 0 2px">{table}</div>'
    return scrolls + quiet(kept.more)


def traceback(row: dict[str, Any]) -> str:
    """Give the place, and the traceback folded below it."""
    text = row["traceback"]
    if not text:
        return f'<div style="{DIM}">{escape(row["place"])}</div>'
    if len(text) > TRACEBACK:
        text = "…" + text[-TRACEBACK:]
    where = f'<span style="{DIM}">{escape(row["place"] or "traceback")}</span>'
    code = f'<pre style="{CODE};margin:2px 0;white-space:pre-wrap">{escape(text)}</pre>'
    return f"<details><summary>{where}</summary>{code}</details>"


def output(kept: SummaryContent) -> str:
    """Give the last lines of the items' output."""
    if not kept.lines:
        return ""
    looks = {"stderr": f"color:{BAD}"}
    lines = "".join(
        f'<span style="{DIM}">{escape(row["item"])} │ </span>'
        f'<span style="{looks.get(row["stream"], "")}">{escape(row["text"])}</span>\n'
        for row in kept.lines
    )
    block = f'<pre style="{CODE};margin:6px 0 2px;white-space:pre-wrap">{lines}</pre>'
    return quiet(kept.above) + block


def lanes(stats: Stats, bars: Bars) -> str:
    """Give the timeline, folded, if it has more than one bar."""
    count = len(bars.lanes)
    if len(bars) < 2:
        return ""
    image = timeline(bars, stats.elapsed, count)
    title = f'<summary style="{DIM};font-size:12px">Timeline, a row for each worker</summary>'
    return f'<details style="margin-top:5px">{title}{image}</details>'


def quiet(words: str) -> str:
    """Give a line of lesser weight."""
    return f'<div style="{DIM};font-size:12px">{escape(words)}</div>' if words else ""
