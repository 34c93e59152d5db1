"""What watches a run.  Observers are told each event by the run's one thread, in order."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from ..telemetry.events import Event
from ..telemetry.state import RunState

if TYPE_CHECKING:
    from ..run.handle import Run

# By name, so that nothing below the notebook edge imports it.
_DISPLAYS = {
    "panel": "nbexec.notebook.panel.panel:Panel",
    "text": "nbexec.observers.text_progress:TextProgress",
}

# Gives what a cell's steps are, while one of them runs: lines, what becomes of it, and how
# long it took.  For a run of that cell's to show.
cell_steps: ContextVar[Callable[[], list[tuple[str, str, str]]] | None]
cell_steps = ContextVar("cell_steps", default=None)


class Observer:
    """Base of observers: override what is wanted.  One that raises is logged and dropped."""

    def attach(self, run: Run) -> None:
        """Take note of the run, in the thread that starts it, before its first event."""

    def observe(self, event: Event, state: RunState) -> None:
        """Take in an event, in the run's thread, after it was folded into `state`."""

    def idle(self) -> None:
        """Do what must be done by the thread that uses the run; every 50 ms or so."""


def in_kernel() -> bool:
    """Whether this is a Jupyter kernel, so that widgets can be shown."""
    ipython = sys.modules.get("IPython")
    shell: Any = ipython.get_ipython() if ipython is not None else None
    return getattr(shell, "kernel", None) is not None


def displays(progress: Any, depth: int) -> list[Observer]:
    """Give the observers that show a run, as the option `progress` says."""
    if not isinstance(progress, str):
        from .tqdm_bar import Bar

        return [Bar(progress)]
    if progress == "off" or (progress == "auto" and depth > 0):
        return []
    kind = "panel" if progress != "text" and in_kernel() else "text"
    module, _, name = _DISPLAYS[kind].partition(":")
    display: Observer = getattr(importlib.import_module(module), name)(explicit=progress != "auto")
    return [display]


def show(run: Run) -> bool:
    """Show the panel of a run here, where there can be one that isn't there yet."""
    if not in_kernel():
        return False
    module = importlib.import_module("nbexec.notebook.panel.reopen")
    shown: bool = module.show(run)
    return shown
