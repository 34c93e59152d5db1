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
from concurrent.futures import Future
from typing import Any

from ..errors import BackendError
from ..model import Chunk
from ..system import blas, machine
from ..worker import held_records, streams
from ..worker.chunk_state import AFTER_FAILURE, NOTHING_MORE, SharedChunkState
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
        self.name = f"nbexec-thread-{number}"
        threading.Thread(target=self._serve, name=self.name, daemon=True).start()

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
    patience = 0.0  # the next one gets another task, or thread

    def __init__(self, spec: SessionSpec, pool: Pool[ThreadWorker]) -> None:
        self._spec = spec
        self._pool = pool
        self._workers: dict[int, RunThread] = {}
        self._count = spec.workers
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
            self._workers[slot] = RunThread(self._spec, self._pool.acquire())

    def _divide_cores(self) -> None:
        blas.enter(self, self._count)

    def submit(self, slot: int, chunk: Chunk) -> SharedChunkState:
        self._ensure(slot)
        after_failure = NOTHING_MORE if self._spec.stops else AFTER_FAILURE
        chunk_state = SharedChunkState(chunk.items, after_failure, watched=True)
        self._workers[slot].submit(chunk, chunk_state)
        return chunk_state

    def unwanted(self, slot: int) -> None:
        self._workers[slot].unwanted()

    def abort(self, slot: int) -> bool:
        worker = self._workers.pop(slot)
        worker.leave()
        self._pool.release(worker.thread)
        return False  # a thread can't be stopped

    def tear_down(self) -> Sequence[Future[Any]]:
        begun = [worker.tear_down() for worker in self._workers.values()]
        return [done for done in begun if done is not None]

    def close(self) -> None:
        for worker in self._workers.values():
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


class RunThread:
    """A thread of the pool, with what it needs for one run."""

    def __init__(self, spec: SessionSpec, thread: ThreadWorker) -> None:
        self.thread = thread
        self.watch = Stopwatch()
        self._spec = spec
        self._stop_flag = StopFlag()
        self._context = spec.context.copy()
        self._set_up = SetupOnce(spec.task, spec.surroundings.enter_thread)
        self._last: Chunk | None = None

    def submit(self, chunk: Chunk, chunk_state: SharedChunkState) -> None:
        self._last = chunk
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
        done: Future[Any] = Future()
        job = functools.partial(self._tear_down, last.part(len(last) - 1), done)
        self.thread.call(functools.partial(self._context.run, job))
        return done

    def _tear_down(self, last: Chunk, done: Future[Any]) -> None:
        report = functools.partial(self._spec.report, last)
        error = tear_down(self._spec.task, self._set_up, report)
        if error is not None:
            self._spec.report(last, 0, TORN, (failed(error), worker_name()))
        done.set_result(None)

    def leave(self) -> None:
        """Leave the thread behind: it ends after the item that it is in, and teardown."""
        self._stop_flag.stop()
        self.tear_down()
        self.thread.healthy = False
