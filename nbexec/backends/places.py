"""places: the workers of our own Dask cluster, where one task of ours runs at a time.

Left to itself the scheduler queues tasks behind one that hangs, and blames every task at
a worker for its death.  So each chunk is told where to go, and waits here until that
worker has nothing of another run: then what ran when it died, or when it was killed,
is known.
"""

from __future__ import annotations

import functools
import itertools
import os
import signal
import threading
import time
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from distributed import Client, LocalCluster, Status

from ..model import Chunk
from ..parcels import Address, run_packed
from .base import Setting
from .remote import RemoteSession, how_it_ended
from .spool import spool

AT_ONCE = 2  # chunks at a worker: one runs, and the next is there when it ends
RESTARTING = 0.05  # seconds between two looks for a worker that is being started
MOURNING = 2.0  # seconds until a dead process's exit code must be known

_numbers = itertools.count()


class NotBegun(Exception):
    """A worker ended with this waiting behind what it ran."""


@dataclass(eq=False)
class Parcel:
    """A chunk on its way to a worker."""

    owner: LocalSession
    chunk: Chunk
    call: tuple[Any, ...]
    reply: Future[bytes] = field(default_factory=Future)
    task: Any = None  # Dask's future, once it was sent
    process: Any = None  # that it was sent to
    spared: bool = False  # what its worker ended of was another's doing


class Place:
    """One worker process, and what it was given, in order."""

    def __init__(self, client: Client, cluster: LocalCluster, nanny: Any) -> None:
        self._client = client
        self._scheduler = cluster.scheduler
        self._nanny = nanny
        self._waiting: deque[Parcel] = deque()
        self._sent: list[Parcel] = []
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
            return bool(self._sent) and self._sent[0] is parcel and self._up()

    def stop(self, parcel: Parcel) -> None:
        """Take `parcel` back, or kill the worker in the middle of it; its nanny starts another."""
        with self._lock:
            if parcel in self._waiting:
                self._waiting.remove(parcel)
            elif parcel not in self._sent:
                return  # its end is on its way
            elif self._sent[0] is parcel:
                self._kill()
                return
        if parcel.task is None:
            parcel.reply.cancel()
        else:
            parcel.task.cancel(force=True)

    def _kill(self) -> None:
        for other in self._sent[1:]:
            other.spared = True
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
            self._nanny.status == Status.running
            and process is not None
            and process is not self._killed
            and self._nanny.worker_address in self._scheduler.workers
        )

    def _pump(self) -> None:
        """Send what can be sent; under the lock."""
        while self._waiting and len(self._sent) < AT_ONCE:
            parcel = self._waiting[0]
            if self._sent and self._sent[0].owner is not parcel.owner:
                return
            if not self._up():
                if not self._sent:
                    self._watch()
                return
            self._sent.append(self._waiting.popleft())
            parcel.process = self._process()
            number = next(_numbers)
            parcel.task = self._client.submit(
                run_packed,
                *parcel.call,
                key=f"nbexec-{parcel.owner.setting.task.name}-{parcel.owner.key}-{number}",
                workers=[self._nanny.worker_address],
                allow_other_workers=True,  # should it be gone at this moment
                priority=-number,
                pure=False,
            )
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
        error: BaseException | None = None
        data = b""
        try:
            data = task.result()
        except BaseException as raised:
            error = raised
        with self._lock:
            spared = parcel.spared or self._sent[0] is not parcel
            self._sent.remove(parcel)
            if type(error).__name__ == "KilledWorker":
                for other in self._sent:
                    other.spared = True
            self._pump()
        if error is None:
            parcel.reply.set_result(data)
        elif task.cancelled():
            parcel.reply.set_exception(NotBegun())
        else:
            why = NotBegun() if spared else RuntimeError(_ending(parcel.process, error))
            parcel.reply.set_exception(why)


def _ending(process: Any, error: BaseException) -> str:
    if type(error).__name__ != "KilledWorker":
        return f"{type(error).__name__}: {error}"
    end = time.monotonic() + MOURNING
    while process.exitcode is None and time.monotonic() < end:
        time.sleep(0.005)  # Dask hears of a lost connection before it hears how it was lost
    return how_it_ended(process.exitcode)


class LocalSession(RemoteSession):
    """The packed task lies in a file that every worker maps; each slot has its place."""

    def __init__(self, setting: Setting, places: list[Place]) -> None:
        super().__init__(setting, here=True)
        self._places = places
        self._parcels: dict[int, list[Parcel]] = {}  # at each slot, in order
        self._file = spool() / self.key
        self._file.write_bytes(self.packed)
        self.packed = b""

    def send(self, slot: int, chunk: Chunk, items: bytes, address: Address) -> Future[bytes]:
        call = (self.key, str(self._file), len(chunk), items, chunk.budget, False, address)
        parcel = Parcel(self, chunk, call)
        left = [one for one in self._parcels.get(slot, ()) if not one.reply.done()]
        self._parcels[slot] = [*left, parcel]
        self._place(slot).put(parcel)
        return parcel.reply

    def _place(self, slot: int) -> Place:
        return self._places[slot % len(self._places)]

    def died(self, slot: int, chunk: Chunk, error: BaseException) -> str | None:
        return None if isinstance(error, NotBegun) else str(error)

    def ready(self, slot: int) -> bool:
        return self._place(slot).runs(self._parcels[slot][0])

    def abort(self, slot: int) -> bool:
        for parcel in reversed(self._parcels.pop(slot)):
            self._place(slot).stop(parcel)
        return True

    def close(self) -> None:
        super().close()
        self._parcels.clear()
        self._file.unlink(missing_ok=True)
