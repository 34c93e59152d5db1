"""processes: loky, the process pool behind joblib, one single-worker executor for each slot.

One shared pool breaks as a whole when one worker dies; with one executor a slot, a
death costs that slot alone, and a worker can be killed without asking the others.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

from ..model import Chunk
from ..options.worker_options import Environment
from ..system import machine
from ..worker.envelope import PackedCall
from ..worker.reply import ended
from . import working_folder
from .base import EVERY, Backend, Session, SessionSpec
from .pool import Pool
from .process_worker import ProcessWorker, kill_closing
from .remote import RemoteSession

ENVIRONMENTS = 4  # sets of environment variables whose idle workers stay


class Processes(Backend):
    """A pool of worker processes on this machine."""

    name = "processes"
    remote = True
    takes = EVERY

    def __init__(self) -> None:
        self._pool = Pool(ProcessWorker, keep=2 * machine.cores())
        self._of_env: dict[Environment, Pool[ProcessWorker]] = {}  # some count only at the start
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
        pool = self._pool_of(spec.own.env)
        if not self._begun:  # loky registers what it does at exit with its first worker, and
            self._begun = True  # can't any more when Python's end overtakes a run's first item
            pool.release(pool.acquire())
        return ProcessesSession(spec, pool)

    def _pool_of(self, env: Environment) -> Pool[ProcessWorker]:
        """Give the workers that were started with these environment variables."""
        if not env:
            return self._pool
        if env not in self._of_env:
            for pool in [*self._of_env.values()][: 1 - ENVIRONMENTS]:
                pool.trim()
            make = functools.partial(ProcessWorker, env=env)
            self._of_env.setdefault(env, Pool(make, keep=machine.cores()))
        return self._of_env[env]

    def close(self) -> None:
        for pool in (self._pool, *self._of_env.values()):
            pool.close()
        kill_closing()  # Python would wait for them


class ProcessesSession(RemoteSession):
    """Each slot has a worker of the pool."""

    alone = True
    restartable = True

    def __init__(self, spec: SessionSpec, pool: Pool[ProcessWorker]) -> None:
        super().__init__(spec, local=True)
        self._pool = pool
        self._slots: dict[int, ProcessWorker] = {}
        self._having: dict[ProcessWorker, list[Chunk]] = {}  # what each has, in order
        self._tearing: dict[ProcessWorker, Future[Any]] = {}  # those that end, or are put back
        self._before: dict[int, Future[Any]] = {}  # by slot, the end of the worker before
        self._old: set[ProcessWorker] = set()  # to be replaced
        self._fresh = False  # whether new ones must not have run anything

    def send(self, slot: int, chunk: Chunk, call: PackedCall) -> Future[bytes]:
        worker = self._worker(slot, len(chunk))
        before = self._before.pop(slot, None)
        try:
            future = worker.submit(call) if before is None else submit_after(before, worker, call)
        except Exception:  # it died since it was last used
            worker.healthy = False
            worker = self._worker(slot, len(chunk))
            future = worker.submit(call)
        self._having.setdefault(worker, []).append(chunk)
        future.add_done_callback(functools.partial(self._came_back, worker, chunk))
        return future

    def _worker(self, slot: int, coming: int) -> ProcessWorker:
        worker = self._slots.get(slot)
        if coming and worker is not None and worker.healthy and self._worn(worker, coming):
            self._replace(slot)
        return self._pool.ensure(self._slots, slot, self._fits)

    def _worn(self, worker: ProcessWorker, coming: int) -> bool:
        own = self.spec.own
        memory = 0 if own.recycle_above is None else machine.resident_of(worker.pid)
        return worker in self._old or own.worn(worker.items, coming, memory)

    def _fits(self, worker: ProcessWorker) -> bool:
        """Whether a worker of an earlier run will do."""
        return not (self._fresh and worker.items) and not self._worn(worker, 1)

    def _replace(self, slot: int) -> None:
        """Have the worker of a slot end, after teardown; the next one waits for that."""
        self._forget_ended()
        worker = self._slots[slot]
        last = self._last.pop(slot, None)
        ended = worker.nothing() if last is None else self.tear_down_at(slot, last)
        self._before[slot] = self._tearing[worker] = ended
        del self._slots[slot]
        self._old.discard(worker)
        worker.healthy = False
        self._pool.release(worker)

    def _forget_ended(self) -> None:
        """Keep nothing of workers that were replaced, once they have ended."""
        for worker in [one for one, done in [*self._tearing.items()] if done.done()]:
            del self._tearing[worker]
            if not self._having.get(worker):
                self._having.pop(worker, None)

    def restart(self) -> None:
        self._fresh = True
        self._old.update(self._slots.values())
        for slot, worker in [*self._slots.items()]:
            if worker.healthy and not self._having.get(worker):
                self._replace(slot)

    def tear_down(self) -> Sequence[Future[Any]]:
        workers = {slot: self._slots[slot] for slot in self._last if self.has_worker(slot)}
        begun = super().tear_down()
        self._tearing.update(zip(workers.values(), begun, strict=True))
        return [*self._tearing.values()]

    def _came_back(self, worker: ProcessWorker, chunk: Chunk, future: Future[bytes]) -> None:
        if future.exception() is None:
            worker.items += ended(future.result())
            self._having[worker].remove(chunk)
        else:
            worker.healthy = False

    def died(self, slot: int, chunk: Chunk, error: BaseException) -> str | None:
        # It was busy with the first of what it had; the others only waited for it.
        worker, sent = next((w, sent) for w, sent in [*self._having.items()] if chunk in sent)
        return worker.ending() if chunk is sent[0] else None

    def worker(self, slot: int, chunk: Chunk) -> str:
        process = self.process(slot, chunk)
        own = super().worker(slot, chunk)
        return own or (f"process {process}" if process is not None else "")

    def process(self, slot: int, chunk: Chunk) -> int | None:
        having = [worker for worker, sent in [*self._having.items()] if chunk in sent]
        return having[0].pid if having else None

    def abort(self, slot: int) -> bool:
        if slot in self._slots:  # else nothing was sent yet
            self._slots[slot].kill()
        return True

    def release(self, slot: int) -> None:
        if slot in self._slots:  # it ends: idle it would hold its memory
            self._replace(slot)

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
            if worker in self._tearing and not self._tearing[worker].done():
                worker.healthy = False  # it ends after that
            self._pool.release(worker)
        self._slots.clear()


def submit_after(before: Future[Any], worker: ProcessWorker, call: PackedCall) -> Future[bytes]:
    """Have a worker run a chunk once the one that it takes the place of has ended."""
    reply: Future[bytes] = Future()

    def submit(_: Future[Any]) -> None:
        try:
            worker.submit(call).add_done_callback(answer)
        except Exception as error:  # it was stopped meanwhile
            reply.set_exception(error)

    def answer(future: Future[bytes]) -> None:
        error = future.exception()
        if error is None:
            reply.set_result(future.result())
        else:
            reply.set_exception(error)

    before.add_done_callback(submit)
    return reply
