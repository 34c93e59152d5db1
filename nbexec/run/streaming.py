"""Streaming: the results of a run one by one, as they are consumed."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from typing import Any

from ..items.sinks import Stream
from ..model import Failure
from ..records.failure_list import Failures
from .handle import Run

_clock = time.monotonic
PULLED = 1.0  # seconds that closing waits for an item that is being pulled
# Seconds that an iterator which is dropped waits for the end of its run.  Not for ever: the
# collector may be what drops it, in a thread that holds a lock which that end needs.
DROPPED = 1.0


def iterate(run: Run, stream: Stream, leave: Callable[[], object] | None = None) -> Generator[Any]:
    """Give the results that `stream` gets from `run`; closing the iterator cancels the run.

    With `leave` that is called instead, which is to end the run.  Who closes it waits for the end
    of the run a second at most: `Run.wait` waits on.
    The run goes on meanwhile: it is woken when a quarter of a batch is consumed, to pull more.
    """
    stream.consumed_here()
    patience: float | None = None
    try:
        while batch := stream.batch(run.idle):
            quarter = max(1, len(batch) // 4)
            for count in range(1, len(batch) + 1):
                if count % quarter == 0:
                    stream.consume(quarter)
                    run.wake()
                yield batch.popleft()  # a result that was given is not held here
                if _clock() >= run.idle_due:
                    run.idle()
            stream.consume(count % quarter)
            run.wake()
    except GeneratorExit:
        patience = DROPPED
        raise
    finally:
        (leave or run.cancel)()
        run.wait(patience)
        run.caller_thread.join(PULLED)
    if stream.error is not None:
        raise stream.error


class ResultStream(Iterator[Any]):
    """The results of a run one by one, as they are ready: what `imap` gives.

    Attributes
    ----------
    run : Run
        The run that they come from: its `choice`, `stats` and so on.

    Examples
    --------
    >>> import nbexec
    >>> results = nbexec.imap(int, iter(["1", "x", "3"]), on_error="collect", progress="off")
    >>> list(results.ok()), results.failures[0].index
    ([1, 3], 1)
    """

    def __init__(self, run: Run, results: Generator[Any]) -> None:
        self.run = run
        self._results = results
        self._apart: Failures | None = None

    def __iter__(self) -> Iterator[Any]:
        """Give an iterator over the rest, which spares a call a result."""
        return self._results

    def __next__(self) -> Any:
        return next(self._results)

    def close(self) -> None:
        """Cancel what is left, and wait for its end."""
        self._results.close()
        if not self.run.done:  # it takes longer, or no result was ever asked for
            self.run.cancel()
            self.run.wait()

    @property
    def failures(self) -> Failures:
        """The `Failure` objects that `ok` or `to_parquet` has set apart so far.

        Where results are taken in another way, which gives them their `Failure` objects, too,
        those that the run keeps: the first 10,000.
        """
        return Failures(self.run.failures if self._apart is None else self._apart)

    def ok(self) -> Iterator[Any]:
        """Iterate over the results without the failures, which `failures` has."""
        with contextlib.closing(self._results):
            apart = self._set_apart()
            for value in self._results:
                if self._failed(value):
                    apart.append(value)
                else:
                    yield value

    def to_parquet(self, path: Any, *, failures: Any = None, schema: Any = None) -> int:
        """Write the results that are rows to a Parquet file, in pieces, with bounded memory.

        The file is in its place once it is whole: until then it is beside that, and ends in
        ``.part``.

        Parameters
        ----------
        path : path
            The file.
        failures : path or None
            A file for the errors of rows that failed: columns "row", "field", "error" and
            "input", as text. None: they are in `failures`.
        schema : pyarrow.Schema or None
            Of the rows; None: that of the first 20,000 and of their annotations.

        Returns
        -------
        int
            How many rows were written.

        Raises
        ------
        ImportError
            pyarrow is not installed.
        OptionError
            A result is no row, or a field doesn't fit; the message names it.
        OSError
            There can't be such a file: that is said before a result is taken, as what is wrong
            with the other arguments is.
        Exception
            What iterating over the results raises; then there is no file.
        """
        from ..records import parquet

        files = parquet.open_files(path, failures, schema)  # else all results are still there
        with contextlib.closing(self._results):
            apart = self._set_apart()
            return parquet.write(self._results, self._failed, files, apart.append)

    def _set_apart(self) -> Failures:
        if self._apart is None:
            self._apart = Failures()
        return self._apart

    def _failed(self, value: Any) -> bool:
        """Whether the run made it: a `Failure` that an item returned is that item's value."""
        return isinstance(value, Failure) and value.run == self.run.origin


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
