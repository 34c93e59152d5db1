"""Watcher: another thread, which looks at plain loops while an item of theirs lasts."""

from __future__ import annotations

import contextvars
import threading
import time
import weakref
from typing import Protocol

from ...placement.auto import FEW
from ...placement.probe import GilProbe

PATIENCE = 0.03  # seconds, after which an item that runs is looked at
SELDOM = 0.2  # and at most, between two looks
PROBE = 0.002  # seconds between two probes of the GIL


class Watched(Protocol):
    """A loop that is watched."""

    ended: bool

    def look_at_running(self, patience: float) -> bool:
        """Decide, where its item lasts; give whether its rest goes elsewhere now."""


class Watcher:
    """Looks at loops that run in one thread, the outer ones first.

    It has a thread from its first loop on, until it is closed.
    """

    def __init__(self) -> None:
        self._loops: list[weakref.ref[Watched]] = []
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None
        self._probes: list[tuple[float, float]] = []  # when, and whether the GIL was held

    def add(self, loop: Watched) -> None:
        """Look at a loop that begins, until it has ended or is gone."""
        with self._lock:
            self._loops.append(weakref.ref(loop))
        if self._thread is None:
            context = contextvars.copy_context()
            self._thread = threading.Thread(target=context.run, args=(self._watch,), daemon=True)
            self._thread.name = "nbexec-plain"
            self._thread.start()

    def close(self) -> None:
        """End its thread; it doesn't wait."""
        self._closed.set()

    def probes(self, since: float) -> list[float]:
        """Give what probes of the GIL found since a moment of `time.perf_counter`."""
        return [held for at, held in self._probes if at >= since]

    def _watch(self) -> None:
        wait = PATIENCE
        while not self._closed.wait(wait):
            self._probe()
            wait = SELDOM if self._look() else min(1.5 * wait, SELDOM)

    def _probe(self) -> None:
        """See whether the GIL is held, a few times."""
        for _ in range(FEW):
            probe = GilProbe(PROBE)
            if self._closed.wait(PROBE):
                return
            self._probes.append((time.perf_counter(), probe.answer()))
        del self._probes[:-20]

    def _look(self) -> bool:
        """Look at the loops; give whether one has left."""
        with self._lock:
            alive = [one for one in self._loops if _goes_on(one())]
            self._loops = alive
            loops = [one() for one in alive]
        return any(loop.look_at_running(PATIENCE) for loop in loops if loop is not None)


def _goes_on(loop: Watched | None) -> bool:
    return loop is not None and not loop.ended
