"""EventFunction: passes the events of a run to what `on_event` gave."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..options.checks import several
from ..telemetry.events import Event
from ..telemetry.observer import Observer, WatchedRun
from ..telemetry.state import RunState


class EventFunction(Observer):
    """Calls a function with each event; or the one that an object's `watch` gives for the run.

    Parameters
    ----------
    given : callable or object
        A function of an event, or an object with a method `watch`.
    """

    def __init__(self, given: Any) -> None:
        self._given = given
        self._take: Callable[[Event], object]

    def attach(self, run: WatchedRun) -> None:
        """Get the function, in the thread that starts the run."""
        watch = getattr(self._given, "watch", None)
        self._take = self._given if watch is None else watch(run)

    def observe(self, event: Event, state: RunState) -> None:
        """Call it, in the run's thread."""
        self._take(event)


def event_functions(on_event: Any) -> list[Observer]:
    """Give an observer for each that the option has."""
    return [EventFunction(one) for one in several(on_event)]
