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
from ..worker.execute import StopFlag, prepare, run_chunk
from .base import Backend, Running, Session, SessionSpec

Clock = Callable[[], float]
UNASKED = 0.05  # share of the time, up to which nobody need know why it was not on a core


class Serial(Backend):
    """The calling thread itself."""

    name = "serial"
    most_workers = 1
    can_time_out = False  # the calling thread is in it

    def default_workers(self) -> int:
        return 1

    def open(self, setting: SessionSpec) -> Session:
        return SerialSession(setting)


class SerialSession(Session):
    """Chunks become jobs for the run's hands."""

    def __init__(self, setting: SessionSpec) -> None:
        self._setting = setting
        self._stop_flag = StopFlag()
        self._call = functools.cache(lambda: prepare(setting.task))  # setup runs in the hands
        self._watch = Stopwatch()
        streams.install()

    def submit(self, slot: int, chunk: Chunk) -> SharedChunkState:
        setting = self._setting
        hear = functools.partial(setting.hear, chunk, shown=setting.direct)
        stop_flag = self._stop_flag
        chunk_state = SharedChunkState(chunk.items)

        def job() -> None:
            interrupt: list[BaseException] = []
            with self._watch:
                outcome = run_chunk(
                    self._call,
                    setting.task,
                    chunk,
                    stop_flag,
                    interrupt=interrupt.append,
                    starved=machine.starved,
                    hear=hear,
                    through=setting.direct,
                    chunk_state=chunk_state,
                )
            if interrupt:
                stop_flag.stop()  # nothing more runs until the run hears of it
            setting.deliver(chunk, lambda: outcome)
            if interrupt:
                raise interrupt[0]

        setting.caller_thread.call(job)
        return chunk_state

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
    """Times of what a thread does now, for another thread to read."""

    def __init__(self) -> None:
        self._begun: tuple[Running, Clock, Clock, int] | None = None

    def __enter__(self) -> Stopwatch:
        cpu, starved = _cpu_clock_of_this_thread(), machine.starving_of_this_thread()
        at_first = Running(time.perf_counter(), cpu(), starved())
        self._begun = at_first, cpu, starved, threading.get_native_id()
        return self

    def __exit__(self, *_: object) -> None:
        self._begun = None

    def read(self) -> Running | None:
        """Give the seconds so far; None while nothing is done."""
        if (begun := self._begun) is None:
            return None
        at_first, cpu_clock, starved, thread = begun
        wall, cpu = time.perf_counter() - at_first.wall, cpu_clock() - at_first.cpu
        # To ask for it lets go of the GIL, and to get that back takes 5 ms where items hold it.
        if wall - cpu <= UNASKED * wall:
            return Running(wall, cpu, 0.0)
        if machine.ready(thread):  # perhaps all the time; if not, a later look tells
            return Running(wall, cpu, wall - cpu)
        return Running(wall, cpu, starved() - at_first.starved)


def _cpu_clock_of_this_thread() -> Clock:
    """Give a clock of this thread's CPU time that another thread can read."""
    if not hasattr(time, "pthread_getcpuclockid"):  # macOS, Windows: the process's is near
        return time.process_time
    return functools.partial(time.clock_gettime, time.pthread_getcpuclockid(threading.get_ident()))
