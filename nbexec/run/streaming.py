"""Streaming: the results of a run one by one, as they are consumed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from ..items.sinks import Stream
from .handle import Run

PULLED = 1.0  # seconds that closing waits for an item that is being pulled


def iterate(run: Run, stream: Stream, leave: Callable[[], object] | None = None) -> Iterator[Any]:
    """Give the results that `stream` gets from `run`; closing the iterator cancels the run.

    With `leave` that is called instead, which is to end the run.
    The run goes on meanwhile: it is woken when a quarter of a batch is consumed, to pull more.
    """
    try:
        while batch := stream.batch(run.idle):
            quarter = max(1, len(batch) // 4)
            for count in range(1, len(batch) + 1):
                stream.consume()
                if count % quarter == 0:
                    run.wake()
                yield batch.popleft()  # a result that was given is not held here
                run.idle()
            run.wake()
    finally:
        (leave or run.cancel)()
        run.wait()
        run.caller_thread.join(PULLED)
    if stream.error is not None:
        raise stream.error


async def aiterate(run: Run, stream: Stream) -> AsyncIterator[Any]:
    """Give the same to an event loop, which goes on meanwhile; closing it cancels the run."""
    import asyncio

    loop = asyncio.get_running_loop()
    changed, ended = asyncio.Event(), asyncio.Event()
    stream.woken = lambda: tell(loop, changed.set)
    run.add_done_callback(lambda _: tell(loop, ended.set))
    try:
        while (batch := stream.take()) is None or batch:
            if batch is None:
                await changed.wait()
                changed.clear()
                continue
            quarter = max(1, len(batch) // 4)
            for count in range(1, len(batch) + 1):
                stream.consume()
                if count % quarter == 0:
                    run.wake()
                yield batch.popleft()
            run.wake()
    finally:
        run.cancel()
        await ended.wait()
        await asyncio.to_thread(run.caller_thread.join, PULLED)
    if stream.error is not None:
        raise stream.error


def tell(loop: Any, callback: Callable[[], object]) -> None:
    """Have an event loop call something, from any thread."""
    try:
        loop.call_soon_threadsafe(callback)
    except RuntimeError:  # the loop was closed meanwhile: nobody waits
        pass
