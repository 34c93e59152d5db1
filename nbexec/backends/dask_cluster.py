"""The workers of our own Dask cluster, each with one task at a time.

Left to itself the scheduler queues tasks behind one that hangs, blames every task at a
worker for its death, and computes again what a dead worker had finished.  So each chunk
is sent to a given worker, and waits here until the result of the one before it has arrived.
"""

from __future__ import annotations

import functools
import itertools
import math
import os
import signal
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, cast

from distributed import Client, LocalCluster, Status

from ..model import Chunk
from ..options.worker_options import WorkerOptions
from ..system import machine
from ..worker.entry import run_packed
from ..worker.envelope import Envelope, PackedCall
from ..worker.reply import ended
from .base import SessionSpec
from .remote import RemoteSession, how_it_ended

GATHERING = 1.0  # seconds between two looks whether a result that is awaited was lost
AGAIN = 0.01  # seconds until a result is asked for again whose request was given up
RESTARTING = 0.05  # seconds between two looks for a worker that is being started
RENEWALS = 3  # nannies whose process can't be started, one after the other
UNKNOWN_CODE = 255  # what Dask says where the exit code was read by others
MOURNING = 2.0  # seconds until a dead process's exit code must be known

_numbers = itertools.count()


class Stopped(Exception):
    """The chunk was stopped, perhaps after its end: it is not to blame for it."""


TearDown = Callable[[], "QueuedChunk | None"]


@dataclass(eq=False)
class QueuedChunk:
    """A chunk on its way to a worker."""

    key: str
    call: PackedCall
    chunk: Chunk
    worker: ClusterWorker
    reply: Future[bytes] = field(default_factory=Future)
    own: WorkerOptions = WorkerOptions()  # of the run
    tear_down: TearDown | None = None  # makes its run's teardown here, where there is one
    last: bool = False  # whether its process ends after it
    task: Any = None  # Dask's future, once it was sent
    process: Any = None  # that it was sent to


class ClusterWorker:
    """One worker process, and the chunks that wait for it: that of a name in the cluster."""

    def __init__(self, client: Client, cluster: LocalCluster, name: Any) -> None:
        self._client = client
        self._cluster = cluster
        self._scheduler = cluster.scheduler
        self._name = name
        self._nanny = cluster.workers[name]
        self._renewals = 0  # nannies in a row that have come to nothing
        self._waiting: deque[QueuedChunk] = deque()
        self._sent: QueuedChunk | None = None
        self._killed: Any = None  # the process that was killed last
        self._watching = False
        self._items = 0  # that its process has been given
        self._old = False  # whether its process is to be replaced
        self._lock = threading.RLock()

    def replace(self, tear_down: TearDown) -> None:
        """Have its process end, once it is idle; its nanny starts another."""
        with self._lock:
            self._old = True
            if self._sent is None:
                self._end_process(tear_down)

    def _end_process(self, tear_down: TearDown | None) -> None:
        """End it, after the teardown of a run, and those of others that have used it."""
        self._old, self._items = False, 0
        first = tear_down() if tear_down is not None else None
        if first is None:
            self._end_others()
            return
        first.last = True
        first.reply.add_done_callback(lambda _: self._end_others())
        self._send(first)

    def _end_others(self) -> None:
        envelope = Envelope("", 0, False, False)
        facts = "", b"", 0, b"", math.inf, True, b"", b"", False
        call, nothing = PackedCall(*facts, envelope), Chunk(range(0), [])
        last = QueuedChunk("nbexec-end", call, nothing, self, last=True)
        last.reply.add_done_callback(lambda _: self._ended())
        with self._lock:
            self._send(last)

    def _ended(self) -> None:
        with self._lock:
            self._kill()
            self._pump()

    def _worn(self, queued: QueuedChunk) -> bool:
        coming = len(queued.chunk)
        if not coming:
            return False
        memory, process = 0, self._process()
        if queued.own.recycle_above is not None and process is not None:
            memory = machine.resident_of(process.pid)
        return self._old or queued.own.worn(self._items, coming, memory)

    def put(self, queued: QueuedChunk) -> None:
        with self._lock:
            self._waiting.append(queued)
            self._pump()

    @property
    def queue_length(self) -> int:
        """How many chunks it has, with that which runs."""
        return len(self._waiting) + (self._sent is not None)

    def runs(self, queued: QueuedChunk) -> bool:
        """Whether the worker is busy with `queued`."""
        with self._lock:
            return self._sent is queued and self._up()

    def stop(self, queued: QueuedChunk) -> None:
        """Take `queued` back, or kill the worker in the middle of it; its nanny starts another."""
        with self._lock:
            if queued in self._waiting:
                self._waiting.remove(queued)
            elif self._sent is queued:
                self._kill()
        if queued.task is None:
            queued.reply.cancel()
        else:
            withdraw(queued.task)

    def take_back(self, queued: QueuedChunk) -> bool:
        """Take `queued` back where it waits; give whether that is so."""
        with self._lock:
            if queued not in self._waiting:
                return False
            self._waiting.remove(queued)
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
        """Send the next chunk, if it can be sent; under the lock."""
        if self._sent is not None or not self._waiting:
            return
        if not self._up():
            self._watch()
            return
        if self._worn(self._waiting[0]):
            self._end_process(self._waiting[0].tear_down)
            return
        queued = self._waiting.popleft()
        self._send(queued)

    def _send(self, queued: QueuedChunk) -> None:
        """Have the worker run a chunk; under the lock."""
        self._sent = queued
        queued.process = self._process()
        try:
            queued.task = self._client.submit(
                run_packed,
                queued.call,
                key=f"{queued.key}-{next(_numbers)}",
                workers=[self._nanny.worker_address],
                allow_other_workers=True,  # should it be gone at this moment
                pure=False,
            )
        except Exception as error:  # the client was closed at this moment
            self._sent = None
            queued.reply.set_exception(RuntimeError(f"{type(error).__name__}: {error}"))
            return
        queued.task.add_done_callback(functools.partial(self._done, queued))

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
            self._nanny = self._cluster.workers.get(self._name, self._nanny)
            over = self._nanny.status in (Status.failed, Status.closing, Status.closed)
            if self._client.status == "running" and not over:
                self._pump()
                return
            if self._client.status == "running" and self._renewals < RENEWALS:
                self._renew()
                return
            lost, self._waiting = list(self._waiting), deque()
        for queued in lost:
            queued.reply.set_exception(RuntimeError("no Dask worker could be started"))

    def _renew(self) -> None:
        """Have another nanny made: this one gave up, as its process ended while it started."""
        if self._cluster.workers.pop(self._name, None) is not None:
            self._renewals += 1
            self._cluster.loop.add_callback(self._cluster._correct_state)
        self._watch()

    def _done(self, queued: QueuedChunk, task: Any) -> None:
        """Take in the result or error of a task; called in Dask's thread for callbacks."""
        try:
            data, error = _gather(task), None
        except BaseException as raised:
            data, error = b"", raised
        with self._lock:
            self._sent = None
            self._renewals = 0
            self._items += ended(data)
            if not queued.last:
                self._pump()
        # Last: whoever gets the reply may drop the item, and objects that it needs to end.
        if error is None:
            queued.reply.set_result(data)
        elif task.cancelled():
            queued.reply.set_exception(Stopped())
        else:
            queued.reply.set_exception(RuntimeError(_ending(queued.process, error)))


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
        time.sleep(0.005)  # Dask knows of a lost connection before the exit code is known
    return how_it_ended(_exit_code(process))


def _exit_code(process: Any) -> int | None:
    """Give the exit code of a nanny's process, also where another thread has read it first.

    multiprocessing looks for children that ended whenever it starts one.  When it is just then
    that Dask asks, there is no code for Dask, which takes 255; the process has it soon.
    """
    code: int | None = process.exitcode
    if code == UNKNOWN_CODE:
        try:
            code = process._process.exitcode
        except (AttributeError, ValueError):  # it was closed
            pass
    return UNKNOWN_CODE if code is None else code


class LocalSession(RemoteSession):
    """Each slot has a worker of the cluster; slots share them where there are more."""

    restartable = True

    def __init__(self, spec: SessionSpec, workers: list[ClusterWorker]) -> None:
        self._workers = workers
        super().__init__(spec, local=True)
        self._queued: dict[int, list[QueuedChunk]] = {}  # at each slot, in order
        self._ending: list[Future[Any]] = []  # teardown of processes that were replaced

    def send(self, slot: int, chunk: Chunk, call: PackedCall) -> Future[bytes]:
        worker = self._for_hedge(chunk) if chunk.hedge else self._workers[self.number(slot)]
        key = f"nbexec-{self.spec.task.name}-{self.key}"
        end = functools.partial(self._tear_down_one, slot, worker, self._last.get(slot))
        queued = QueuedChunk(key, call, chunk, worker, own=self.spec.own, tear_down=end)
        queued_chunks = self._queued.setdefault(slot, [])
        queued_chunks.append(queued)
        this = weakref.ref(queued)  # no cycle: its item is freed as soon as it is done
        queued.reply.add_done_callback(lambda _: queued_chunks.remove(cast(QueuedChunk, this())))
        worker.put(queued)
        return queued.reply

    def resize(self, workers: int) -> None:
        self._most = min(workers, len(self._workers))
        super().resize(self._most)

    def number(self, slot: int) -> int:
        return slot % len(self._workers)

    def restart(self) -> None:
        for slot, worker in enumerate(self._workers[: self._most]):
            end = functools.partial(self._tear_down_one, slot, worker, self._last.get(slot))
            worker.replace(end)

    def _tear_down_one(
        self, slot: int, worker: ClusterWorker, last: Chunk | None
    ) -> QueuedChunk | None:
        """Make what has the worker of `slot` call teardown; None where it has none to call."""
        made: list[QueuedChunk] = []
        if last is None:
            return None

        def keep(_: int, chunk: Chunk, call: PackedCall) -> Future[bytes]:
            made.append(QueuedChunk(f"nbexec-end-{self.key}", call, chunk, worker))
            return made[0].reply

        self._ending = [one for one in self._ending if not one.done()]
        self._ending.append(self.tear_down_at(slot, last, keep))
        return made[0]

    def tear_down(self) -> Sequence[Future[Any]]:
        return [*super().tear_down(), *self._ending]

    def _for_hedge(self, chunk: Chunk) -> ClusterWorker:
        """Give a worker that doesn't have the first try of an item; it would wait behind it."""
        queued = itertools.chain.from_iterable(self._queued.values())
        taken = {one.worker for one in queued if one.chunk.indices[0] == chunk.indices[0]}
        free = [one for one in self._workers if one not in taken] or self._workers
        return min(free, key=lambda one: one.queue_length)

    def died(self, slot: int, chunk: Chunk, error: BaseException) -> str | None:
        return None if isinstance(error, Stopped) else str(error)

    def ready(self, slot: int) -> bool:
        queued_chunks = self._queued[slot][:1]  # none where its end is on its way
        return all(queued.worker.runs(queued) for queued in queued_chunks)

    def worker(self, slot: int, chunk: Chunk) -> str:
        if own := super().worker(slot, chunk):
            return own
        running = [one for one in self._queued.get(slot, ())[:1] if one.process is not None]
        return f"process {running[0].process.pid}" if running else ""

    def process(self, slot: int, chunk: Chunk) -> int | None:
        sent = [one.process for one in self._queued.get(slot, ()) if one.chunk is chunk]
        return sent[0].pid if sent and sent[0] is not None else None

    def take_back(self, slot: int, chunk: Chunk) -> None:
        for queued in [one for one in self._queued.get(slot, ()) if one.chunk is chunk]:
            if queued.worker.take_back(queued):
                self.spec.report(chunk, 0, "returned", "")
                queued.reply.set_exception(Stopped())
                return
        super().take_back(slot, chunk)

    def abort(self, slot: int) -> bool:
        for queued in self._queued.pop(slot, [])[::-1]:
            queued.worker.stop(queued)
        return True

    def close(self) -> None:
        super().close()
        self._queued.clear()
