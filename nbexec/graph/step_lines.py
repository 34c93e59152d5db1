"""StepLines: the steps of a pipeline in a terminal, a line for each, redrawn together."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, TextIO

from ..observers import terminal
from ..telemetry.stats import Stats
from ..worker import streams
from .step_states import StepState


class StepLines:
    """Shows each step as a run, where the runs of this process are drawn.

    In a log there are none: the pipeline's own line is there.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        stream = stream or sys.stderr
        if isinstance(stream, streams.Router):
            stream = stream.original
        self._stream: TextIO = stream
        self._live = terminal.is_terminal(stream)
        self._screen: terminal.Screen | None = None
        self._owners: dict[str, object] = {}

    def draw(self, picture: Callable[[], dict[str, str]], states: list[StepState]) -> None:
        """Draw the lines."""
        if not self._live:
            return
        if self._screen is None:
            self._screen = terminal.enter(self._stream)
        for one in states:
            owner = self._owners.setdefault(one.name, object())
            self._screen.draw(owner, stats_of(one))

    def finish(self, picture: Callable[[], dict[str, str]], states: list[StepState]) -> None:
        """Take the lines away."""
        if self._screen is not None:
            for owner in self._owners.values():
                self._screen.leave(owner)
            self._screen = None
            terminal.leave()


def stats_of(one: StepState) -> Stats:
    """Give a step as the numbers of a run."""
    zeros: dict[str, Any] = dict.fromkeys(("elapsed", "cpu_seconds", "effective_cores"), 0.0)
    return Stats(
        name=one.name,
        phase="running",
        total=one.total,
        done=one.over - one.failed,
        failed=one.failed,
        cancelled=0,
        retried=0,
        running=one.running,
        rate=one.rate,
        eta=None,
        backend="",
        workers=max(1, one.running),
        reason="",
        busy_seconds=one.seconds,
        utilisation=0.0,
        restored=one.reused,
        **zeros,
    )
