"""Observers: they show a run outside a notebook, and sample what it uses.

Each gets every event from the run's thread, in order.  The panel is in `nbexec.notebook`, which
is named here as a string; the events are in `nbexec.telemetry`.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import Any

from ..model import Task
from ..options.record import Options
from ..telemetry.observer import Observer, WatchedRun

# Views of the notebook layer, by name: nothing below it imports it.
FROM_ABOVE = {
    "panel": "nbexec.notebook.panel.panel:Panel",
    "reopen": "nbexec.notebook.panel.reopen:show",
    "jobs": "nbexec.notebook.jobs.jobs_panel:show",
    "pipeline": "nbexec.notebook.pipeline_display:PipelineDisplay",
    "past run": "nbexec.notebook.panel.saved_html:past_run",
}


def in_kernel() -> bool:
    """Whether this is a Jupyter kernel, so that widgets can be shown."""
    ipython = sys.modules.get("IPython")
    shell: Any = ipython.get_ipython() if ipython is not None else None
    return getattr(shell, "kernel", None) is not None


def displays(progress: Any, depth: int) -> list[Observer]:
    """Give the observers that show a run, as the option `progress` says."""
    if not isinstance(progress, str):
        from .tqdm_bar import BarDisplay

        return [BarDisplay(progress)]
    if progress == "off" or (progress == "auto" and depth > 0):
        return []
    explicit = progress != "auto"
    if progress != "text" and in_kernel():
        return [from_above("panel")(explicit=explicit)]
    from .text_progress import TextProgress

    return [TextProgress(explicit=explicit)]


def from_above(what: str) -> Any:
    """Import a view by its key in `FROM_ABOVE`."""
    module, _, name = FROM_ABOVE[what].partition(":")
    return getattr(importlib.import_module(module), name)


def show(run: WatchedRun) -> bool:
    """Show the panel of a run in this cell; give whether that can be, and was not done before."""
    if not in_kernel():
        return False
    shown: bool = from_above("reopen")(run)
    return shown


def show_jobs(jobs: Sequence[Any]) -> bool:
    """Show a panel of an executor's jobs in this cell; give whether that can be."""
    if not in_kernel():
        return False
    from_above("jobs")(jobs)
    return True


def watch(run: WatchedRun) -> None:
    """Show a run from now on: its panel in this cell, or a line of text; not twice."""
    if in_kernel():
        show(run)
    else:
        from .text_progress import follow

        follow(run)


def watchers(options: Options, task: Task) -> list[Observer]:
    """Give the observers that the options ask for."""
    from .echo import Echo

    shown = displays(options.progress, task.depth)
    watching = shown or [Echo()]
    if shown or options.memory_limit is not None:
        from .usage import Usage

        watching.append(Usage())
    if options.on_event is not None:
        from .event_functions import event_functions

        watching += event_functions(options.on_event)
    return watching
