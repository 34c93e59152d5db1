"""Entry points of workers in other processes and on other machines: `run_packed`.

Bytes in, bytes out: what fails to unpickle or pickle fails here, where the item is known.
"""

from __future__ import annotations

import functools
import math
import os
import pickle
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from ..items.outcomes import not_begun, without_values
from ..model import Outcome
from ..serialize import block_files, pickling
from ..system import blas, machine, subinterpreter
from . import capture, conditions, streams, task_cache
from .arithmetic import telling
from .capture import Report
from .channel import channel
from .chunk_state import NOTHING_MORE, SharedChunkState
from .envelope import PackedCall, items_file, unwanted_file
from .execute import ExecutionSpec, run_chunk, tear_down
from .generators import own_in_fork
from .issuing import Issuing
from .item_errors import failed
from .module_reloads import follow
from .random_streams import ChunkStreams, is_kernel
from .reply import pack, unreadable
from .stop_flag import StopFile
from .task_cache import Loaded, load

FLUSH_EVERY = 0.1  # seconds


def hello(folder: str | None) -> int:
    """Give the process's id, once it has its imports and its channel to the kernel."""
    if folder is not None:
        channel(folder)
    return os.getpid()


Send = Callable[[int, Sequence[tuple[int, str, Any]]], None]  # from which position, reports


class OutputBuffer:
    """Buffers reports for the reply; `send` gets them meanwhile, a few times a second."""

    def __init__(self, send: Send | None) -> None:
        self.reports: list[tuple[int, str, Any]] = []
        self._send = send
        self._sent = 0
        self._waiting = False
        self._lock = threading.Lock()

    def add(self, offset: int, stream: str, content: Any) -> None:
        """Take in a report of an item."""
        with self._lock:
            self.reports.append((offset, stream, content))
            if self._send is None or self._waiting:
                return
            self._waiting = True
        timer = threading.Timer(FLUSH_EVERY, self._flush)
        timer.daemon = subinterpreter.daemons()
        timer.start()

    def _flush(self) -> None:
        with self._lock:
            self._waiting = False
            start, self._sent = self._sent, len(self.reports)
            batch = self.reports[start:]
        if self._send is not None and batch:
            self._send(start, batch)


def run_packed(call: PackedCall, send: Send | None = None) -> bytes:
    """Run a chunk that was packed in the kernel; give its outcome, packed.

    `send` is called with the reports of items where there is no channel to the kernel.
    """
    envelope, buffer = call.envelope, OutputBuffer(send)
    report: Report = buffer.add
    to_kernel = channel(envelope.folder) if envelope.channel else None
    if to_kernel is not None:
        to_kernel.begin(envelope.serial)
        report = to_kernel.reporter(envelope.serial)
    own_in_fork()
    conditions.take_on(envelope.conditions)
    capture.one_at_a_time = call.alone or subinterpreter.number > 0
    blas.hold(call.key, envelope.threads)  # before anything is loaded
    if not call.size:
        ended = _tear_down(call.key, report)
        if to_kernel is not None:
            to_kernel.flush()
        return pack(ended, envelope, buffer.reports)
    unpacked = _unpack(call)
    if isinstance(unpacked, Outcome):
        return pack(unpacked, envelope)
    loaded, items, seconds = unpacked
    # Else the rest runs: the kernel may send no other chunk instead.
    after_failure = NOTHING_MORE if call.stops else math.inf
    chunk_state = SharedChunkState(items, after_failure)
    if to_kernel is not None and not to_kernel.steal_listener.begin(
        envelope.serial, chunk_state, call.size
    ):
        return pack(not_begun(), envelope)
    issuing = Issuing(chunk_state.values, report, loaded.setup)
    with streams.routed(), issuing:
        run = functools.partial(run_chunk, _spec(call, loaded, report), chunk_state, call.budget)
        known = loaded.surroundings.value("context of decimal")
        outcome = loaded.surroundings.run(telling(issuing, known, run))
    if to_kernel is not None:
        to_kernel.steal_listener.end(envelope.serial)
        to_kernel.flush()
    issued = to_kernel is not None and issuing.count > 0
    return pack(outcome, envelope, buffer.reports, seconds, issued)


def _tear_down(key: str, report: Report) -> Outcome:
    """Call the teardown of a run's task, where it is loaded; an error is that of the outcome.

    Without a key it is that of every task: the process ends.
    """
    if not key:
        task_cache.end()
        return not_begun()
    loaded = task_cache.loaded(key)
    if loaded is None:
        return not_begun()
    with streams.routed(), Issuing((), report, loaded.setup):
        run = functools.partial(tear_down, loaded.task, loaded.prepared, report)
        error = loaded.surroundings.run(run)
    return not_begun() if error is None else without_values(failed(error))


def _spec(call: PackedCall, loaded: Loaded, report: Report) -> ExecutionSpec:
    clock = time.process_time if call.alone else time.thread_time
    stop_flag, starved = StopFile(str(unwanted_file(call.envelope))), machine.starved
    streams, task = None, loaded.task
    if call.indices:
        kernel = int(call.key.partition("-")[0])
        indices = pickle.loads(call.indices)
        streams = ChunkStreams(task.streams, indices, keeps=is_kernel(kernel))
    return ExecutionSpec(
        *(task, loaded.prepared, stop_flag, report),
        cpu_clock=clock,
        starved=starved,
        streams=streams,
    )


def _unpack(call: PackedCall) -> tuple[Loaded, Any, float] | Outcome:
    """Give the task, the items and the CPU seconds that these took; an outcome on failure."""
    what = "the function"
    try:
        follow(call.envelope.reloaded)
        loaded = load(call.key, call.block, call.renewed)
        what = "the item"
        begun = time.thread_time()
        packed = call.items
        items = (
            pickling.loads(packed) if packed else block_files.unpack_file(items_file(call.envelope))
        )
        return loaded, items, time.thread_time() - begun
    except BaseException as error:
        if call.size > 1:  # any of them may be to blame: they come again one by one
            return not_begun()
        return without_values(failed(unreadable(what, "in the worker", error), unsent="item"))
