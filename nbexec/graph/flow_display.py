"""FlowDisplay: shows the steps of a pipeline while it runs, from a thread, a few times a second."""

from __future__ import annotations

import contextvars
import logging
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

from ..observers import from_above, in_kernel
from ..options import resolve
from ..worker.execute import depth
from .pictures import svg, text
from .pipeline_flow import PipelineFlow
from .step_lines import StepLines
from .step_states import StepClock, StepState
from .wiring import Wiring

EVERY = 0.5  # seconds between two drawings: each is a message of some kilobytes
PATIENCE = 0.5  # seconds; what is over sooner isn't shown


class Drawn(Protocol):
    """Where a pipeline is shown."""

    def draw(self, picture: Callable[[], dict[str, str]], states: list[StepState]) -> None:
        """Show it as it stands."""

    def finish(self, picture: Callable[[], dict[str, str]], states: list[StepState]) -> None:
        """Show it as it ended."""


class FlowDisplay:
    """Shows a flow: a picture in a notebook, lines in a terminal.

    Parameters
    ----------
    name : str
        What the pipeline is called.
    wiring : Wiring
        Of it.
    flow : PipelineFlow
        Which counts.
    total : int or None
        How many rows there are; None where that isn't known.
    progress : object
        As the option of that name.
    clock : callable
        Gives seconds.
    """

    def __init__(
        self,
        name: str,
        wiring: Wiring,
        flow: PipelineFlow,
        total: int | None,
        progress: Any = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name, self._wiring, self._flow, self._total = name, wiring, flow, total
        self._clock, self._pace = clock, StepClock()
        self._drawn = drawn(progress)
        self._states: list[StepState] = []
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> FlowDisplay:
        if self._drawn is not None:
            context = contextvars.copy_context()  # so that it is drawn in this cell
            self._thread = threading.Thread(
                target=context.run, args=(self._tick,), name="nbexec-pipeline", daemon=True
            )
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _tick(self) -> None:
        assert self._drawn is not None
        try:
            wait = PATIENCE
            while not self._stop.wait(wait):
                wait = EVERY
                self._drawn.draw(self._picture(ended=False), self._states)
            self._drawn.finish(self._picture(ended=True), self._states)
        except Exception:  # as with every observer: it ends, and breaks nothing
            logging.getLogger("nbexec").exception("a pipeline's drawing raised, and stopped")

    def _picture(self, ended: bool) -> Callable[[], dict[str, str]]:
        """Take in how far it is; give what makes a picture of that."""
        states = self._pace.states(self._flow.counts, self._total, self._clock(), ended)
        self._states = [*states.values()]
        return lambda: {
            "image/svg+xml": svg(self._wiring, states),
            "text/plain": text(self._name, self._wiring, states),
        }


def drawn(progress: Any) -> Drawn | None:
    """Give where to show a pipeline, as the option `progress` says; None for nowhere."""
    wanted = resolve({} if progress is None else {"progress": progress}).progress
    if not isinstance(wanted, str) or wanted == "off" or depth.get():
        return None
    if wanted != "text" and in_kernel():
        made: Drawn = from_above("pipeline")()
        return made
    return StepLines()
