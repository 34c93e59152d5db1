"""Usage: CPU and memory of this process and all that it started, by psutil."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from .. import machine
from ..events import Event, RunEnded, Sampled
from ..state import RunState
from . import Observer

if TYPE_CHECKING:
    import psutil

    from ..run import Run

EVERY = 0.5  # seconds; a walk over the process tree costs about a millisecond a process
PATIENCE = 0.2  # seconds; a run shorter than that is not worth importing psutil for


class Usage(Observer):
    """Posts a `Sampled` event to its run, twice a second."""

    def __init__(self) -> None:
        self._stop = threading.Event()

    def attach(self, run: Run) -> None:
        threading.Thread(target=self._sample, args=(run,), name="nbexec-usage", daemon=True).start()

    def observe(self, event: Event, state: RunState) -> None:
        if isinstance(event, RunEnded):
            self._stop.set()

    def _sample(self, run: Run) -> None:
        if self._stop.wait(PATIENCE):
            return
        meter = Meter()
        limit = machine.memory_limit()
        while not self._stop.wait(EVERY):
            cores, memory = meter.read()
            run.post(Sampled(time.monotonic(), cores, memory, limit))


class Meter:
    """Reads what the process tree used since the last reading."""

    def __init__(self) -> None:
        import psutil

        self._root = psutil.Process()
        self._seen: dict[psutil.Process, float] = {}  # CPU seconds when last read
        self._at = time.perf_counter()
        self.read()

    def read(self) -> tuple[float, int]:
        """Give CPU seconds a second, and bytes that are resident."""
        import psutil

        memory, used, seen = 0, 0.0, {}
        for process in [self._root, *self._root.children(recursive=True)]:
            try:
                with process.oneshot():
                    times = process.cpu_times()
                    memory += process.memory_info().rss
            except psutil.Error:  # it ended meanwhile
                continue
            cpu = times.user + times.system
            used += cpu - self._seen.get(process, 0.0)
            seen[process] = cpu
        now = time.perf_counter()
        cores = used / max(now - self._at, 1e-3)
        self._seen, self._at = seen, now
        return max(cores, 0.0), memory
