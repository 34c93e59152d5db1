"""What stays of a panel in the saved notebook: text, and HTML that needs nothing else.

A notebook that comes from someone else is sanitised before it is shown: scripts, inline
SVG and CSS variables go; tables, plain inline styles and images stay.  So the layout is a
table, colours are ones that can be read on white and on black, and without any style the
words still tell the whole story.  Everything that is not ours is escaped.
"""

from __future__ import annotations

import base64
from html import escape
from typing import Any

from .. import text
from ..state import Stats
from .snapshot import Snapshot

OK, BAD, QUIET, ACCENT, MEMORY = "#1f9d61", "#d6453d", "#7d8793", "#0b8296", "#7a5af0"
LINE = "1px solid rgba(128,128,128,.3)"
LOOKS = {"done": ("✓", OK), "failed": ("✕", BAD), "cancelled": ("■", QUIET)}

BOX = (
    "font-family:system-ui,-apple-system,'Segoe UI','DejaVu Sans',sans-serif;font-size:13px;"
    f"line-height:1.45;border:{LINE};border-radius:8px;padding:9px 14px 8px;margin:2px 0;"
    "max-width:980px;box-sizing:border-box"
)
ROW = "display:flex;flex-wrap:wrap;align-items:center"
GAP = "margin-right:16px"  # not `gap`, which is stripped
DIM = "opacity:.65"
CODE = "font-family:ui-monospace,'DejaVu Sans Mono',monospace;font-size:12px;background:none"


def placeholder(shown: Snapshot) -> dict[str, Any]:
    """Give what stands for a panel where widgets can't be shown, while its run goes on.

    The text is the same each time, with no times in it: nbval compares what was displayed
    first.
    """
    name = shown["name"]
    return {
        "text/plain": f"nbexec {name}",
        "text/html": f"<div>nbexec <b>{escape(name)}</b> had not ended when this was saved</div>",
    }


def bundle(stats: Stats, shown: Snapshot) -> dict[str, Any]:
    """Give what stays: text/plain and text/html.

    Parameters
    ----------
    stats : Stats
        The run at its end.
    shown : dict
        Its last snapshot.
    """
    return {"text/plain": plain(stats, shown), "text/html": html(shown)}


def plain(stats: Stats, shown: Snapshot) -> str:
    """Give the summary as text, with a line for each of the first failures."""
    lines = [f"nbexec {text.summary(stats)}"]
    lines += [
        f"  {row['index']}: {row['type']}: {row['message']}  {row['item']}"
        for row in shown["failures"]
    ]
    if shown["more"]:
        lines.append(f"  {shown['more']}")
    lines += [f"  {shown['above']}"] if shown["above"] else []
    lines += [f"  {row['item']} │ {row['text']}" for row in shown["output"]]
    return "\n".join(lines)


def html(shown: Snapshot) -> str:
    """Give the summary as one HTML block."""
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
            failures(shown),
            output(shown),
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
    """Give the counts and what else there is to say."""
    looks = {"failed": f"color:{BAD}", "time": DIM}
    said = f'<span style="{GAP}"><b>{escape(shown["done"])}</b> {escape(shown["of"])}</span> '
    for label, words in shown["facts"]:
        said += f'<span style="{GAP};{looks.get(label, "")}">{escape(words)}</span> '
    return f"<div>{said}</div>"


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


def spark(line: list[int], colour: str, width: int = 64, height: int = 20) -> str:
    """Draw heights of 0..100 as an image: inline SVG would be stripped."""
    line = line if len(line) > 1 else line * 2
    points = " ".join(
        f"{at * width / (len(line) - 1):.1f},{height - 1 - value * (height - 2) / 100:.1f}"
        for at, value in enumerate(line)
    )
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}">'
        f'<polygon points="0,{height} {points} {width},{height}" fill="{colour}" opacity=".15"/>'
        f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/></svg>'
    )
    data = base64.b64encode(svg.encode()).decode()
    style = "display:inline-block;vertical-align:middle;margin:0 3px"
    return (
        f'<img alt="" width="{width}" height="{height}" style="{style}" '
        f'src="data:image/svg+xml;base64,{data}">'
    )


def failures(shown: Snapshot) -> str:
    """Give the first failures, a row each."""
    rows = shown["failures"]
    if not rows:
        return ""
    cell = f"text-align:left;vertical-align:top;border:0;border-top:{LINE};padding:3px 14px 3px 0"
    body = "".join(
        '<tr style="background:none">'
        f'<td style="{cell};width:10%;{DIM}">{escape(row["index"])}</td>'
        f'<td style="{cell};width:21%;color:{BAD};font-weight:600">{escape(row["type"])}</td>'
        f'<td style="{cell};width:45%">{escape(row["message"])}</td>'
        f'<td style="{cell}"><code style="{CODE}">{escape(row["item"])}</code></td>'
        "</tr>"
        for row in rows
    )
    more = f'<div style="{DIM};font-size:12px">{escape(shown["more"])}</div>'
    table = (  # it scrolls in a narrow window
        '<table style="border-collapse:collapse;table-layout:fixed;width:100%;min-width:440px;'
        f'margin:0;font-size:12px;overflow-wrap:anywhere">{body}</table>'
    )
    scrolls = f'<div style="overflow-x:auto;margin:8px 0 2px">{table}</div>'
    return scrolls + (more if shown["more"] else "")


def output(shown: Snapshot) -> str:
    """Give the last lines that the items wrote."""
    if not shown["output"]:
        return ""
    looks = {"stderr": f"color:{BAD}"}
    lines = "".join(
        f'<span style="{DIM}">{escape(row["item"])} │ </span>'
        f'<span style="{looks.get(row["stream"], "")}">{escape(row["text"])}</span>\n'
        for row in shown["output"]
    )
    above = f'<div style="{DIM};font-size:12px">{escape(shown["above"])}</div>'
    block = f'<pre style="{CODE};margin:6px 0 2px;white-space:pre-wrap">{lines}</pre>'
    return (above if shown["above"] else "") + block
