"""threads: for I/O, and for code that frees the GIL.

Each slot is one daemon thread with a queue of its own, leased to one run at a time, so
that a thread that hangs can be left behind without harm to the others.
"""

from __future__ import annotations

import functools
import queue
import threading
from collections.abc import Callable

from .. import machine
from ..model import Chunk
from ..worker import Leash, prepare, run_chunk
from .base import Backend, Session, Setting
from .lease import Pool

IO_THREADS = 32  # most threads by default; what concurrent.futures settled on


class ThreadSlot:
    """One thread that runs jobs until it is closed."""

    def __init__(self, number: int) -> None:
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self.healthy = True
        name = f"nbexec-thread-{number}"
        threading.Thread(target=self._serve, name=name, daemon=True).start()

    def _serve(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
            del job  # else the last run's items live until the next job

    def call(self, job: Callable[[], None]) -> None:
        self._jobs.put(job)

    def close(self) -> None:
        self._jobs.put(None)

    def end(self) -> None:
        self._jobs.put(None)  # a daemon: an item in the middle doesn't keep Python alive


class Threads(Backend):
    """A pool of threads in the kernel."""

    name = "threads"

    def __init__(self) -> None:
        self._pool = Pool(ThreadSlot, keep=IO_THREADS)

    def default_workers(self) -> int:
        return min(IO_THREADS, machine.cores() + 4)

    def open(self, setting: Setting) -> Session:
        return ThreadsSession(setting, self._pool)

    def close(self) -> None:
        self._pool.close()


class ThreadsSession(Session):
    """Chunks run in the caller's context, on threads that no other run uses meanwhile."""

    def __init__(self, setting: Setting, pool: Pool[ThreadSlot]) -> None:
        self._setting = setting
        self._pool = pool
        self._leash = Leash()
        self._slots: dict[int, tuple[ThreadSlot, Callable[[Chunk], None]]] = {}

    def submit(self, slot: int, chunk: Chunk) -> None:
        if slot not in self._slots:
            self._slots[slot] = self._pool.lease(), self._runner(slot)
        thread, run = self._slots[slot]
        thread.call(lambda: run(chunk))

    def _runner(self, slot: int) -> Callable[[Chunk], None]:
        task, deliver = self._setting.task, self._setting.deliver
        context = self._setting.context.copy()
        prepared = functools.cache(lambda: prepare(task))  # setup: once a worker and a run
        leash = self._leash

        def run(chunk: Chunk) -> None:
            outcome = context.run(run_chunk, prepared, task, chunk, leash)
            deliver(chunk, lambda: outcome)

        return run

    def abort(self, slot: int) -> None:
        self._leash.pull()  # a run that aborts one slot is stopping
        thread, _ = self._slots[slot]
        thread.healthy = False  # it ends after the item that it is in

    def close(self) -> None:
        for thread, _ in self._slots.values():
            self._pool.give_back(thread)
        self._slots.clear()
