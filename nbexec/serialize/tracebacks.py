"""Tracebacks across a process boundary: real ones again, with the right lines marked.

A traceback can't be pickled, nor can a frame be made by hand.  `load` runs, for each
frame, a stub that raises at the same place of the same file; IPython and pdb then show the
user's source, as they show a function's by its first line.
"""

from __future__ import annotations

import ast
import itertools
import pickle
from types import TracebackType
from typing import Any, NamedTuple


class FramePosition(NamedTuple):
    """Where a frame was: lines from 1, columns from 0."""

    filename: str
    name: str
    first_line: int  # of the function
    line: int
    end_line: int
    column: int
    end_column: int


def dump(trace: TracebackType | None) -> list[FramePosition]:
    """Give the positions of a traceback, outermost first."""
    positions = []
    while trace is not None:
        code = trace.tb_frame.f_code
        line = trace.tb_lineno
        spans = next(itertools.islice(code.co_positions(), trace.tb_lasti // 2, None), None)
        first, end, column, end_column = spans or (None, None, None, None)
        if first != line or end is None or column is None or end_column is None:
            end, column, end_column = line, 0, 0
        positions.append(
            FramePosition(
                code.co_filename, code.co_name, code.co_firstlineno, line, end, column, end_column
            )
        )
        trace = trace.tb_next
    return positions


def load(positions: list[FramePosition]) -> TracebackType | None:
    """Undo `dump`."""
    trace: TracebackType | None = None
    for position in reversed(positions):
        inner = _raised_at(FramePosition(*position))
        if inner is not None:
            trace = TracebackType(trace, inner.tb_frame, inner.tb_lasti, position[3])
    return trace


def chain(error: BaseException) -> list[BaseException]:
    """Give an exception with all that it came from, or is a group of, itself first.

    Examples
    --------
    >>> error, error.__cause__ = KeyError(1), ValueError(2)
    >>> chain(error)
    [KeyError(1), ValueError(2)]
    """
    found: list[BaseException] = []
    todo: list[BaseException | None] = [error]
    while todo:
        one = todo.pop()
        if one is not None and not any(one is other for other in found):
            found.append(one)
            todo += [one.__cause__, one.__context__]
            todo += one.exceptions if isinstance(one, BaseExceptionGroup) else ()
    return found


def pack(error: BaseException, alone: bool = False) -> list[tuple[Any, ...]]:
    """Pack an exception for `unpack`, with its causes and their tracebacks.

    Pickling an exception loses these.

    Parameters
    ----------
    error : BaseException
        The exception.
    alone : bool
        Whether to leave out what it came from.
    """
    errors = [error] if alone else chain(error)

    def index(one: BaseException | None) -> int | None:
        return next((at for at, other in enumerate(errors) if other is one), None)

    return [
        (
            one,
            dump(one.__traceback__),
            (index(one.__cause__), index(one.__context__), one.__suppress_context__),
        )
        for one in errors
    ]


def unpack(packed: list[tuple[Any, ...]]) -> BaseException:
    """Undo `pack`."""
    for one, positions, (cause, context, suppress) in packed:
        one.__traceback__ = load(positions)
        one.__cause__ = None if cause is None else packed[cause][0]
        one.__context__ = None if context is None else packed[context][0]
        one.__suppress_context__ = suppress
    error: BaseException = packed[0][0]
    return error


def kept(error: BaseException, reduction: Any) -> Any:
    """Give the reduction of an exception with its traceback, and what it came from.

    Parameters
    ----------
    error : BaseException
        An exception that is a value: nothing raises it.
    reduction : tuple, str or NotImplemented
        How it is pickled without these.

    Examples
    --------
    >>> kept(KeyError(1), NotImplemented)  # it was never raised
    NotImplemented
    """
    origin = error.__cause__, error.__context__, error.__suppress_context__
    if error.__traceback__ is None and not any(origin):
        return reduction
    if reduction is NotImplemented:
        reduction = error.__reduce_ex__(pickle.HIGHEST_PROTOCOL)
    if not isinstance(reduction, tuple):
        return reduction  # it stands in a module, and is found there
    make, arguments, state, *more = (*reduction, None, None, None, None)[:6]
    whole = state, more[2], dump(error.__traceback__), origin
    return make, arguments, whole, *more[:2], set_kept


def set_kept(error: BaseException, whole: tuple[Any, ...]) -> None:
    """Give an exception its state, and what else `kept` took down."""
    state, set_state, positions, origin = whole
    if set_state is not None:
        set_state(error, state)
    elif state is not None:
        error.__setstate__(state)
    error.__traceback__ = load(positions)
    error.__cause__, error.__context__, error.__suppress_context__ = origin


def _raised_at(position: FramePosition) -> TracebackType | None:
    """Give the traceback of an exception that was raised at `position`."""
    # Lines of a code object are kept relative to its first one, which `replace` sets.
    shift = position.first_line - 1
    where = {
        "lineno": max(1, position.line - shift),
        "end_lineno": max(1, position.end_line - shift),
        "col_offset": position.column,
        "end_col_offset": position.end_column,
    }
    stub = ast.Raise(exc=ast.Name("StopIteration", ast.Load(), **where), cause=None, **where)
    code = compile(ast.Module([stub], []), position.filename, "exec").replace(
        co_firstlineno=max(1, position.first_line), co_name=position.name, co_qualname=position.name
    )
    try:
        exec(code, {"__name__": position.name, "__file__": position.filename})
    except StopIteration as error:
        return error.__traceback__.tb_next if error.__traceback__ is not None else None
    return None
