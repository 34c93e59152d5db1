"""places: the workers of our own Dask cluster, each with one task at a time.

Left to itself the scheduler queues tasks behind one that hangs, blames every task at a
worker for its death, and computes again what a dead worker had finished.  So each chunk
is told where to go, and waits here until the result of the one before it has arrived.
"""

from __future__ import annotations

import functools
import itertools
import os
import signal
import threading
import time
import weakref
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, cast

from distributed import Client, LocalCluster, Status

from ..model import Chunk
from ..worker.entry import run_packed
from .base import SessionSpec
from .remote import PackedCall, RemoteSession, how_it_ended

GATHERING = 1.0  # seconds between two looks whether a result that is awaited was lost
AGAIN = 0.01  # seconds until a result is asked for again whose request was given up
RESTARTING = 0.05  # seconds between two looks for a worker that is being started
MOURNING = 2.0  # seconds until a dead process's exit code must be known

_numbers = itertools.count()


class Stopped(Exception):
    """Nobody knows whether this ran to its end, nor does it matter: it is not to blame."""


@dataclass(eq=False)
class Parcel:
    """A chunk on its way to a worker."""

    key: str
    call: tuple[Any, ...]
    chunk: Chunk
    reply: Future[bytes] = field(default_factory=Future)
    task: Any = None  # Dask's future, once it was sent
    process: Any = None  # that it was sent to


class Place:
    """One worker process, and what waits for it."""

    def __init__(self, client: Client, cluster: LocalCluster, nanny: Any) -> None:
        self._client = client
        self._scheduler = cluster.scheduler
        self._nanny = nanny
        self._waiting: deque[Parcel] = deque()
        self._sent: Parcel | None = None
        self._killed: Any = None  # the process that was killed last
        self._watching = False
        self._lock = threading.RLock()

    def put(self, parcel: Parcel) -> None:
        with self._lock:
            self._waiting.append(parcel)
            self._pump()

    def runs(self, parcel: Parcel) -> bool:
        """Whether `parcel` is what the worker is busy with."""
        with self._lock:
            return self._sent is parcel and self._up()

    def stop(self, parcel: Parcel) -> None:
        """Take `parcel` back, or kill the worker in the middle of it; its nanny starts another."""
        with self._lock:
            if parcel in self._waiting:
                self._waiting.remove(parcel)
            elif self._sent is parcel:
                self._kill()
        if parcel.task is None:
            parcel.reply.cancel()
        else:
            withdraw(parcel.task)

    def take_back(self, parcel: Parcel) -> bool:
        """Take `parcel` back where it waits; give whether that is so."""
        with self._lock:
            if parcel not in self._waiting:
                return False
            self._waiting.remove(parcel)
            return True

    def _kill(self) -> None:
        self._killed = process = self._process()
        if process is not None and process.pid is not None:
            try:
                os.kill(process.pid, getattr(signal, "SIGKILL", signal.SIGTERM))
            except ProcessLookupError:
                pass

    def _process(self) -> Any:
        """Give the worker's process; kept by who asks, since its nanny forgets a dead one."""
        return getattr(self._nanny.process, "process", None)

    def _up(self) -> bool:
        process = self._process()
        return (
            self._client.status == "running"
            and self._nanny.status == Status.running
            and process is not None
            and process is not self._killed
            and self._nanny.worker_address in self._scheduler.workers
        )

    def _pump(self) -> None:
        """Send what is next, if it can be sent; under the lock."""
        if self._sent is not None or not self._waiting:
            return
        if not self._up():
            self._watch()
            return
        parcel = self._sent = self._waiting.popleft()
        parcel.process = self._process()
        try:
            parcel.task = self._client.submit(
                run_packed,
                *parcel.call,
                key=f"{parcel.key}-{next(_numbers)}",
                workers=[self._nanny.worker_address],
                allow_other_workers=True,  # should it be gone at this moment
                pure=False,
            )
        except Exception as error:  # the client was closed at this moment
            self._sent = None
            parcel.reply.set_exception(RuntimeError(f"{type(error).__name__}: {error}"))
            return
        parcel.task.add_done_callback(functools.partial(self._done, parcel))

    def _watch(self) -> None:
        """Look again soon whether the worker is there."""
        if not self._watching:
            self._watching = True
            timer = threading.Timer(RESTARTING, self._look)
            timer.daemon = True
            timer.start()

    def _look(self) -> None:
        with self._lock:
            self._watching = False
            over = self._nanny.status in (Status.failed, Status.closing, Status.closed)
            if self._client.status == "running" and not over:
                self._pump()
                return
            lost, self._waiting = list(self._waiting), deque()
        for parcel in lost:
            parcel.reply.set_exception(RuntimeError("no Dask worker could be started"))

    def _done(self, parcel: Parcel, task: Any) -> None:
        """Take in what became of a task; called in Dask's thread for callbacks."""
        try:
            data, error = _gather(task), None
        except BaseException as raised:
            data, error = b"", raised
        with self._lock:
            self._sent = None
            self._pump()
        # Last: whoever gets the reply may let go of the item, and of what it needs to end.
        if error is None:
            parcel.reply.set_result(data)
        elif task.cancelled():
            parcel.reply.set_exception(Stopped())
        else:
            parcel.reply.set_exception(RuntimeError(_ending(parcel.process, error)))


def _gather(task: Any) -> bytes:
    """Give a task's result; not one that would be computed again, its worker having ended."""
    while True:
        try:
            return result_of(task, GATHERING)
        except TimeoutError:
            if task.status != "finished":
                withdraw(task)


def result_of(task: Any, timeout: float | None = None) -> bytes:
    """Give a task's result, whatever became of other requests for results.

    A client that waits to ask for several at once attaches them to one request.  When that is
    given up, as it is after a timeout, all of them end in an UnboundLocalError (of
    `distributed.utils.sync`), and so do those that come later, since the client keeps it.
    """
    while True:
        try:
            data: bytes = task.result(timeout=timeout)
            return data
        except UnboundLocalError:
            if task.status != "finished":
                raise
            pending = getattr(task.client, "_gather_future", None)
            if pending is not None and pending.cancelled():
                task.client._gather_future = None
            time.sleep(AGAIN)


def withdraw(task: Any) -> None:
    """Cancel a task; nothing is left to do where its client was closed meanwhile."""
    try:
        task.cancel(force=True)
    except Exception:
        if task.client.status == "running":
            raise


def _ending(process: Any, error: BaseException) -> str:
    if type(error).__name__ != "KilledWorker":
        return f"{type(error).__name__}: {error}"
    end = time.monotonic() + MOURNING
    while process.exitcode is None and time.monotonic() < end:
        time.sleep(0.005)  # Dask hears of a lost connection before it hears how it was lost
    return how_it_ended(process.exitcode)


class LocalSession(RemoteSession):
    """Each slot has its place."""

    def __init__(self, setting: SessionSpec, places: list[Place]) -> None:
        self._places = places
        super().__init__(setting, here=True)
        self._parcels: dict[int, list[Parcel]] = {}  # at each slot, in order

    def send(self, slot: int, chunk: Chunk, call: PackedCall) -> Future[bytes]:
        parcel = Parcel(f"nbexec-{self.setting.task.name}-{self.key}", call, chunk)
        parcels = self._parcels.setdefault(slot, [])
        parcels.append(parcel)
        this = weakref.ref(parcel)  # no cycle: its item is let go as soon as it is done
        parcel.reply.add_done_callback(lambda _: parcels.remove(cast(Parcel, this())))
        self._place(slot).put(parcel)
        return parcel.reply

    def resize(self, workers: int) -> None:
        super().resize(min(workers, len(self._places)))

    def _place(self, slot: int) -> Place:
        return self._places[slot % len(self._places)]

    def died(self, slot: int, chunk: Chunk, error: BaseException) -> str | None:
        return None if isinstance(error, Stopped) else str(error)

    def ready(self, slot: int) -> bool:
        parcels = self._parcels[slot][:1]  # none where its end is on its way
        return all(self._place(slot).runs(parcel) for parcel in parcels)

    def worker(self, slot: int, chunk: Chunk) -> str:
        running = [one for one in self._parcels.get(slot, ())[:1] if one.process is not None]
        return f"process {running[0].process.pid}" if running else ""

    def process(self, slot: int, chunk: Chunk) -> int | None:
        sent = [one.process for one in self._parcels.get(slot, ()) if one.chunk is chunk]
        return sent[0].pid if sent and sent[0] is not None else None

    def take_back(self, slot: int, chunk: Chunk) -> None:
        for parcel in [one for one in self._parcels.get(slot, ()) if one.chunk is chunk]:
            if self._place(slot).take_back(parcel):
                self.setting.hear(chunk, 0, "returned", "")
                parcel.reply.set_exception(Stopped())
                return
        super().take_back(slot, chunk)

    def abort(self, slot: int) -> bool:
        for parcel in self._parcels.pop(slot, [])[::-1]:
            self._place(slot).stop(parcel)
        return True

    def close(self) -> None:
        super().close()
        self._parcels.clear()
