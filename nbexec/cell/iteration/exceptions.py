"""Exceptions of the user's: without frames of ours, and whether they can be sent."""

from __future__ import annotations

import pickle
from pathlib import Path
from types import TracebackType

from ...serialize import tracebacks

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
    """Take frames of this package out of an exception, and out of what it came from."""
    for one in tracebacks.chain(error):
        one.__traceback__ = trimmed(one.__traceback__)


def faithful(error: BaseException) -> bool:
    """Whether an exception, and what it came from, is the same after it was sent."""
    return all(map(_faithful, tracebacks.chain(error)))


def _faithful(error: BaseException) -> bool:
    import cloudpickle

    try:
        copy = pickle.loads(cloudpickle.dumps(error))
    except Exception:
        return False
    return type(copy) is type(error) and str(copy) == str(error) and copy.args == error.args
