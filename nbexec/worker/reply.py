"""Outcomes as bytes: packed in a worker, unpacked in the kernel."""

from __future__ import annotations

import os
import pickle
import struct
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ..errors import PickleError
from ..items.outcomes import not_begun
from ..model import Error, Outcome
from ..serialize import block_files, failures, pickling, returning, tracebacks
from ..system import subinterpreter
from .envelope import Envelope, values_file
from .item_errors import failed

_HEAD = struct.Struct("<Q?Q")  # length of all but the values, `has_issued`, and `ended`


def pack(
    outcome: Outcome,
    envelope: Envelope,
    reports: Sequence[tuple[int, str, Any]] = (),
    spent: float = 0.0,
    issued: bool = False,
) -> bytes:
    """Pack an outcome: its length, all but the values, and the values, which may not unpickle.

    `spent` are the seconds of unpickling that it took before; to them packing is added.
    `issued` is what `has_issued` gives.
    """
    begun = time.thread_time()
    errors = {at: _pack_error(error) for at, error in outcome.errors.items()}
    file = values_file(envelope) if envelope.local else None
    try:
        data, beside = returning.dumps_beside(outcome.values, file)
    except BaseException:
        values = [_sendable(at, it, errors) for at, it in enumerate(outcome.values)]
        data, beside = returning.dumps_beside(values, file)
    worker = subinterpreter.name() or f"process {os.getpid()}"
    facts = (
        outcome.started,
        outcome.ends,
        outcome.cpu,
        worker,
        outcome.peak_rss,
        outcome.starved,
        reports,
    )
    sort = _sort(outcome.values[0]) if len(outcome.values) == 1 else ""
    spent += time.thread_time() - begun
    rest = pickle.dumps((errors, facts, sort, spent, beside), protocol=5)
    return b"".join((_HEAD.pack(len(rest), issued, len(outcome.values)), rest, data))


def has_issued(data: bytes) -> bool:
    """Whether items of the chunk logged or warned, which went through the channel before this."""
    return bool(_HEAD.unpack_from(data)[1])


def ended(data: bytes) -> int:
    """Give how many items of the chunk have ended at the worker; it may have given back others."""
    return int(_HEAD.unpack_from(data)[2]) if data else 0


def _sendable(at: int, value: Any, errors: dict[int, Any]) -> Any:
    """Give the value, or None with an error in its place if it can't be pickled."""
    try:
        returning.dumps(value)
    except BaseException as error:
        why = PickleError(
            f"the result, a {_sort(value)}, can't be sent back: {error}. "
            "Give something that can be pickled, or use backend='threads'."
        )
        errors[at] = _pack_error(failed(why, unsent="result"))
        return None
    return value


def _pack_error(error: Error) -> tuple[Any, ...]:
    """Pack an exception so that its text arrives even where it doesn't pickle itself."""
    exception = error.exception
    text = f"{type(exception).__name__}: {exception}"
    positions = tracebacks.dump(exception.__traceback__)
    data = returning.dumps_error(exception)
    return error.kind, data, text, error.traceback, error.unsent, positions, error.asked


def receive(
    data: bytes, envelope: Envelope, reported: int = 0, sent: int = 0, spent: float = 0.0
) -> Outcome:
    """Undo the packing of a chunk's outcome, in the kernel.

    The first `reported` of its reports came earlier.  Its items were `sent` bytes, which took
    `spent` seconds to pickle.
    """
    begun = time.thread_time()
    view = memoryview(data)
    size, _, _ = _HEAD.unpack_from(view)
    start = _HEAD.size + size
    packed, facts, sort, there, beside = pickle.loads(view[_HEAD.size : start])
    errors = {at: _unpack_error(*error) for at, error in packed.items()}
    try:
        values = _read_values(envelope) if beside else pickling.loads(view[start:])
    except BaseException as error:
        if not sort:  # of several any may be to blame: they come again one by one
            return not_begun()
        why = unreadable(f"the result, a {sort},", "in the kernel", error)
        values, errors = [None], {0: failed(why, unsent="result")}
    spent += there + time.thread_time() - begun
    sums = {"sent": sent, "received": len(data) - start + beside, "sending": spent}
    outcome = Outcome(values, errors, *facts, **sums)
    return replace(outcome, said=outcome.said[reported:]) if reported else outcome


def _read_values(envelope: Envelope) -> Any:
    file = values_file(envelope)
    try:
        return block_files.read_file(file)
    finally:
        file.unlink(missing_ok=True)


def unreadable(what: str, where: str, error: BaseException) -> PickleError:
    """Give the error for something that could not be unpickled, and where."""
    reason = subinterpreter.refused(error) or f"{type(error).__name__}: {error}"
    why = PickleError(f"{what} can't be unpickled {where}: {reason}")
    why.__cause__ = error
    return why


def _sort(value: Any) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"


def _unpack_error(
    kind: Any, data: bytes | None, text: str, trace: str, unsent: Any, positions: Any, asked: Any
) -> Error:
    exception: BaseException
    try:
        if data is None:
            raise ValueError("not sent")
        exception = returning.loads_error(data)
    except BaseException:
        exception = failures.not_sent(text, positions)
    return Error(kind, exception, trace, unsent, asked)
