"""Exceptions on their way: without frames of ours, and across a process boundary whole."""

from __future__ import annotations

import pickle
from pathlib import Path
from types import TracebackType
from typing import Any

from .. import traces

HOME = str(Path(__file__).parent)


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


def pack(error: BaseException) -> list[tuple[Any, ...]]:
    """Give what `unpack` makes an exception of, with its causes and their tracebacks.

    Pickling an exception alone loses these.
    """
    chain: list[BaseException] = []
    todo: list[BaseException | None] = [error]
    while todo:
        one = todo.pop()
        if one is not None and not any(one is other for other in chain):
            chain.append(one)
            todo += [one.__cause__, one.__context__]

    def place(one: BaseException | None) -> int | None:
        return None if one is None else next(i for i, other in enumerate(chain) if other is one)

    packed = []
    for one in chain:
        places = traces.dump(trimmed(one.__traceback__))
        links = (place(one.__cause__), place(one.__context__), one.__suppress_context__)
        packed.append((one, places, links))
    return packed


def unpack(packed: list[tuple[Any, ...]]) -> BaseException:
    """Undo `pack`."""
    for one, places, (cause, context, suppress) in packed:
        one.__traceback__ = traces.load(places)
        one.__cause__ = None if cause is None else packed[cause][0]
        one.__context__ = None if context is None else packed[context][0]
        one.__suppress_context__ = suppress
    error: BaseException = packed[0][0]
    return error


def faithful(error: BaseException) -> bool:
    """Whether an exception is the same after it was sent."""
    import cloudpickle

    try:
        copy = pickle.loads(cloudpickle.dumps(error))
    except Exception:
        return False
    return type(copy) is type(error) and str(copy) == str(error) and copy.args == error.args
