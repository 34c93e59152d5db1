"""Tabs: the content of a panel's open tab."""

from __future__ import annotations

from typing import Any

from ...telemetry.observer import WatchedRun
from ...telemetry.stats import Stats
from . import plots
from .output_tail import progress_rows
from .panel_record import PanelRecord

Detail = dict[str, Any]

EVERY = {"failures": 0.2, "output": 0.2, "resources": 0.5, "timeline": 0.5, "plan": 0.5}  # seconds
PLOTS = ("resources", "timeline")


def detail(tab: str, run: WatchedRun, record: PanelRecord, stats: Stats) -> Detail:
    """Give the content of a tab, ready for JSON."""
    return {"tab": tab, **_OF[tab](run, record, stats)}


def _failures(run: WatchedRun, record: PanelRecord, stats: Stats) -> Detail:
    record.groups.add(run.failures)
    return {
        "groups": record.groups.rows(run.id),
        "more": record.groups.more(stats.failed),
    }


def _output(run: WatchedRun, record: PanelRecord, stats: Stats) -> Detail:
    rows = record.lines.last()
    return {
        "rows": rows,
        "above": record.lines.above(len(rows)),
        "progress": progress_rows(stats),
    }


def _resources(run: WatchedRun, record: PanelRecord, stats: Stats) -> Detail:
    samples = record.samples
    return {
        "columns": samples.columns(record.began or 0.0),
        "names": {
            f"{what}{slot}": name
            for slot, name in enumerate(samples.names)
            for what in ("cpu", "memory")
        },
    }


def _timeline(run: WatchedRun, record: PanelRecord, stats: Stats) -> Detail:
    return {"columns": plots.bars(run.timeline()), "names": {}}


def _plan(run: WatchedRun, record: PanelRecord, stats: Stats) -> Detail:
    steps = record.steps() if record.steps is not None else []
    return {"steps": [{"lines": at, "how": how, "took": took} for at, how, took in steps]}


_OF = {
    "failures": _failures,
    "output": _output,
    "resources": _resources,
    "timeline": _timeline,
    "plan": _plan,
}
