"""Measuring: what items are like that run one after the other, as the choice of "auto" sees it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from ..system import gil
from ..telemetry.events import Event, Finished, RunEnded, Submitted
from ..telemetry.observer import Observer, WatchedRun
from ..telemetry.state import RunState
from .auto import Evidence, profile_of
from .chooser import PROBE_OFTEN
from .probe import GilProbe, Probe, SendingCost
from .profiles import Profile


class Measuring(Observer):
    """Measures the items of a run with one worker in the kernel.

    Attributes
    ----------
    sending : SendingCost
        What it costs to send an item, once the run has ended.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock  # the run's
        self.sending = SendingCost()
        self._probe = Probe()
        self._over = threading.Event()
        self._answers: list[tuple[float, float, float]] = []  # from when to when, and the share
        self._begun = self._ended = float("inf")  # when the first item began, and the last ended
        self._thread = threading.Thread(target=self._ask, name="nbexec-measuring", daemon=True)

    def attach(self, run: WatchedRun) -> None:
        """Begin to see whether the GIL is held."""
        self._thread.start()

    def observe(self, event: Event, state: RunState) -> None:
        """Take in the end of items, in the run's thread."""
        if isinstance(event, Submitted):
            self._begun = min(self._begun, event.time)
        elif isinstance(event, Finished):
            self._ended = event.time
            if not event.outcome.errors:
                self._probe.learn(event.outcome)
                self.sending.offer(event.chunk, event.outcome, at_once=False)
        elif isinstance(event, RunEnded):
            self._over.set()
            self._thread.join()
            for begun, ended, share in self._answers:
                if self._begun <= begun and ended <= self._ended:
                    self._probe.gil_probe(share)
            self.sending.measure(None)

    def _ask(self) -> None:
        gil.shorten(self)
        try:
            while not self._over.is_set():
                begun, probe = self._clock(), GilProbe(PROBE_OFTEN)
                time.sleep(PROBE_OFTEN)
                answer = probe.answer()
                self._answers.append((begun, self._clock(), answer))
        finally:
            gil.leave(self)

    def profile(self) -> Profile:
        """Give what was seen, once the run has ended."""
        seen: Evidence = self._probe.seen
        profile = profile_of(seen)
        here, there, memory = self.sending.here, self.sending.there, self._probe.grown() / 1e9
        return profile._replace(here=here, there=there, memory=memory)
