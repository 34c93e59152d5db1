"""Any `concurrent.futures.Executor` as a backend; whoever made it shuts it down."""

from __future__ import annotations

import functools
from concurrent.futures import Executor, Future, ThreadPoolExecutor

from ..items.outcomes import lost
from ..model import Chunk, Outcome
from ..system import machine
from ..worker import streams
from ..worker.chunk_state import ChunkState
from ..worker.entry import run_packed
from ..worker.envelope import PackedCall
from ..worker.execute import ExecutionSpec, StopFlag, run_chunk
from ..worker.random_streams import streams_of
from ..worker.setup_once import SetupOnce
from .base import Backend, Session, SessionSpec
from .remote import RemoteSession
from .slot_lines import SlotLines

LEFT = 60.0  # seconds until another call is put behind one that is unwanted


class ExecutorBackend(Backend):
    """Somebody else's pool."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self.name = type(executor).__name__
        of_interpreters = type(executor).__name__ == "InterpreterPoolExecutor"  # since Python 3.14
        self.remote = of_interpreters or not isinstance(executor, ThreadPoolExecutor)

    def default_workers(self) -> int:
        return getattr(self._executor, "_max_workers", None) or machine.cores()

    def open(self, spec: SessionSpec) -> Session:
        if self.remote:
            return ExecutorSession(spec, self._executor)
        return ExecutorThreadsSession(spec, self._executor)


class ExecutorSession(RemoteSession):
    """A pool that may be of processes, or of anything: it is sent bytes."""

    patience = LEFT

    def __init__(self, spec: SessionSpec, executor: Executor) -> None:
        self._executor = executor
        self._lines = SlotLines(executor, spec.workers)
        super().__init__(spec, local=False)

    def send(self, slot: int, chunk: Chunk, call: PackedCall) -> Future[bytes]:
        return self._lines.submit(slot, run_packed, call)

    def resize(self, workers: int) -> None:
        super().resize(workers)
        self._lines.resize(workers)

    def abort(self, slot: int) -> bool:
        return self._lines.abort(slot)

    def close(self) -> None:
        super().close()
        self._lines.clear()


class ExecutorThreadsSession(Session):
    """A pool of threads in this process: nothing is pickled."""

    patience = LEFT

    def __init__(self, spec: SessionSpec, executor: Executor) -> None:
        self._spec = spec
        self._executor = executor
        self._lines = SlotLines(executor, spec.workers)
        self._stop_flags: dict[Chunk, tuple[int, StopFlag]] = {}  # with the slot
        streams.install()
        self._set_up = SetupOnce(spec.task)

    def submit(self, slot: int, chunk: Chunk) -> None:
        context = self._spec.context.copy()
        task = self._spec.task
        stop_flag = StopFlag()
        self._stop_flags[chunk] = slot, stop_flag
        report = functools.partial(self._spec.report, chunk)
        drawn_from = streams_of(task, chunk.indices, shared=True)
        spec = ExecutionSpec(task, self._set_up, stop_flag, report, streams=drawn_from)
        chunk_state = ChunkState(chunk.items)
        run = context.run, run_chunk, spec, chunk_state, chunk.budget
        self._lines.submit(slot, *run).add_done_callback(functools.partial(self._done, chunk))

    def _done(self, chunk: Chunk, future: Future[Outcome]) -> None:
        self._stop_flags.pop(chunk, None)
        error = None if future.cancelled() else future.exception()
        outcome = lost(str(error), chunk) if error is not None else future.result()
        self._spec.deliver(chunk, lambda: outcome)

    def unwanted(self, slot: int) -> None:
        for at, stop_flag in [*self._stop_flags.values()]:
            if at == slot:
                stop_flag.stop()

    def resize(self, workers: int) -> None:
        self._lines.resize(workers)

    def abort(self, slot: int) -> bool:
        self.unwanted(slot)
        self._lines.abort(slot)
        return False

    def close(self) -> None:
        self._stop_flags.clear()
        self._lines.clear()
        streams.remove()
