"""serial: one item after the other in the thread that waits for the run.  For debugging."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import Any, NamedTuple

from ..model import Chunk, Outcome
from ..system import machine
from ..system.full_collections import Collected, collected
from ..worker import streams
from ..worker.chunk_state import SharedChunkState
from ..worker.execute import ExecutionSpec, StopFlag, run_chunk, tear_down, worker_name
from ..worker.item_errors import failed, interrupts
from ..worker.random_streams import streams_of
from ..worker.setup_once import TORN, SetupOnce
from .base import Backend, Running, Session, SessionSpec

Clock = Callable[[], float]
UNASKED = 0.05  # share of the time off a core, up to which its reason is not asked for


class Serial(Backend):
    """The calling thread itself."""

    name = "serial"
    most_workers = 1
    takes = frozenset({"teardown", "worker_name"})
    can_time_out = False  # the calling thread is in it

    def default_workers(self) -> int:
        return 1

    def open(self, spec: SessionSpec) -> Session:
        return SerialSession(spec)


class SerialSession(Session):
    """Chunks become jobs of the run's caller thread."""

    def __init__(self, spec: SessionSpec) -> None:
        self._spec = spec
        self._stop_flag = StopFlag()
        self._set_up = SetupOnce(spec.task, self._enter)  # setup runs in the caller thread
        self._last: Chunk | None = None
        self._watch = Stopwatch()
        streams.install()

    def _enter(self) -> None:
        if threading.get_ident() != self._spec.surroundings.thread:  # that the run began in
            self._spec.surroundings.enter_thread()

    @property
    def side_threads(self) -> bool:  # type: ignore[override]
        """Whether items run in another thread than a plain loop of the caller's."""
        return self._spec.caller_thread.own

    def submit(self, slot: int, chunk: Chunk) -> SharedChunkState:
        chunk_state = SharedChunkState(chunk.items, self._spec.after_failure, watched=True)
        self._last = chunk
        job = functools.partial(self._run, chunk, chunk_state, self._stop_flag)
        self._spec.caller_thread.call(job)
        return chunk_state

    def _run(self, chunk: Chunk, chunk_state: SharedChunkState, stop_flag: StopFlag) -> None:
        interrupt: list[BaseException] = []
        spec = self._spec
        execution = ExecutionSpec(
            spec.task,
            self._set_up,
            stop_flag,
            functools.partial(spec.report, chunk, shown=spec.direct),
            passthrough=spec.direct,
            starved=machine.starved,
            interrupt=interrupt.append,
            streams=streams_of(spec.task, chunk.indices),
        )
        with self._watch:
            outcome = run_chunk(execution, chunk_state, chunk.budget)
        if spec.own.name:
            outcome = replace(outcome, worker=spec.own.named(0))
        failed = bool(outcome.errors) and spec.stops and not self.side_threads
        if interrupt or failed:
            stop_flag.stop()  # nothing more runs until the run knows of it

        def reply() -> Outcome:
            if failed:  # the run knows of it, and may have the item tried again
                self._stop_flag = StopFlag()
            return outcome

        spec.deliver(chunk, reply)
        if interrupt:
            raise interrupt[0]

    def unwanted(self, slot: int) -> None:
        self._stop_flag.stop()
        self._stop_flag = StopFlag()  # an earlier item may still have to be tried again

    def abort(self, slot: int) -> bool:
        self._stop_flag.stop()
        return False

    def tear_down(self) -> Sequence[Future[Any]]:
        if self._spec.task.teardown is None or self._last is None:
            return ()
        done: Future[Any] = Future()
        self._spec.caller_thread.call(functools.partial(self._tear_down, self._last, done))
        return (done,)

    def _tear_down(self, last: Chunk, done: Future[Any]) -> None:
        spec, last = self._spec, last.part(len(last) - 1)
        report = functools.partial(spec.report, last, shown=spec.direct)
        error = tear_down(spec.task, self._set_up, report, spec.direct)
        if error is not None and not interrupts(error):
            worker = spec.own.named(0) or worker_name()
            spec.report(last, 0, TORN, (failed(error), worker))
        done.set_result(None)
        if error is not None and interrupts(error):
            raise error

    def close(self) -> None:
        self._stop_flag.stop()
        streams.remove()

    def worker(self, slot: int, chunk: Chunk) -> str:
        return self._spec.own.named(0)

    def running(self) -> Running | None:
        return self._watch.read()


class Stopwatch:
    """Times of the current job of a thread, for another thread to read.

    Full garbage collections are left out: they are no cost of what the thread does.
    """

    def __init__(self) -> None:
        self._begun: _Begun | None = None

    def __enter__(self) -> Stopwatch:
        thread = threading.get_ident()
        cpu, starved = _cpu_clock_of_this_thread(), machine.starving_of_this_thread()
        at_first = Running(time.perf_counter(), cpu(), starved())
        native = threading.get_native_id()
        self._begun = _Begun(at_first, collected(thread), cpu, starved, thread, native)
        return self

    def __exit__(self, *_: object) -> None:
        self._begun = None

    def here(self) -> Running | None:
        """Give the seconds so far, in the thread itself; None while nothing is done."""
        if (begun := self._begun) is None:
            return None
        wall, cpu = begun.so_far()
        return Running(wall, cpu, begun.starved())

    def read(self) -> Running | None:
        """Give the seconds so far, in another thread; None while nothing is done."""
        if (begun := self._begun) is None:
            return None
        wall, cpu = begun.so_far()
        # To ask for it releases the GIL, and to get that back takes 5 ms where items hold it.
        if wall - cpu <= UNASKED * wall:
            return Running(wall, cpu, 0.0)
        if machine.ready(begun.native):  # perhaps all the time; if not, a later look shows it
            return Running(wall, cpu, wall - cpu)
        return Running(wall, cpu, begun.starved())


class _Begun(NamedTuple):
    """The clocks of a thread, and what they were when its job began."""

    at_first: Running
    collections: Collected
    cpu_clock: Clock
    starving: Clock
    thread: int
    native: int

    def so_far(self) -> tuple[float, float]:
        """Give the seconds since then, and those on a core."""
        now, before = collected(self.thread), self.collections
        wall = time.perf_counter() - self.at_first.wall - (now.wall - before.wall)
        cpu = self.cpu_clock() - self.at_first.cpu - (now.cpu - before.cpu)
        return wall, cpu

    def starved(self) -> float:
        """Give the seconds since then without a core."""
        return self.starving() - self.at_first.starved


def _cpu_clock_of_this_thread() -> Clock:
    """Give a clock of this thread's CPU time that another thread can read."""
    if not hasattr(time, "pthread_getcpuclockid"):  # macOS, Windows: the process's is near
        return time.process_time
    return functools.partial(time.clock_gettime, time.pthread_getcpuclockid(threading.get_ident()))
