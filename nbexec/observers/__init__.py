"""What watches a run.  Observers are told each event by the run's one thread, in order."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from ..model import Task
from ..options.record import Options
from ..telemetry.observer import Observer, WatchedRun

# What the layers above draw, by name: nothing below the notebook's edge imports it.
FROM_ABOVE = {
    "panel": "nbexec.notebook.panel.panel:Panel",
    "once more": "nbexec.notebook.panel.reopen:show",
    "past run": "nbexec.notebook.panel.saved_html:past_run",
}

# Gives what a cell's steps are, while one of them runs: lines, what becomes of it, and how
# long it took.  For a run of that cell's to show.
cell_steps: ContextVar[Callable[[], list[tuple[str, str, str]]] | None]
cell_steps = ContextVar("cell_steps", default=None)


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
    """Give what `FROM_ABOVE` names."""
    module, _, name = FROM_ABOVE[what].partition(":")
    return getattr(importlib.import_module(module), name)


def show(run: WatchedRun) -> bool:
    """Show the panel of a run here, where there can be one that isn't there yet."""
    if not in_kernel():
        return False
    shown: bool = from_above("once more")(run)
    return shown


def watchers(options: Options, task: Task) -> list[Observer]:
    """Give the observers that the options ask for."""
    from .echo import Echo

    shown = displays(options.progress, task.depth)
    watching = shown or [Echo()]
    if shown or options.memory_limit is not None:
        from .usage import Usage

        watching.append(Usage())
    return watching
