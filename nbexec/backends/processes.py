"""processes: loky, the process pool behind joblib, one single-worker executor for each slot.

One shared pool breaks as a whole when one worker dies; with one executor a slot, a
death costs that slot alone, and a worker can be killed without asking the others.
"""

from __future__ import annotations

import functools
import os
import signal
from concurrent.futures import Future
from multiprocessing import process, resource_tracker

from loky import ProcessPoolExecutor, process_executor

from ..model import Chunk
from ..system import after_fork, at_exit, interpreter_flags, machine
from ..worker import children
from ..worker.entry import hello, run_packed
from ..worker.envelope import PackedCall
from ..worker.process import begin_worker
from . import working_folder
from .base import Backend, Session, SessionSpec
from .listener import listener
from .pool import Pool
from .remote import RemoteSession, how_it_ended
from .scratch import has_scratch

TIDYING = 2.0  # seconds that a worker gets at Python's end


class ProcessWorker:
    """One worker process behind one loky executor."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.healthy = True
        self.ready = False
        env = {**interpreter_flags.flags_as_variables(), "MPLBACKEND": "agg"}  # it has no window
        begun_by = os.getpid(), children.start_method()
        self._executor = ProcessPoolExecutor(
            1, initializer=begin_worker, initargs=begun_by, env=env
        )
        our_listener = listener()
        folder = our_listener.folder if our_listener is not None else None
        with children.permitted():
            self._executor.submit(hello, folder).add_done_callback(self._began)
        # loky has no public way to ask; kept, since it forgets a worker that died
        self._process = next(iter(self._executor._processes.values()))
        at_exit.arm()
        after_fork.watch(self)

    def after_fork(self) -> None:
        """Have a forked child not wait for the process: it is the parent's."""
        process._children.discard(self._process)  # type: ignore[attr-defined]

    def _began(self, future: Future[int]) -> None:
        self.ready = True

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid  # type: ignore[no-any-return]  # loky has no types

    def submit(self, call: PackedCall) -> Future[bytes]:
        future: Future[bytes] = self._executor.submit(run_packed, call)
        return future

    def ending(self) -> str:
        """Say how the worker ended: by which signal, or with which exit code."""
        return how_it_ended(self._process.exitcode)

    def kill(self) -> None:
        """End the worker now; loky notices and fails what it held."""
        self.healthy = False
        try:
            os.kill(self._process.pid, getattr(signal, "SIGKILL", signal.SIGTERM))
        except ProcessLookupError:
            pass

    def close(self) -> None:
        """End the worker when it has finished its current chunk.

        One that was killed is not killed again: with kill_workers=True loky may trip over
        a chunk that it was about to send (KeyError in its thread), and clears up nothing.
        """
        self._executor.shutdown(wait=False)

    def end(self) -> None:
        """Kill the worker and wait: nothing of it is left.

        One whose items had workers of their own has a moment to end those, and to tidy up.
        """
        if has_scratch(self.pid):
            self._executor.shutdown(wait=False)
            self._process.join(TIDYING)
            if self._process.exitcode is None:
                self.kill()
        self._executor.shutdown(wait=True, kill_workers=True)


class Processes(Backend):
    """A pool of worker processes on this machine."""

    name = "processes"
    remote = True

    def __init__(self) -> None:
        self._pool = Pool(ProcessWorker, keep=2 * machine.cores())
        self._begun = False

    def default_workers(self) -> int:
        return machine.cores()

    def warm(self) -> bool:
        return any(slot.ready for slot in self._pool.idle)  # not those that are only starting

    def waiting(self) -> int:
        """Give how many workers are there, and wait for work."""
        return sum(slot.ready for slot in self._pool.idle)

    def warm_up(self, workers: int) -> bool:
        started = self._pool.fill(workers)
        self._begun = self._begun or started
        return started

    def open(self, spec: SessionSpec) -> Session:
        working_folder.require(self.name)
        if not self._begun:  # loky registers what it does at exit with its first worker, and
            self._begun = True  # can't any more when Python's end overtakes a run's first item
            self._pool.release(self._pool.acquire())
        return ProcessesSession(spec, self._pool)

    def close(self) -> None:
        self._pool.close()


class ProcessesSession(RemoteSession):
    """Each slot has a worker of the pool."""

    alone = True

    def __init__(self, spec: SessionSpec, pool: Pool[ProcessWorker]) -> None:
        super().__init__(spec, local=True)
        self._pool = pool
        self._slots: dict[int, ProcessWorker] = {}
        self._having: dict[ProcessWorker, list[Chunk]] = {}  # what each has, in order

    def send(self, slot: int, chunk: Chunk, call: PackedCall) -> Future[bytes]:
        worker = self._worker(slot)
        try:
            future = worker.submit(call)
        except Exception:  # it died since it was last used
            worker.healthy = False
            worker = self._worker(slot)
            future = worker.submit(call)
        self._having.setdefault(worker, []).append(chunk)
        future.add_done_callback(functools.partial(self._came_back, worker, chunk))
        return future

    def _worker(self, slot: int) -> ProcessWorker:
        return self._pool.ensure(self._slots, slot)

    def _came_back(self, worker: ProcessWorker, chunk: Chunk, future: Future[bytes]) -> None:
        if future.exception() is None:
            self._having[worker].remove(chunk)
        else:
            worker.healthy = False

    def died(self, slot: int, chunk: Chunk, error: BaseException) -> str | None:
        # It was busy with the first of what it had; the others only waited for it.
        worker, sent = next((w, sent) for w, sent in [*self._having.items()] if chunk in sent)
        return worker.ending() if chunk is sent[0] else None

    def worker(self, slot: int, chunk: Chunk) -> str:
        process = self.process(slot, chunk)
        return f"process {process}" if process is not None else ""

    def process(self, slot: int, chunk: Chunk) -> int | None:
        having = [worker for worker, sent in [*self._having.items()] if chunk in sent]
        return having[0].pid if having else None

    def abort(self, slot: int) -> bool:
        if slot in self._slots:  # else nothing was sent yet
            self._slots[slot].kill()
        return True

    def trim(self) -> None:
        super().trim()
        for worker in self._slots.values():
            worker.healthy = False
            self._pool.release(worker)
        self._slots.clear()
        self._pool.trim()

    def has_worker(self, slot: int) -> bool:
        return slot in self._slots and self._slots[slot].healthy

    def ready(self, slot: int) -> bool:
        return self._slots[slot].ready

    def close(self) -> None:
        super().close()
        for worker in self._slots.values():
            self._pool.release(worker)
        self._slots.clear()


def _forget() -> None:
    """Have loky, in a forked child, wake and join no threads: they are the parent's."""
    process_executor._threads_wakeups.clear()


after_fork.add(_forget)
# As Python 3.12 does.
after_fork.renew(resource_tracker._resource_tracker._lock)  # type: ignore[attr-defined]
