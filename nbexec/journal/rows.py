"""Rows: the batches that are written for chunks that ended."""

from __future__ import annotations

import contextlib
from array import array
from collections.abc import Iterable
from typing import Any

from ..items.chunk_size import COSTLY
from ..model import Chunk, Error, Outcome
from ..serialize import pickling
from ..telemetry import wording
from .notes import Notes
from .values import Values
from .writer import Batch


class Rows:
    """Makes a batch of each outcome of a run.

    Parameters
    ----------
    run : str
        The run's id.
    values : Values
        Pickles.
    pending : dict of int to bytes
        Keys of items that have not ended, and that failed, by index; those of values are
        taken out.
    notes : Notes
        Where a value that can't be pickled is noted.
    """

    def __init__(self, run: str, values: Values, pending: dict[int, bytes], notes: Notes) -> None:
        self._run = run
        self._values = values
        self._pending = pending
        self._notes = notes

    def finished(self, chunk: Chunk, outcome: Outcome) -> Batch:
        """Give the values and failures of a chunk; a cancelled item is left out."""
        count = len(outcome.values)
        took = outcome.ends[-1] if outcome.ends else 0.0
        batch = Batch(count=count, costly=took >= COSTLY * count)
        kept = []
        for at, value in enumerate(outcome.values):
            index = chunk.indices[at]
            error = outcome.errors.get(at)
            if error is not None and error.kind == "cancelled":
                continue
            if error is not None:
                batch.failures.append(self._failure(chunk, at, outcome, error))
                continue
            key = self._pending.get(index)
            if key is None:
                continue
            try:
                batch.items.append((key, self._values.pack(value)))
            except Exception as failed:
                why = wording.one_line(f"{type(failed).__name__}: {failed}")
                words = f"some results can't be kept, and will run again: {why}"
                self._notes.add(words, once="values")
                del self._pending[index]
                continue
            kept.append(at)
        batch.classes = list(self._values.new_classes.items())
        self._values.new_classes.clear()
        batch.places = list(self._places(chunk, kept))
        return batch

    def restored(self, chunk: Chunk) -> Batch:
        """Give the places of items whose values the journal has."""
        return Batch(places=list(self._places(chunk, list(range(len(chunk))))))

    def _places(self, chunk: Chunk, kept: list[int]) -> Iterable[tuple[Any, ...]]:
        """Give the row that maps indices to keys; the keys are not needed after."""
        indices = [chunk.indices[at] for at in kept]
        if not indices:
            return
        keys = b"".join(self._pending.pop(index) for index in indices)
        first, count = indices[0], len(indices)
        adjacent = indices[-1] - first == count - 1
        blob = None if adjacent else array("q", indices).tobytes()
        yield self._run, first, count, blob, keys

    def _failure(self, chunk: Chunk, at: int, outcome: Outcome, error: Error) -> tuple[Any, ...]:
        data = None
        with contextlib.suppress(Exception):
            data = pickling.dumps_for_later(error.exception)
        return (
            *(self._run, chunk.indices[at], wording.safe_repr(chunk.items[at]), data),
            f"{type(error.exception).__name__}: {wording.message(error.exception)}",
            *(error.traceback, outcome.worker, chunk.attempt, error.kind),
        )
