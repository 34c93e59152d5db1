"""Calls of a function on the items of a chunk: dear ones timed one by one, brief ones together.

To look at the clock after an item takes longer than a call that does nothing.  So brief items
are timed as a group, where another thread looks at the chunk: it ends a group in which an item
lasts, which is then known by its being the last one.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any, Protocol

from ..model import Task
from . import blocks
from .capture import Report
from .chunk_state import ChunkState
from .item_errors import ended, interrupts, parted
from .random_streams import ChunkStreams
from .stop_flag import StopFlag

BRIEF = 5e-6  # seconds; to time an item alone takes 0.1 us: the noop-* benchmarks
FIRST, LARGEST = 16, 1024  # items of a group
PART = 2e-4  # seconds that one is to take; it costs 1.5 us more than its items

_clock = time.perf_counter


class Spec(Protocol):
    """How a worker runs a chunk: see `execute.ExecutionSpec`."""

    @property
    def task(self) -> Task: ...

    @property
    def prepared(self) -> Callable[[], Callable[[Any], Any]]: ...

    @property
    def stop_flag(self) -> StopFlag: ...

    @property
    def report(self) -> Report: ...

    @property
    def streams(self) -> ChunkStreams | None: ...


def call_items(spec: Spec, chunk_state: ChunkState, budget: float, begun: float) -> None:
    """Call the function on each item, until the items or `budget` (seconds) are used up.

    `begun` is when the chunk began, by this module's clock.
    """
    call = spec.prepared()
    if spec.streams is not None:
        call = spec.streams.each(call, spec.task.depth)
    if spec.task.timed:
        spec.report(0, "begun", "")
    elif hasattr(type(call), blocks.METHOD):
        run_one = functools.partial(_run_one, spec.stop_flag, chunk_state, begun)
        blocks.run_in_blocks(spec.stop_flag, chunk_state, budget, begun, call, run_one)
        return
    elif hasattr(type(call), blocks.BATCH):
        from .chunk_batches import run_in_batches  # few runs need it

        run_one = functools.partial(_run_one, spec.stop_flag, chunk_state, begun)
        run_in_batches(spec.stop_flag, chunk_state, budget, begun, call, run_one)
        return
    _call_each(spec, chunk_state, budget, begun, call)


def _call_each(
    spec: Spec,
    chunk_state: ChunkState,
    budget: float,
    begun: float,
    call: Callable[[Any], Any],
) -> None:
    """Call the function on each item.  Long, because a call more for each item would show."""
    values, errors, ends = chunk_state.values, chunk_state.errors, chunk_state.ends
    stop_flag, append, before, at = spec.stop_flag, values.append, 0.0, 0
    timed, size = True, FIRST  # whether each item is; if not their group is
    while True:
        try:
            for item in chunk_state.group(size):
                if stop_flag.stopped:
                    break
                try:
                    value = call(item)
                except BaseException as error:
                    if interrupts(error):
                        raise
                    error, value = parted(error)
                    why = errors[len(values)] = ended(error, stop_flag)
                    # the rest of a chunk waits where a server asks to slow down
                    budget = min(budget, 0.0 if why.asked else chunk_state.after_failure)
                    if not timed:
                        append(value)
                        chunk_state.settle(_clock() - begun, last=True)
                        timed = True
                        if ends[-1] > budget:
                            return
                        continue
                append(value)
                if timed:
                    end = _clock() - begun
                    ends.append(end)
                    if end > budget:
                        return
        except IndexError:  # the rest of the group was taken back
            if chunk_state.more:
                raise
        done = len(values) - at
        if not done:
            if stop_flag.stopped or not chunk_state.more:
                return
            continue
        chunk_state.settle(end := _clock() - begun)
        if end > budget or stop_flag.stopped:
            return
        each = (end - before) / done
        timed = not chunk_state.watched or each > BRIEF
        size = max(FIRST, min(LARGEST, int(PART / max(each, 1e-9))))
        before, at = end, at + done


def _run_one(
    stop_flag: StopFlag,
    chunk_state: ChunkState,
    begun: float,
    call: Callable[[Any], Any],
    item: Any,
) -> bool:
    """Call the function on one item; give whether it failed."""
    try:
        value, error = call(item), None
    except BaseException as raised:
        if interrupts(raised):
            raise
        error, value = parted(raised)
        chunk_state.errors[len(chunk_state.values)] = ended(error, stop_flag)
    chunk_state.values.append(value)
    chunk_state.ends.append(_clock() - begun)
    return error is not None
