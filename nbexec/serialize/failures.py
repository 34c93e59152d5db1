"""Pickling of a `Failure`, by any pickler: with its exception, and that one's traceback and causes.

An exception that is pickled by itself loses these, and may not be unpickled at all.
"""

from __future__ import annotations

import contextlib
import copyreg
import pickle
from dataclasses import fields, replace
from typing import Any

from ..errors import PickleError
from ..model import Failure
from . import made_exceptions, pickling, returning, tracebacks

# Of a run in the item: there is a failure in them that holds the exception.
_LEFT_OUT = ("partial_results",)


class _Carried:
    """Holds an exception; once pickled it comes back as the exception itself."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __deepcopy__(self, memo: Any) -> _Carried:
        return self  # an exception tells what has happened: nothing changes it

    def __reduce__(self) -> tuple[Any, ...]:
        error = self.error
        # Nobody tells which pickler it is.  Classes of a notebook need ours, in a worker.
        for dumps in (_dumps, returning.dumps):
            for alone, lossy in made_exceptions.WAYS:
                packed = _packed(error, alone, lossy)
                with contextlib.suppress(Exception):
                    copy = tracebacks.unpack(pickling.loads(dumps(packed)))
                    if lossy or made_exceptions.alike(copy, error):
                        return tracebacks.unpack, (packed,)
        where = tracebacks.dump(error.__traceback__)
        return not_sent, (f"{type(error).__name__}: {error}", where)


def _packed(error: BaseException, alone: bool, lossy: bool) -> list[tuple[Any, ...]]:
    parts: dict[int, _Part] = {}
    packed = tracebacks.pack(error, alone)
    for one, *_ in packed:
        parts[id(one)] = _Part(one, lossy, parts)
    return [(parts[id(one)], *rest) for one, *rest in packed]


class _Part:
    """Holds one of several exceptions; once pickled it comes back as that."""

    def __init__(self, error: BaseException, lossy: bool, parts: dict[int, _Part]) -> None:
        self._error = error
        self._lossy = lossy
        self._parts = parts

    def __reduce__(self) -> Any:
        error, kind = self._error, type(self._error)
        found = made_exceptions.reduced(error, kind, pickle.Pickler, self._lossy, _LEFT_OUT)
        if found is NotImplemented:
            found = error.__reduce_ex__(4)
        make, arguments, *state = found
        if state and isinstance(state[0], dict):
            state[0] = {key: one for key, one in state[0].items() if key not in _LEFT_OUT}
        if make is made_exceptions.NEWOBJ:
            make, arguments = made_exceptions.made, (kind, *arguments)
        return make, tuple(map(self._part, arguments)), *state

    def _part(self, value: Any) -> Any:
        """Give the place of an exception of a group, and of a list of them."""
        if isinstance(value, list | tuple):
            return type(value)(map(self._part, value)) if type(value) in (list, tuple) else value
        return self._parts.get(id(value), value)


def _dumps(thing: Any) -> bytes:
    return pickle.dumps(thing, protocol=5)


def not_sent(text: str, positions: list[tracebacks.FramePosition]) -> BaseException:
    """Give the error that stands for an exception that can't be pickled."""
    error = PickleError(f"the task raised {text} (the exception itself can't be sent)")
    error.__traceback__ = tracebacks.load(positions)
    return error


def made(*values: Any) -> Failure:
    """Undo `_reduced`."""
    failure = Failure(*values)
    held: Any = failure.exception  # as it is where it is copied rather than pickled
    return replace(failure, exception=held.error) if isinstance(held, _Carried) else failure


def _reduced(failure: Failure) -> tuple[Any, ...]:
    values = {one.name: getattr(failure, one.name) for one in fields(failure)}
    return made, tuple({**values, "exception": _Carried(failure.exception)}.values())


copyreg.pickle(Failure, _reduced)
