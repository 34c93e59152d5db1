"""interpreters: sub-interpreters of the kernel's process, each with a GIL of its own.

Each slot is one interpreter in one thread.  Neither can be ended from outside: a slot that
hangs is interrupted where it runs Python code, and left behind, as a thread is, elsewhere.
`concurrent.futures.InterpreterPoolExecutor` has threads that Python's end waits for, and
takes 0.3 ms for a call where this takes 0.05.
"""

from __future__ import annotations

import contextlib
import importlib
import itertools
import os
import queue
import sys
import threading
import time
import warnings
from concurrent.futures import Future
from typing import Any

from ..model import Chunk
from ..system import after_fork, at_exit, machine, subinterpreter
from ..worker import stealing
from ..worker.envelope import PackedCall
from ..worker.interpreter import FORGET, serve
from .base import Backend, Session, SessionSpec
from .listener import listener
from .pool import Pool
from .remote import RemoteSession

ENDING = 1.0  # seconds that one which is just being made gets at Python's end; it takes 0.1
STOPPING = 0.3  # seconds that those which were interrupted get

_numbers = itertools.count(1)
_living: set[InterpreterWorker] = set()


def _forget() -> None:
    """Have a forked child, where Python ends all but the main interpreter, begin without them."""
    after_fork.keep(*_living)
    _living.clear()


after_fork.add(_forget)


class NotBegun(Exception):
    """The worker ended, or was closed, before it came to this."""


class InterpreterWorker:
    """One sub-interpreter in a thread of its own, with a way there and a way back."""

    def __init__(self, number: int) -> None:
        self._module: Any = importlib.import_module("concurrent.interpreters")  # Python 3.14
        self.number = next(_numbers)
        self.name = subinterpreter.name(self.number)
        self.healthy = True
        self.ready = False
        self._jobs, self._replies = self._module.create_queue(), self._module.create_queue()
        self._sent: dict[int, Future[bytes]] = {}  # in order
        self._calls = itertools.count()
        self._over = False
        self._left = False  # to Python's own end
        self._why = "the interpreter ended"
        self._lock = threading.RLock()
        self._knocks, self._knock = os.pipe()
        self._answers, self._answer = os.pipe()
        self._thread = threading.Thread(target=self._live, name=f"nbexec-{self.name}", daemon=True)
        self._thread.start()
        threading.Thread(
            target=self._receive, name=f"nbexec-replies-{self.name}", daemon=True
        ).start()

    def _live(self) -> None:
        _living.add(self)
        try:
            interpreter = self._module.create()
            interpreter.prepare_main(path=tuple(sys.path), argv=tuple(sys.argv))
            interpreter.exec("import sys; sys.path[:], sys.argv[:] = path, argv; del path, argv")
            our_listener = listener()
            folder = our_listener.folder if our_listener is not None else None
            way = self._jobs, self._replies, self._knocks, self._answer
            tidy = interpreter.call(serve, self.number, folder, *way)
            with self._lock:
                if tidy and not self._left:
                    interpreter.close()
                    _living.discard(self)
        except BaseException as error:
            self._why = str(error).partition("\n")[0] or type(error).__name__
        with self._lock:
            self._over = True
            self.healthy = False
            for pipe in (self._knocks, self._knock, self._answer):
                os.close(pipe)

    def _receive(self) -> None:
        """Take in replies, as long as one may come."""
        while os.read(self._answers, 1):
            reply = self._replies.get_nowait()
            if reply is None:
                self.ready = True
                continue
            number, data = reply
            self._sent.pop(number).set_result(data)
            del reply, data
        os.close(self._answers)
        for place, future in enumerate([*self._sent.values()]):
            future.set_exception(NotBegun() if place else RuntimeError(self._why))
        self._sent.clear()
        with self._lock:  # at Python's end queues can't be deleted any more
            self._jobs = self._replies = None

    def submit(self, call: PackedCall) -> Future[bytes]:
        """Have it run a chunk; raises RuntimeError where it has ended."""
        *plain, envelope = call
        future: Future[bytes] = Future()
        number = next(self._calls)
        self._sent[number] = future
        try:
            self._put((number, tuple(envelope), tuple(plain)))
        except RuntimeError:
            self._sent.pop(number, None)
            raise
        return future

    def forget(self) -> None:
        """Have it drop the tasks of runs that have ended."""
        self._put(FORGET)

    def _put(self, job: Any) -> None:
        with self._lock:
            if self._over:
                raise RuntimeError(self._why)
            self._jobs.put(job)
            os.write(self._knock, b"\0")

    def drain(self) -> bool:
        """Take back its pending chunks; give whether it is idle then."""
        with self._lock, contextlib.suppress(queue.Empty):
            while self._jobs is not None:
                job = self._jobs.get_nowait()
                if isinstance(job, tuple):
                    self._sent.pop(job[0]).set_exception(NotBegun())
        return not self._sent

    def close(self) -> None:
        try:
            self._put(None)
        except RuntimeError:  # it has ended
            pass

    def end(self) -> None:
        idle = self.drain()
        self.close()
        if idle:  # then it waits for threads that items have left, as Python's end does
            self._thread.join(None if self.ready else ENDING)

    def stop(self) -> None:
        """Interrupt its current chunk: that stops Python code, but not a call in C."""
        our_listener = listener()
        if our_listener is not None:
            stealing.ask(our_listener.folder, subinterpreter.worker(self.number), stealing.STOP)

    def leave(self, till: float) -> None:
        """Leave it to Python's end, if it goes on for so long: it drops it, and would say so."""
        self._thread.join(max(0.0, till - time.monotonic()))
        with self._lock:  # two who end it would crash
            self._left = True
        if self in _living:
            warnings.filterwarnings("ignore", "remaining subinterpreters", RuntimeWarning)


class Interpreters(Backend):
    """A pool of sub-interpreters."""

    name = "interpreters"
    takes = frozenset({"teardown", "worker_name"})
    remote = True

    def __init__(self) -> None:
        self._pool = Pool(InterpreterWorker, keep=2 * machine.cores())
        at_exit.arm()  # now: Python's end may overtake the first item

    def default_workers(self) -> int:
        return machine.cores()

    def warm(self) -> bool:
        return bool(self._pool.idle)

    def open(self, spec: SessionSpec) -> Session:
        return InterpretersSession(spec, self._pool)

    def close(self) -> None:
        self._pool.close()
        living, till = [*_living], time.monotonic() + STOPPING
        for slot in living:
            slot.stop()
        for slot in living:
            slot.leave(till)


class InterpretersSession(RemoteSession):
    """Each slot has an interpreter of the pool."""

    def __init__(self, spec: SessionSpec, pool: Pool[InterpreterWorker]) -> None:
        super().__init__(spec, local=True)
        self._pool = pool
        self._slots: dict[int, InterpreterWorker] = {}

    def conditions(self, slot: int) -> None:
        """Nothing: environment and cores are the process's."""

    def resize(self, workers: int) -> None:
        # BLAS is the process's: an interpreter can't load NumPy, nor have a share of its own.
        self._threads = ()

    def send(self, slot: int, chunk: Chunk, call: PackedCall) -> Future[bytes]:
        try:
            return self._worker(slot).submit(call)
        except RuntimeError:  # it ended since it was last used
            return self._worker(slot).submit(call)

    def _worker(self, slot: int) -> InterpreterWorker:
        return self._pool.ensure(self._slots, slot)

    def died(self, slot: int, chunk: Chunk, error: BaseException) -> str | None:
        return None if isinstance(error, NotBegun) else str(error)

    def worker(self, slot: int, chunk: Chunk) -> str:
        own = super().worker(slot, chunk)
        return own or (self._slots[slot].name if slot in self._slots else "")

    def process(self, slot: int, chunk: Chunk) -> str | None:
        return subinterpreter.worker(self._slots[slot].number) if slot in self._slots else None

    def has_worker(self, slot: int) -> bool:
        return slot in self._slots and self._slots[slot].healthy

    def ready(self, slot: int) -> bool:
        return self._slots[slot].ready

    def abort(self, slot: int) -> bool:
        worker = self._slots.pop(slot, None)
        if worker is None:  # nothing was sent yet
            return True
        stopped = worker.drain()
        if not stopped:
            worker.healthy = False
            worker.stop()
        self._pool.release(worker)
        return stopped

    def release(self, slot: int) -> None:
        worker = self._slots.pop(slot, None)
        if worker is not None:
            worker.healthy = False  # the pool ends it
            self._pool.release(worker)

    def trim(self) -> None:
        super().trim()
        self._release_all()
        self._pool.trim()

    def close(self) -> None:
        super().close()
        self._release_all()

    def _release_all(self) -> None:
        for worker in self._slots.values():
            if worker.healthy:
                worker.forget()
            self._pool.release(worker)
        self._slots.clear()
