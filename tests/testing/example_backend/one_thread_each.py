"""A small backend, as a package of its own might have it: a new thread for each chunk."""

from __future__ import annotations

import functools
import threading

from nbexec.backends.base import Backend, Session
from nbexec.worker import streams
from nbexec.worker.chunk_state import ChunkState
from nbexec.worker.execute import ExecutionSpec, StopFlag, run_chunk
from nbexec.worker.random_streams import streams_of
from nbexec.worker.setup_once import SetupOnce


class OneThreadEach(Backend):
    """Every chunk in a thread that ends with it."""

    name = "one_thread_each"

    def default_workers(self):
        return 4

    def open(self, spec):
        return ThreadEachSession(spec)


class ThreadEachSession(Session):
    """One run's use of it: `submit` starts a thread, which delivers what the chunk came to."""

    side_threads = True  # items don't run in the caller's thread

    def __init__(self, spec):
        self._spec = spec
        self._prepared = {}  # by slot: `setup` is called once in each
        self._stop_flags = {}
        self._locks = {}  # a slot runs one chunk after the other
        streams.install()  # what items print is theirs

    def submit(self, slot, chunk):
        if slot not in self._prepared:
            self._prepared[slot] = SetupOnce(self._spec.task)
            self._locks[slot] = threading.Lock()
            self._stop_flags[slot] = StopFlag()
        run = self._spec.context.copy().run
        arguments = self._run, slot, chunk, self._prepared[slot], self._locks[slot]
        stop_flag = self._stop_flags[slot]
        threading.Thread(target=run, args=(*arguments, stop_flag), daemon=True).start()

    def _run(self, slot, chunk, prepared, lock, stop_flag):
        self._spec.surroundings.enter_thread()
        report = functools.partial(self._spec.report, chunk)
        drawn = streams_of(self._spec.task, chunk.indices, shared=True)
        spec = ExecutionSpec(self._spec.task, prepared, stop_flag, report, streams=drawn)
        with lock:
            outcome = run_chunk(spec, ChunkState(chunk.items), chunk.budget)
        self._spec.deliver(chunk, lambda: outcome)

    def unwanted(self, slot):
        self._stop_flags[slot].stop()  # `nbexec.cancelled()` is true, and no other item begins
        self._stop_flags[slot] = StopFlag()  # for later chunks, which are wanted

    def abort(self, slot):
        self._stop_flags.pop(slot).stop()
        del self._prepared[slot], self._locks[slot]  # another worker stands behind the slot now
        return False  # a thread can't be stopped: it is left behind

    def close(self):
        streams.remove()
