"""serial: one item after the other in the thread that waits for the run.  For debugging."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable

from ..model import Chunk
from ..system import machine
from ..worker import streams
from ..worker.chunk_state import SharedChunkState
from ..worker.execute import ExecutionSpec, StopFlag, prepare, run_chunk
from .base import Backend, Running, Session, SessionSpec

Clock = Callable[[], float]
UNASKED = 0.05  # share of the time off a core, up to which its reason is not asked for


class Serial(Backend):
    """The calling thread itself."""

    name = "serial"
    most_workers = 1
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
        self._call = functools.cache(lambda: prepare(spec.task))  # setup runs in the caller thread
        self._watch = Stopwatch()
        streams.install()

    def submit(self, slot: int, chunk: Chunk) -> SharedChunkState:
        chunk_state = SharedChunkState(chunk.items, watched=True)
        job = functools.partial(self._run, chunk, chunk_state, self._stop_flag)
        self._spec.caller_thread.call(job)
        return chunk_state

    def _run(self, chunk: Chunk, chunk_state: SharedChunkState, stop_flag: StopFlag) -> None:
        interrupt: list[BaseException] = []
        spec = self._spec
        execution = ExecutionSpec(
            spec.task,
            self._call,
            stop_flag,
            functools.partial(spec.report, chunk, shown=spec.direct),
            passthrough=spec.direct,
            starved=machine.starved,
            interrupt=interrupt.append,
        )
        with self._watch:
            outcome = run_chunk(execution, chunk_state, chunk.budget)
        if interrupt:
            stop_flag.stop()  # nothing more runs until the run knows of it
        spec.deliver(chunk, lambda: outcome)
        if interrupt:
            raise interrupt[0]

    def unwanted(self, slot: int) -> None:
        self._stop_flag.stop()
        self._stop_flag = StopFlag()  # an earlier item may still have to be tried again

    def abort(self, slot: int) -> bool:
        self._stop_flag.stop()
        return False

    def close(self) -> None:
        self._stop_flag.stop()
        streams.remove()

    def running(self) -> Running | None:
        return self._watch.read()


class Stopwatch:
    """Times of the current job of a thread, for another thread to read."""

    def __init__(self) -> None:
        self._begun: tuple[Running, Clock, Clock, int] | None = None

    def __enter__(self) -> Stopwatch:
        cpu, starved = _cpu_clock_of_this_thread(), machine.starving_of_this_thread()
        at_first = Running(time.perf_counter(), cpu(), starved())
        self._begun = at_first, cpu, starved, threading.get_native_id()
        return self

    def __exit__(self, *_: object) -> None:
        self._begun = None

    def here(self) -> Running | None:
        """Give the seconds so far, in the thread itself; None while nothing is done."""
        if (begun := self._begun) is None:
            return None
        at_first, cpu_clock, starved, _ = begun
        wall, cpu = time.perf_counter() - at_first.wall, cpu_clock() - at_first.cpu
        return Running(wall, cpu, starved() - at_first.starved)

    def read(self) -> Running | None:
        """Give the seconds so far, in another thread; None while nothing is done."""
        if (begun := self._begun) is None:
            return None
        at_first, cpu_clock, starved, thread = begun
        wall, cpu = time.perf_counter() - at_first.wall, cpu_clock() - at_first.cpu
        # To ask for it releases the GIL, and to get that back takes 5 ms where items hold it.
        if wall - cpu <= UNASKED * wall:
            return Running(wall, cpu, 0.0)
        if machine.ready(thread):  # perhaps all the time; if not, a later look shows it
            return Running(wall, cpu, wall - cpu)
        return Running(wall, cpu, starved() - at_first.starved)


def _cpu_clock_of_this_thread() -> Clock:
    """Give a clock of this thread's CPU time that another thread can read."""
    if not hasattr(time, "pthread_getcpuclockid"):  # macOS, Windows: the process's is near
        return time.process_time
    return functools.partial(time.clock_gettime, time.pthread_getcpuclockid(threading.get_ident()))
