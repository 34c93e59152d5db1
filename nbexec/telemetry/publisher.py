"""Publisher: folds each event into the state of a run, and passes it to the observers."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable
from typing import Any

from ..system import after_fork
from .bars import Bar, Bars
from .events import Event
from .observer import Observer
from .state import RunState
from .stats import Stats
from .timeline import Timeline


class Publisher:
    """Written by the run's loop alone, read from any thread.

    Parameters
    ----------
    observers : iterable of Observer
        They receive each event, in this order.
    offset : float
        The run's clock less the Unix time.
    """

    def __init__(self, observers: Iterable[Observer], offset: float = 0.0) -> None:
        self.state = RunState()
        self._timeline = Timeline(offset)
        self.observers = list(observers)
        self._lock = threading.Lock()  # the state is folded in one thread and read in others

    def after_fork(self) -> None:
        """Tell nobody in a forked child: the observers' threads are not there."""
        self._lock = threading.Lock()
        after_fork.keep(self.observers)
        self.observers = []

    def stats(self, now: float, known: int | None = None) -> Stats:
        """Give the run in numbers, as it stands, with so many items `known` so far."""
        with self._lock:
            return self.state.stats(now, known)

    def timeline(self) -> Bars:
        """Give the timeline, as it stands."""
        with self._lock:
            return self._timeline.read()

    @property
    def longest(self) -> Bar | None:
        """The item that took longest, where it has a bar of its own."""
        return self._timeline.longest

    def emit(self, event: Event) -> None:
        """Fold an event, and pass it to the observers; in the loop's thread alone."""
        with self._lock:
            self.state.apply(event)
            self._timeline.apply(event)
        self.each("observe", event, self.state)

    def each(self, method: str, *args: Any) -> None:
        """Call each observer; one that raises is logged and dropped, and breaks nothing."""
        for observer in list(self.observers):
            try:
                getattr(observer, method)(*args)
            except Exception:
                logging.getLogger("nbexec").exception("an observer raised and was dropped")
                if observer in self.observers:
                    self.observers.remove(observer)
