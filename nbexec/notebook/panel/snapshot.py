"""Snapshot: the part of a panel that is always in view, as text and numbers for the page."""

from __future__ import annotations

from typing import Any

from ...system import machine
from ...telemetry import wording
from ...telemetry.stats import Stats
from .panel_record import PanelRecord
from .usage_history import UsageCurve, heights

Snapshot = dict[str, Any]


def meters(curve: UsageCurve, peak: bool = False) -> list[Snapshot]:
    """Give CPU and memory: the number of now (or the `peak`) and the sparkline of each."""
    if not curve.points:
        return []
    cores, memory = zip(*curve.points, strict=True)
    read = max if peak else (lambda values: values[-1])
    number, _, unit = wording.size(read(memory)).partition(" ")
    of = "peak " if peak else ""
    return [
        {
            "about": "cpu",
            "label": f"{of}CPU",
            "number": f"{read(cores):.1f}",
            "unit": "cores",
            "line": heights(cores, least=1.0),
        },
        {
            "about": "memory",
            "label": f"{of}memory",
            "number": number,
            "unit": unit,
            "line": heights(memory, least=1.25 * max(memory)),
        },
    ]


def shares(stats: Stats) -> tuple[float, float] | None:
    """Give the parts of the bar that are done and failed, in per cent; None: not known."""
    total = stats.total
    if total is None and stats.ended:
        total = stats.finished
    if total is None:
        return None
    if not total:
        return (100.0, 0.0) if stats.phase == "done" else (0.0, 0.0)
    return round(100 * stats.done / total, 2), round(100 * stats.failed / total, 2)


def tabs(stats: Stats, record: PanelRecord) -> list[Snapshot]:
    """Give the tabs, each with the number of its entries."""
    counts = {"failures": stats.failed, "output": record.lines.count + len(stats.items)}
    names = ["resources", "timeline", "failures", "output"]
    names += ["plan"] if record.steps is not None else []
    return [
        {
            "id": name,
            "label": name.capitalize(),
            "count": f"{counts[name]:,}" if counts.get(name) else "",
        }
        for name in names
    ]


def most_workers(stats: Stats) -> int:
    """Give the right end of the slider: beyond what is likely to be of use."""
    return max(2 * machine.cores(), 2 * stats.workers, 8)


def snapshot(
    stats: Stats,
    record: PanelRecord,
    heard: int = 0,
    tab: str = "",
    folded: bool = False,
    advice: str = "",
) -> Snapshot:
    """Give the panel's view of a run at one moment, without the content of the open tab.

    Parameters
    ----------
    stats : Stats
        The run, in numbers.
    record : PanelRecord
        The run's other data.
    heard : int
        Number of commands received from the panel, by which it notices that one was lost.
    tab : str
        The tab that is open; "" for none.
    folded : bool
        Whether the panel is a single line.
    advice : str
        One line that is worth acting on, or "".

    Returns
    -------
    dict
        Strings to show as they are, and numbers to draw; JSON can carry it.
    """
    live = stats.phase in ("running", "paused")
    done, _, of = wording.counts(stats).partition(" / ")
    facts = wording.labelled(stats)
    return {
        "name": wording.one_line(stats.name, wording.NAME_LIMIT),
        "phase": "cancelled" if wording.left_early(stats) else stats.phase,
        "state": wording.state(stats),
        "idle": wording.idle(stats),
        "where": wording.one_line(wording.where(stats)),
        "done": done,
        "of": f"/ {of}" if of else "done",
        "facts": [fact for fact in facts if fact[0] != "state"],
        "shares": shares(stats),
        "meters": meters(record.curve, peak=stats.ended),
        "advice": advice,
        "tabs": tabs(stats, record),
        "tab": tab,
        "folded": folded,
        "workers": stats.workers,
        "most": most_workers(stats),
        "live": live,
        "ended": stats.ended,
        "scalable": live and stats.backend != "serial",
        "heard": heard,
        "retry": "",  # the label of the button; "" for no button
        "closable": False,
    }
