"""Warm-up: imports what a cell needs, and starts worker processes, before the first needs them.

An idle kernel does so: never while a cell or a run goes on, never for more than a small
share of the free memory, and silently.
"""

from __future__ import annotations

import importlib
import os
import threading
import weakref
from typing import Any

from ..backends import get_backend
from ..backends.pool import inherited
from ..options import configure
from ..run import registry
from ..system import at_exit, machine

VARIABLE = "NBEXEC_WARM_UP"
OFF = "off"
QUIET = 0.3  # seconds after a cell's end; the next one of "run all" begins within 0.02
WORKER = 24 << 20  # bytes of one that has done nothing: tests.benchmarks.starting, first-warm
# What the first cell, and the first run, would wait for: some 60 ms of CPU.
NEEDED = ("nbexec.cell.run", "nbexec.notebook.cell_report", "nbexec.api")
SHARE = 0.05  # of the free memory, for all of them

_shells: weakref.WeakSet[Any] = weakref.WeakSet()


def warm_up(shell: Any) -> None:
    """Start workers once this shell is idle, unless ``$NBEXEC_WARM_UP`` is "off"."""
    if os.environ.get(VARIABLE, "").lower() == OFF or shell in _shells:
        return
    _shells.add(shell)
    warmer = Warmer()
    shell.events.register("pre_run_cell", warmer.begins)
    shell.events.register("post_run_cell", warmer.ended)


class Warmer:
    """Starts workers between two cells; stops at once when the next one begins."""

    def __init__(self, quiet: float = QUIET) -> None:
        self._quiet = quiet
        self._halt = threading.Event()
        self._thread: threading.Thread | None = None
        self._warm_in: Any = None  # the environment of the started workers; None: there are none

    def begins(self, *_: Any) -> None:
        """Stop: a cell begins."""
        self._halt.set()

    def ended(self, *_: Any) -> None:
        """Go on after a moment, if workers are missing."""
        if self._warm_in is not None and self._warm_in == inherited():
            return
        halt = self._halt = threading.Event()
        work = threading.Thread(target=self._work, args=(halt,), name="nbexec-warm", daemon=True)
        self._thread = work
        work.start()

    def _work(self, halt: threading.Event) -> None:
        if halt.wait(self._quiet):
            return
        try:
            for module in NEEDED:
                if not halt.is_set():
                    importlib.import_module(module)
            self._start_workers(halt)
        except Exception:  # a run that needs them will raise it
            pass

    def _start_workers(self, halt: threading.Event) -> None:
        options = configure()
        if options.backend not in ("auto", "processes"):
            return
        at_exit.add(self._finish)
        # Imported before the call to the registry, which holds its lock meanwhile.
        importlib.import_module("nbexec.backends.processes")
        backend, here = get_backend("processes"), inherited()
        count = min(options.workers or backend.default_workers(), _room())
        while not halt.is_set() and all(run.done for run in registry.run_registry.runs()):
            if not backend.warm_up(count):
                self._warm_in = here
                return

    def _finish(self) -> None:
        """Leave no worker half started: Python is exiting."""
        self._halt.set()
        if self._thread is not None:
            self._thread.join()


def _room() -> int:
    """Give how many workers fit in the share of the free memory."""
    return int(SHARE * machine.memory_free() / WORKER)
