"""Exceptions of the body: strips our frames, and tells whether they survive pickling."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

from ...serialize import pickling, returning, tracebacks

HOME = str(Path(__file__).parents[1])


def trimmed(trace: TracebackType | None) -> TracebackType | None:
    """Give a traceback without the frames of this package."""
    frames = []
    while trace is not None:
        if not trace.tb_frame.f_code.co_filename.startswith(HOME):
            frames.append(trace)
        trace = trace.tb_next
    kept: TracebackType | None = None
    for one in reversed(frames):
        kept = TracebackType(kept, one.tb_frame, one.tb_lasti, one.tb_lineno)
    return kept


def trim(error: BaseException) -> None:
    """Strip frames of this package from an exception, its cause and its context."""
    for one in tracebacks.chain(error):
        one.__traceback__ = trimmed(one.__traceback__)


def faithful(error: BaseException) -> bool:
    """Whether an exception, its cause and its context survive pickling unchanged."""
    return all(map(_faithful, tracebacks.chain(error)))


def _faithful(error: BaseException) -> bool:
    try:
        copy = pickling.loads(returning.dumps(error, exact=True))
    except Exception:
        return False
    return type(copy) is type(error) and str(copy) == str(error) and copy.args == error.args
