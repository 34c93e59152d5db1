"""Any `concurrent.futures.Executor` as a backend; whoever made it shuts it down."""

from __future__ import annotations

import functools
from concurrent.futures import Executor, Future, ThreadPoolExecutor

from ..items.outcomes import lost
from ..model import Chunk, Outcome
from ..system import machine
from ..worker import streams
from ..worker.entry import run_packed
from ..worker.execute import StopFlag, prepare, run_chunk
from .base import Backend, Session, SessionSpec
from .remote import PackedCall, RemoteSession


class Foreign(Backend):
    """Somebody else's pool."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self.name = type(executor).__name__
        of_interpreters = type(executor).__name__ == "InterpreterPoolExecutor"  # since Python 3.14
        self.remote = of_interpreters or not isinstance(executor, ThreadPoolExecutor)

    def default_workers(self) -> int:
        return getattr(self._executor, "_max_workers", None) or machine.cores()

    def open(self, setting: SessionSpec) -> Session:
        if self.remote:
            return ForeignSession(setting, self._executor)
        return ForeignThreads(setting, self._executor)


class ForeignSession(RemoteSession):
    """A pool that may be of processes, or of anything: it is sent bytes."""

    def __init__(self, setting: SessionSpec, executor: Executor) -> None:
        super().__init__(setting, here=False)
        self._executor = executor
        self._futures: dict[int, Future[bytes]] = {}

    def send(self, slot: int, chunk: Chunk, call: PackedCall) -> Future[bytes]:
        self._futures[slot] = self._executor.submit(run_packed, *call)
        return self._futures[slot]

    def abort(self, slot: int) -> bool:
        return self._futures[slot].cancel()  # one that runs can't be stopped from here

    def close(self) -> None:
        super().close()
        self._futures.clear()


class ForeignThreads(Session):
    """A pool of threads in this process: nothing is pickled."""

    def __init__(self, setting: SessionSpec, executor: Executor) -> None:
        self._setting = setting
        self._executor = executor
        self._stop_flags: dict[int, StopFlag] = {}
        streams.install()
        self._prepared = functools.cache(lambda: prepare(setting.task))

    def submit(self, slot: int, chunk: Chunk) -> None:
        context = self._setting.context.copy()
        task = self._setting.task
        stop_flag = self._stop_flags[slot] = StopFlag()
        hear = functools.partial(self._setting.hear, chunk)
        run = functools.partial(run_chunk, self._prepared, task, chunk, stop_flag, hear=hear)
        future = self._executor.submit(context.run, run)
        future.add_done_callback(functools.partial(self._done, slot, chunk))

    def _done(self, slot: int, chunk: Chunk, future: Future[Outcome]) -> None:
        error = None if future.cancelled() else future.exception()
        outcome = lost(str(error), chunk) if error is not None else future.result()
        self._setting.deliver(chunk, lambda: outcome)

    def unwanted(self, slot: int) -> None:
        self._stop_flags[slot].stop()

    def abort(self, slot: int) -> bool:
        self._stop_flags[slot].stop()
        return False

    def close(self) -> None:
        self._stop_flags.clear()
        streams.remove()
