"""Streaming: the results of a run one by one, as they are consumed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..items.sinks import Stream
from .handle import Run


def iterate(run: Run, stream: Stream) -> Iterator[Any]:
    """Give the results that `stream` gets from `run`; closing the iterator cancels the run.

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
        run.cancel()
        run.wait()
    if stream.error is not None:
        raise stream.error
