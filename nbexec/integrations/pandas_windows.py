"""``.nbexec`` of rolling and expanding windows: pandas' own ``apply``, in parallel."""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Callable
from typing import Any

from .accessor_calls import cut, of_pandas, recorded

MAKER = "_generate_cython_apply_func"  # of pandas, 1.0 to 3.1; without it all is left to pandas


class WindowCalls:
    """``df.rolling(...).nbexec``, also that of ``expanding`` and of windows in groups."""

    def __init__(self, windows: Any) -> None:
        self._windows = windows

    def apply(
        self,
        func: Any,
        raw: bool = False,
        engine: Any = None,
        engine_kwargs: Any = None,
        args: tuple[Any, ...] | None = None,
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Do what ``apply`` of the windows does."""
        windows = self._windows
        plain = not callable(func) or inspect.iscoroutinefunction(func) or engine is not None
        if not plain and hasattr(windows, MAKER):
            windows = copy.copy(windows)
            setattr(windows, MAKER, functools.partial(_ahead_of_each, getattr(windows, MAKER)))
        return windows.apply(func, raw, engine, engine_kwargs, args, kwargs)


def _ahead_of_each(make: Any, args: Any, kwargs: Any, raw: Any, function: Any) -> Any:
    """Give what pandas calls with the values of a column, and where its windows are."""

    def apply_func(values: Any, begin: Any, end: Any, min_periods: int) -> Any:
        import numpy

        def run(called: Any, *given: Any, raw: bool = raw, args: Any = (), kwargs: Any = {}) -> Any:  # noqa: B006
            return make(args, kwargs, raw, called)(values, *given)

        whole: list[Any] = []  # what pandas cuts windows from: it is the window that has all

        def keep(window: Any) -> float:
            whole.append(window)
            return 0.0

        run(keep, numpy.array([0]), numpy.array([len(values)]), 0)

        def pieces(first: int) -> list[tuple[Any, Any]]:
            ones = run(lambda window: 1.0, begin, end, min_periods, raw=True)
            at = numpy.flatnonzero(ones == 1.0)  # elsewhere it is nan: too few values
            return [(begin[at[a:z]], end[at[a:z]]) for a, z in cut(len(at), first)]

        replay = functools.partial(_replay, function, args, kwargs, whole[0])
        ahead = of_pandas(function, pieces, replay, len(begin))
        return run(ahead, begin, end, min_periods, args=args, kwargs=kwargs)

    return apply_func


def _replay(
    fn: Callable[..., Any], args: Any, kwargs: Any, whole: Any, piece: tuple[Any, Any]
) -> list[Any]:
    import numpy

    def call_each(record: Callable[..., Any]) -> None:
        rows = getattr(whole, "iloc", whole)
        with numpy.errstate(all="ignore"):  # as pandas has it
            for begin, end in zip(*piece, strict=True):
                record(rows[begin:end], *args, **kwargs)

    return recorded(fn, call_each)
