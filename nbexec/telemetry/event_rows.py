"""Events as rows of plain values: one for each item that an event is about.  No values of items."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from ..errors import ItemTimeout
from ..model import Error
from .events import (
    Dropped,
    Event,
    Finished,
    Hedged,
    Output,
    Progressed,
    Restored,
    Retried,
    Returned,
    RunEnded,
    RunStarted,
    Sampled,
    Steered,
    Submitted,
)

Row = dict[str, Any]
STATUSES = {"error": "failed", "cancelled": "cancelled", "lost": "lost"}


class ItemEnd(NamedTuple):
    """The end of one item of a chunk."""

    item: int  # its index
    status: str  # "done", "failed", "cancelled" or "lost"
    started: float  # unix time, by the worker's clock
    seconds: float
    error: Error | None


def ends_of(event: Finished, tries: Sequence[Retried] = ()) -> Iterator[ItemEnd]:
    """Give how each item of a chunk ended, in order; `tries` are failed ones between them."""
    chunk, outcome, before = event.chunk, event.outcome, 0.0
    between = deque(tries)
    for at, (index, end) in enumerate(zip(chunk.indices, outcome.ends, strict=True)):
        while between and between[0].started < outcome.started + end:
            one = between.popleft()
            before = min(end, max(before, one.started + one.seconds - outcome.started))
        error = outcome.errors.get(at)
        status = "done" if error is None else STATUSES[error.kind]
        yield ItemEnd(index, status, outcome.started + before, end - before, error)
        before = end


def error_name(error: BaseException) -> str:
    """Give the name of an exception's type, with its module where it isn't built in.

    Examples
    --------
    >>> import json
    >>> error_name(KeyError("k")), error_name(json.JSONDecodeError("no", "", 0))
    ('KeyError', 'json.decoder.JSONDecodeError')
    """
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else _full_name(kind)


def _full_name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def rows(event: Event, tries: Sequence[Retried] = ()) -> Iterator[Row]:
    """Give the rows of an event, without its time; what isn't known is left out.

    `tries` are the failed ones of the chunk that it is about.

    Examples
    --------
    >>> from nbexec.model import Chunk
    >>> list(rows(Submitted(0.0, Chunk(range(2), ["a", "b"]))))
    [{'event': 'submitted', 'item': 0, 'attempt': 1},
     {'event': 'submitted', 'item': 1, 'attempt': 1}]
    """
    name, describe = _ROWS[type(event)]
    described = _finished(event, tries) if isinstance(event, Finished) else describe(event)
    for row in described:
        yield {"event": name, **row}


def _started(event: RunStarted) -> Iterator[Row]:
    choice = event.choice
    row: Row = {"name": event.name, "total": event.total}
    yield row | {"backend": choice.backend, "workers": choice.workers, "reason": choice.reason}


def _of_chunk(event: Submitted | Returned | Hedged) -> Iterator[Row]:
    for index in event.chunk.indices:
        yield {"item": index, "attempt": event.chunk.attempt}


def _finished(event: Finished, tries: Sequence[Retried] = ()) -> Iterator[Row]:
    chunk, outcome = event.chunk, event.outcome
    for end in ends_of(event, tries):
        row: Row = {"item": end.item, "status": end.status, "attempt": chunk.attempt}
        row |= {"started": round(end.started, 6), "seconds": round(end.seconds, 6)}
        row["worker"] = outcome.worker
        yield row if end.error is None else row | _error(end.error)


def _error(error: Error) -> Row:
    row: Row = {"error": error_name(error.exception)}
    if isinstance(error.exception, ItemTimeout) and error.exception.abandoned:
        row["abandoned"] = True
    return row


def _restored(event: Restored) -> Iterator[Row]:
    for index in event.chunk.indices:
        yield {"item": index}


def _retried(event: Retried) -> Iterator[Row]:
    row: Row = {"item": event.index, "next_attempt": event.attempt, "wait": round(event.wait, 6)}
    yield row | _took(event) | _error(event.error)


def _dropped(event: Dropped) -> Iterator[Row]:
    yield {"item": event.index, **(_took(event) if event.worker else {})}


def _took(event: Retried | Dropped) -> Row:
    started, seconds = round(event.started, 6), round(event.seconds, 6)
    return {"started": started, "seconds": seconds, "worker": event.worker}


def _output(event: Output) -> Iterator[Row]:
    row: Row = {"item": event.first, "last": event.last, "stream": event.stream}
    yield row | {"characters": len(event.text)}


def _progressed(event: Progressed) -> Iterator[Row]:
    yield {"item": event.index, "fraction": event.fraction}


def _steered(event: Steered) -> Iterator[Row]:
    row: Row = {"total": event.total, "paused": event.paused, "cancelling": event.cancelling}
    row |= {"waiting": event.waiting, "note": event.note}
    if event.choice is not None:
        choice = event.choice
        row |= {"backend": choice.backend, "workers": choice.workers, "reason": choice.reason}
    if event.spending is not None:
        row |= {"spent": event.spending.spent, "budget": event.spending.budget}
    yield {key: value for key, value in row.items() if value is not None}


def _sampled(event: Sampled) -> Iterator[Row]:
    row: Row = {"cores": round(event.cores, 3), "memory": event.memory}
    yield row | {"memory_limit": event.memory_limit}


def _ended(event: RunEnded) -> Iterator[Row]:
    yield {"reason": event.reason}


# By type: the name in a row, and the rest of the row.
_ROWS: dict[type, tuple[str, Callable[[Any], Iterator[Row]]]] = {
    RunStarted: ("run_started", _started),
    Submitted: ("submitted", _of_chunk),
    Finished: ("finished", _finished),
    Restored: ("restored", _restored),
    Returned: ("returned", _of_chunk),
    Retried: ("retried", _retried),
    Hedged: ("hedged", _of_chunk),
    Dropped: ("dropped", _dropped),
    Output: ("output", _output),
    Progressed: ("progressed", _progressed),
    Steered: ("steered", _steered),
    Sampled: ("sampled", _sampled),
    RunEnded: ("run_ended", _ended),
}
