"""The display below a cell under the magic: its report, folded, or its plan.

A notebook that comes from someone else is sanitised before it is shown: inline SVG goes,
images stay.  Everything that comes from the cell is escaped, and the text alone is complete.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from ..cell import plan_drawing
from ..telemetry import wording

if TYPE_CHECKING:
    from ..cell.report import CellPlan, CellReport
    from ..cell.steps import Step

INK = "#7d8793"  # to be read on white and on black: an image knows nothing of the theme
LOOK = "font-size:12px;margin:0 0 0 2px"
DIM = "opacity:.75"
CODE = f"font-size:12px;margin:4px 0 6px 14px;white-space:pre-wrap;background:none;{DIM}"


def report_bundle(report: CellReport) -> dict[str, str]:
    """Give the display of a cell that ran: text/plain and text/html.

    Examples
    --------
    >>> from nbexec.cell.report import CellReport
    >>> report_bundle(CellReport())["text/plain"]
    'nothing to run'
    """
    text = str(report)
    if "\n" not in text and len(report.steps) < 2:
        html = f'<div class="nbexec-report" style="{LOOK};{DIM}">{escape(text)}</div>'
        return {"text/plain": text, "text/html": html}
    drawn = image(report.steps) if len(report.steps) > 1 else ""
    html = (
        f'<details class="nbexec-report" style="{LOOK}">'
        f'<summary style="cursor:pointer;{DIM}">{headline(report)}</summary>'
        f'<pre style="{CODE}">{escape(text)}</pre>{drawn}</details>'
    )
    return {"text/plain": text, "text/html": html}


def headline(report: CellReport) -> str:
    """Give the visible line of a folded report, as HTML."""
    steps, left = report.steps, len(report.failures)
    many = sum(step.kind != "serial" for step in steps)
    parts = (
        [f"{many} of {len(steps)} steps in parallel"] if len(steps) > 1 else [str(steps[0].what)]
    )
    refused = [step for step in steps if step.kind == "serial" and step.reason]
    if len(refused) == 1:
        parts.append(f"line {refused[0].line or refused[0].first} in order")
    elif refused:
        parts.append(f"{len(refused)} in order")
    parts.append(wording.seconds(sum(step.seconds for step in steps)))
    shown = " · ".join(map(escape, parts))
    return shown + (f" · <b>{left:,} left out</b>" if left else "")


def plan_bundle(plan: CellPlan) -> dict[str, str]:
    """Give the display of a plan: text/plain and text/html."""
    text = str(plan)
    html = f'{image(plan.steps)}<pre style="{CODE}">{escape(text)}</pre>'
    return {"text/plain": f"{text}\n\n{plan.picture()}", "text/html": html}


def image(steps: Sequence[Step]) -> str:
    """Give the picture of steps as an image."""
    data = base64.b64encode(plan_drawing.svg(steps, INK).encode()).decode()
    return (
        '<div style="overflow-x:auto;margin:2px 0 4px 10px"><img class="nbexec-plan" '
        'alt="The steps of the cell, each below those that it waits for" '
        f'src="data:image/svg+xml;base64,{data}" style="max-width:none"></div>'
    )
