"""UsageOnDemand: CPU and memory for who asks, without a thread that samples them."""

from __future__ import annotations

import threading
import time

from ..system import after_fork, machine
from ..telemetry.events import Sampled
from ..telemetry.observer import WatchedRun
from .usage import Meter, sampled

FIRST = 0.1  # seconds that the first answer takes: CPU time is counted in steps of 10 ms
FRESH = 0.2  # seconds for which an answer is given again


class UsageOnDemand:
    """CPU since the last answer, and memory now, of the process tree or the run's cluster."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._meter: Meter | None = None
        self._last: Sampled | None = None
        after_fork.watch(self)

    def after_fork(self) -> None:
        """Begin anew in a forked child: it is another process."""
        self._lock = threading.Lock()
        self._meter = self._last = None

    def read(self, run: WatchedRun) -> Sampled:
        """Give what is used now; the first time that takes `FIRST` seconds."""
        with self._lock:
            if self._last is not None and time.monotonic() - self._last.time < FRESH:
                return self._last
            if self._meter is None:
                self._meter = Meter()
                time.sleep(FIRST)
            reading, limit = self._meter.read(), machine.memory_limit()
            self._last = sampled(time.monotonic(), reading, limit, run.elsewhere())
            return self._last
