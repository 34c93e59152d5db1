"""Chunks in batches: the worker of a chunk calls a batched function with several items of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from ..errors import Cancelled, RunCancelled
from ..model import Error
from .blocks import BATCH
from .chunk_state import ChunkState
from .event_loop import forget_cancelling
from .item_errors import interrupts

MAX_SIZE = 64

_clock = time.perf_counter
RunOne = Callable[[Callable[[Any], Any], Any], bool]  # runs one item; gives whether it failed
Failed = Callable[[BaseException], Error]


def run_in_batches(
    stop_flag: Any,
    chunk_state: ChunkState,
    budget: float,
    begun: float,
    call: Any,
    run_one: RunOne,
) -> None:
    """Call the function for the items of a chunk; `begun` is when it began, by this clock."""
    while not stop_flag.stopped:
        items = chunk_state.take(getattr(call, "max_size", MAX_SIZE))
        if not items:
            return
        if _run_batch(stop_flag, chunk_state, begun, call, items, run_one):
            budget = min(budget, chunk_state.after_failure)
        if chunk_state.ends and chunk_state.ends[-1] > budget:
            return


def _run_batch(
    stop_flag: Any,
    chunk_state: ChunkState,
    begun: float,
    call: Any,
    items: Sequence[Any],
    run_one: RunOne,
) -> bool:
    """Call the function for some items, or for fewer; give whether one of them failed."""
    if len(items) == 1:
        return run_one(lambda item: getattr(call, BATCH)([item])[0], items[0])
    try:
        values = getattr(call, BATCH)(items)
    except BaseException as error:
        if _not_the_items(error, stop_flag):
            raise
        failed = False
        for part in smaller(items, error):
            if stop_flag.stopped:
                break  # nobody wants to know any more which of them it was
            failed |= _run_batch(stop_flag, chunk_state, begun, call, part, run_one)
        return failed
    _ended(chunk_state, values, begun)
    return False


def _ended(chunk_state: ChunkState, values: list[Any], begun: float) -> None:
    ends = chunk_state.ends
    before, now = ends[-1] if ends else 0.0, _clock() - begun
    step = (now - before) / len(values)
    chunk_state.values += values
    ends.extend([before + step * at for at in range(1, len(values))] + [now])


async def await_batches(
    stop_flag: Any, chunk_state: ChunkState, budget: float, begun: float, call: Any, failed: Failed
) -> None:
    """Await the function for the items of a chunk."""
    while not stop_flag.stopped:
        items = chunk_state.take(getattr(call, "max_size", MAX_SIZE))
        if not items:
            return
        if await _await_batch(stop_flag, chunk_state, begun, call, items, failed):
            budget = min(budget, chunk_state.after_failure)
        if chunk_state.ends and chunk_state.ends[-1] > budget:
            return


async def _await_batch(
    stop_flag: Any,
    chunk_state: ChunkState,
    begun: float,
    call: Any,
    items: Sequence[Any],
    failed: Failed,
) -> bool:
    from asyncio import CancelledError

    try:
        values = await getattr(call, BATCH)(items)
    except BaseException as error:
        if isinstance(error, CancelledError):
            if stop_flag.stopped:
                raise
            forget_cancelling()  # it is the items' own doing
        elif _not_the_items(error, stop_flag):
            raise
        if len(items) == 1:
            chunk_state.errors[len(chunk_state.values)] = failed(error)
            _ended(chunk_state, [None], begun)
            return True
        failures = False
        for part in smaller(items, error):
            if stop_flag.stopped:
                break
            failures |= await _await_batch(stop_flag, chunk_state, begun, call, part, failed)
        return failures
    _ended(chunk_state, values, begun)
    return False


def _not_the_items(error: BaseException, stop_flag: Any) -> bool:
    """Whether an exception came from outside: Ctrl-C, or the end of the run."""
    stopped = isinstance(error, Cancelled | RunCancelled) and not stop_flag.wanted()
    return stopped or interrupts(error)


def smaller(items: Sequence[Any], error: BaseException) -> list[Sequence[Any]]:
    """Give the parts that are tried after a batch has raised: halves, or each alone."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return [items[: len(items) // 2], items[len(items) // 2 :]]
    return [[one] for one in items]
