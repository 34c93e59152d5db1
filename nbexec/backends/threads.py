"""threads: for I/O, and for code that frees the GIL.

Each slot has a daemon thread with a queue of its own, used by one run at a time, so that a
thread that hangs can be left behind without harm to the others.
"""

from __future__ import annotations

import contextlib
import functools
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from typing import Any

from ..errors import BackendError
from ..model import Chunk
from ..system import affinity, blas, machine
from ..worker import held_records, streams
from ..worker.chunk_state import SharedChunkState
from ..worker.execute import ExecutionSpec, StopFlag, run_chunk, tear_down, worker_name
from ..worker.item_errors import failed
from ..worker.random_streams import streams_of
from ..worker.setup_once import TORN, SetupOnce
from .base import Backend, Running, Session, SessionSpec
from .pool import Pool
from .serial import Stopwatch

IO_THREADS = 32  # most threads by default; what concurrent.futures settled on
WARM = 256  # threads that stay for the next run: to make one takes 0.1 ms, idle it costs nothing


class ThreadWorker:
    """One thread that runs jobs until it is closed."""

    def __init__(self, number: int) -> None:
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self.healthy = True
        self.items = 0  # that it has run, of all runs
        self._usual_name = f"nbexec-thread-{number}"
        self._thread = threading.Thread(target=self._serve, name=self._usual_name, daemon=True)
        self._thread.start()

    @property
    def name(self) -> str:
        """The thread's name."""
        return self._thread.name

    def rename(self, name: str = "") -> None:
        """Give it a name, or its usual one."""
        self._thread.name = name or self._usual_name

    def _serve(self) -> None:
        affinity.unpin_thread()  # it begins with that of the thread which started it
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
    adds_workers = True
    takes = frozenset({"teardown", "worker_name", "pin", "recycle_after"})

    def __init__(self) -> None:
        self._pool = Pool(ThreadWorker, keep=WARM)

    def default_workers(self) -> int:
        return min(IO_THREADS, machine.cores() + 4)

    def open(self, spec: SessionSpec) -> Session:
        return ThreadsSession(spec, self._pool)

    def close(self) -> None:
        self._pool.close()


class ThreadsSession(Session):
    """Chunks run in the caller's context, on threads that no other run uses meanwhile."""

    stealable = True
    side_threads = True
    restartable = True
    patience = 0.0  # the next one gets another task, or thread

    def __init__(self, spec: SessionSpec, pool: Pool[ThreadWorker]) -> None:
        self._spec = spec
        self._pool = pool
        self._workers: dict[int, RunThread] = {}
        self._count = spec.workers
        self._old: set[RunThread] = set()  # to be replaced
        self._fresh = False  # whether new ones must not have run anything
        self._ending: list[Future[Any]] = []  # likewise, of all that go on
        self._ended: dict[int, Future[Any]] = {}  # by slot, of the one before
        streams.install()
        self._holding = held_records.holding() if spec.hold else contextlib.nullcontext()
        self._holding.__enter__()

    def prepare(self, workers: int) -> int:
        try:
            for slot in range(workers):
                self._ensure(slot)
        except BackendError:
            raise
        except RuntimeError:  # the system's limit: no thread can be started
            return len(self._workers)
        return workers

    def _ensure(self, slot: int) -> None:
        if not self._workers:
            self._divide_cores()
        if slot not in self._workers:
            thread = self._pool.acquire(self._fits)
            self._workers[slot] = RunThread(self._spec, thread, slot, self._ended.pop(slot, None))

    def _fits(self, thread: ThreadWorker) -> bool:
        """Whether a thread of an earlier run will do."""
        return not (self._fresh and thread.items) and not self._spec.own.worn(thread.items, 1)

    def _replace(self, slot: int) -> None:
        """Have the thread of a slot end, which another one waits for."""
        worker = self._workers.pop(slot)
        self._old.discard(worker)
        self._ended[slot] = ended = worker.finish()
        self._ending = [one for one in self._ending if not one.done()] + [ended]
        self._pool.release(worker.thread)

    def restart(self) -> None:
        self._fresh = True
        self._old.update(self._workers.values())
        for slot, worker in [*self._workers.items()]:
            if worker.idle:
                self._replace(slot)

    def _divide_cores(self) -> None:
        blas.enter(self, machine.cores() if self._spec.own.pin else self._count)

    def submit(self, slot: int, chunk: Chunk) -> SharedChunkState:
        worker = self._workers.get(slot)
        if worker is not None and (worker in self._old or self._worn(worker, chunk)):
            self._replace(slot)
        self._ensure(slot)
        chunk_state = SharedChunkState(chunk.items, self._spec.after_failure, watched=True)
        self._workers[slot].submit(chunk, chunk_state)
        return chunk_state

    def _worn(self, worker: RunThread, chunk: Chunk) -> bool:
        return self._spec.own.worn(worker.thread.items, len(chunk))

    def unwanted(self, slot: int) -> None:
        if slot in self._workers:
            self._workers[slot].unwanted()

    def abort(self, slot: int) -> bool:
        worker = self._workers.pop(slot, None)
        if worker is not None:  # else no thread could be started for it
            worker.leave()
            self._pool.release(worker.thread)
        return False  # a thread can't be stopped

    def release(self, slot: int) -> None:
        worker = self._workers.get(slot)
        if worker is None:
            return
        if self._spec.task.teardown is not None:
            self._replace(slot)  # teardown may go on for a while
            return
        del self._workers[slot]
        self._old.discard(worker)
        worker.put_back()
        self._pool.release(worker.thread)

    def tear_down(self) -> Sequence[Future[Any]]:
        begun = [worker.tear_down() for worker in self._workers.values()]
        return [*self._ending, *(done for done in begun if done is not None)]

    def close(self) -> None:
        for worker in self._workers.values():
            worker.put_back()
            self._pool.release(worker.thread)
        self._workers.clear()
        blas.leave(self)
        streams.remove()
        self._holding.__exit__(None, None, None)

    def resize(self, workers: int) -> None:
        self._count = workers
        if self._workers:
            self._divide_cores()

    def worker(self, slot: int, chunk: Chunk) -> str:
        return self._workers[slot].thread.name if slot in self._workers else ""

    def running(self) -> Running | None:
        return self._workers[0].watch.read() if 0 in self._workers else None


def _wait(before: Future[Any]) -> None:
    wait([before])


class RunThread:
    """A thread of the pool, with what it needs for one run."""

    def __init__(
        self, spec: SessionSpec, thread: ThreadWorker, slot: int, before: Future[Any] | None
    ) -> None:
        self.thread = thread
        self._slot = slot
        self._given = self._finished = 0  # chunks; each is counted by one thread
        self.watch = Stopwatch()
        self._spec = spec
        self._stop_flag = StopFlag()
        self._context = spec.context.copy()
        self._set_up = SetupOnce(spec.task, self._enter)
        if spec.own.name:
            thread.rename(spec.own.named(slot))
        if before is not None:
            thread.call(functools.partial(_wait, before))  # for one that it takes the place of
        self._last: Chunk | None = None
        self._ending: Future[Any] | None = None  # done after teardown, once that was asked for

    def _enter(self) -> None:
        self._spec.surroundings.enter_thread()
        if self._spec.own.pin:
            affinity.pin_thread(affinity.core_of(self._slot))

    @property
    def idle(self) -> bool:
        """Whether it has come to the end of every chunk."""
        return self._given == self._finished

    def submit(self, chunk: Chunk, chunk_state: SharedChunkState) -> None:
        self._last = chunk
        self._given += 1
        run = functools.partial(self._context.run, self._run, chunk, chunk_state, self._stop_flag)
        self.thread.call(run)

    def _run(self, chunk: Chunk, chunk_state: SharedChunkState, stop_flag: StopFlag) -> None:
        blas.look()
        report = functools.partial(self._spec.report, chunk)
        task = self._spec.task
        drawn_from = streams_of(task, chunk.indices, shared=True)
        hold = self._spec.hold and functools.partial(self._spec.hold, chunk)
        spec = ExecutionSpec(task, self._set_up, stop_flag, report, streams=drawn_from, hold=hold)
        if self._spec.judged:
            with self.watch:
                spec = spec._replace(starved=machine.starved)
                outcome = run_chunk(spec, chunk_state, chunk.budget)
        else:  # to ask takes three system calls, and each lets another thread have the GIL
            outcome = run_chunk(spec, chunk_state, chunk.budget)
        self.thread.items += len(outcome.values)
        self._finished += 1
        self._spec.deliver(chunk, lambda: outcome)

    def unwanted(self) -> None:
        """Stop the chunks that it was given so far; later ones are wanted."""
        self._stop_flag.stop()
        self._stop_flag = StopFlag()

    def tear_down(self) -> Future[Any] | None:
        """Have teardown called once the chunks before are done; None where there is none."""
        last, self._last = self._last, None
        if last is None or self._spec.task.teardown is None:
            return None
        done = self._ending = Future()
        job = functools.partial(self._tear_down, last.part(len(last) - 1), done)
        self.thread.call(functools.partial(self._context.run, job))
        return done

    def _tear_down(self, last: Chunk, done: Future[Any]) -> None:
        report = functools.partial(self._spec.report, last)
        error = tear_down(self._spec.task, self._set_up, report)
        if error is not None:
            self._spec.report(last, 0, TORN, (failed(error), worker_name()))
        done.set_result(None)

    def finish(self) -> Future[Any]:
        """Have the thread end after what it has been given; give what is done then."""
        done = self.tear_down()
        if done is None:
            done = Future()
            self.thread.call(functools.partial(done.set_result, None))
        self.thread.healthy = False
        return done

    def put_back(self) -> None:
        """Have the thread be as it was before, for another run, unless teardown goes on there."""
        if self._ending is not None and not self._ending.done():
            self.thread.healthy = False
        if self._spec.own.pin:
            self.thread.call(affinity.unpin_thread)
        if self._spec.own.name:
            self.thread.rename()

    def leave(self) -> None:
        """Leave the thread behind: it ends after the item that it is in, and teardown."""
        self._stop_flag.stop()
        self.tear_down()
        self.thread.healthy = False
