"""Simulated servers, and workers that call them, on a clock of their own."""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from nbexec.placement.concurrency import Concurrency

MAKING = 1e-4  # seconds to make a worker, one after the other
HANDING = 3e-5  # seconds to hand one an item


@dataclass
class Simulation:
    """Workers call a server that serves `capacity` at once, the others in their order.

    An item takes ``seconds(index)``, times ``load(served)`` with so many that are served, and
    then `cpu` seconds of the kernel, one after the other as under the GIL.
    """

    seconds: Callable[[int], float]
    items: int
    capacity: Callable[[float], float] = lambda _: float("inf")
    load: Callable[[int], float] = lambda _: 1.0
    cpu: float = 0.0
    most: int = 512
    busy: int = 0
    begun: int = 0
    ended: int = 0
    now: float = 0.0
    seen: list[tuple[float, int]] = field(default_factory=list)  # how many were busy, and when

    def run(self, level: int, adaptive: bool = True) -> float:
        """Give the seconds that all items take, from `level` workers on."""
        self._events: list[tuple[float, int, str, int, float]] = []
        self._order = itertools.count()
        self._queue: deque[tuple[int, float]] = deque()
        self._served, self._gil, self._used, self._made, self._ready = 0, 0.0, 0.0, 0, 0.0
        steps = Concurrency(level, 0.0) if adaptive else None
        since = used = 0.0
        while self.ended < self.items:
            while self.busy < (steps.level if steps else level) and self.begun < self.items:
                self._begin()
            due = steps.due() if steps else float("inf")
            if steps and due < self._events[0][0] and self.begun < self.items:
                self.now = max(due, self.now)
            else:
                self._next(steps)
            if steps is not None:
                span = self.now - since
                cores = (self._used - used) / span if span > 0.002 else 0.0
                waiting = self.begun < self.items
                if steps.look(self.now, cores, self.busy, waiting, self.most) or span > 0.5:
                    since, used = self.now, self._used
                assert 1 <= steps.level <= max(level, self.most)
        return self.now

    def _begin(self) -> None:
        index, self.begun, self.busy = self.begun, self.begun + 1, self.busy + 1
        at = self.now
        if self.busy > self._made:
            self._made = self.busy
            at = self._ready = max(self._ready, self.now) + MAKING
        self.seen.append((self.now, self.busy))
        if self._served < self.capacity(self.now):
            self._serve(index, self.now, at + HANDING)
        else:
            self._queue.append((index, self.now))

    def _serve(self, index: int, since: float, at: float) -> None:
        self._served += 1
        took = self.seconds(index) * self.load(self._served)
        self._push(at + took, "served", index, since)

    def _push(self, at: float, what: str, index: int, since: float) -> None:
        heapq.heappush(self._events, (at, next(self._order), what, index, since))

    def _next(self, steps: Concurrency | None) -> None:
        self.now, _, what, index, since = heapq.heappop(self._events)
        if what == "served":
            self._served -= 1
            while self._queue and self._served < self.capacity(self.now):
                self._serve(*self._queue.popleft(), self.now)
            if self.cpu:
                self._gil = max(self._gil, self.now) + self.cpu
                self._push(self._gil, "computed", index, since)
                return
        self._used += self.cpu
        self.ended, self.busy = self.ended + 1, self.busy - 1
        if steps is not None:
            first = self.now - since if since == 0.0 else 0.0
            steps.learn(1, self.now - since, self.cpu, first, since)
