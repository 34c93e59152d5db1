"""``.nbexec`` of polars' DataFrames, Series and groups: polars' own methods, in parallel."""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Callable
from typing import Any

from .accessor_calls import CallsAhead, cut, keep_options, recorded, register

OF_POLARS: dict[str, Any] = {}  # options of all runs


def polars(**options: Any) -> None:
    """Register ``.nbexec`` with DataFrames, Series and groups of polars.

    ``frame.nbexec.map_rows(fn)``, ``series.nbexec.map_elements(fn)`` and
    ``frame.group_by(...).nbexec.map_groups(fn)`` do what polars' own methods do, with calls of
    the function on workers.

    Parameters
    ----------
    **options
        Any of `Options`, for all of these calls: ``workers``, ``backend``, ``name`` and so on.

    Raises
    ------
    OptionError
        An option can't be used.
    ImportError
        polars isn't there.

    Notes
    -----
    polars makes the result: types, names and exceptions are its own.  The first calls run in the
    kernel and are timed; the rest goes to workers where that saves time.  Where an expression of
    polars would do, polars says so, as it does without nbexec.  Groups come in the order in which
    their first rows do.

    Examples
    --------
    >>> import nbexec
    >>> nbexec.polars(workers=4)  # doctest: +SKIP
    >>> frame.nbexec.map_rows(slow)  # doctest: +SKIP
    """
    import polars as library

    keep_options(OF_POLARS, options, "polars")
    register(library.DataFrame, library.api.register_dataframe_namespace, PolarsFrameCalls)
    register(library.Series, library.api.register_series_namespace, PolarsSeriesCalls)
    library.dataframe.group_by.GroupBy.nbexec = property(PolarsGroupCalls)


class PolarsSeriesCalls:
    """``series.nbexec``."""

    def __init__(self, series: Any) -> None:
        self._series = series

    def map_elements(self, function: Any, return_dtype: Any = None, **kwargs: Any) -> Any:
        """Do what ``Series.map_elements`` does."""
        series = self._series
        called = series.drop_nulls() if kwargs.get("skip_nulls", True) else series
        if _for_polars(function) or len(called) < 2:
            return series.map_elements(function, return_dtype, **kwargs)
        _look_at(function, series)
        replay = functools.partial(_replay_elements, function, return_dtype)
        ahead = _ahead(function, functools.partial(_slices, called), replay, len(called))
        return series.map_elements(ahead, return_dtype, **kwargs)


class PolarsFrameCalls:
    """``frame.nbexec``."""

    def __init__(self, frame: Any) -> None:
        self._frame = frame

    def map_rows(self, function: Any, return_dtype: Any = None, **kwargs: Any) -> Any:
        """Do what ``DataFrame.map_rows`` does."""
        frame = self._frame
        if _for_polars(function) or frame.height < 2:
            return frame.map_rows(function, return_dtype, **kwargs)
        replay = functools.partial(_replay_rows, function, return_dtype)
        ahead = _ahead(function, functools.partial(_slices, frame), replay, frame.height)
        return frame.map_rows(ahead, return_dtype, **kwargs)


class PolarsGroupCalls:
    """``frame.group_by(...).nbexec``."""

    def __init__(self, groups: Any) -> None:
        self._groups = groups

    def map_groups(self, function: Any) -> Any:
        """Do what ``map_groups`` of the groups does."""
        if _for_polars(function) or not hasattr(self._groups, "maintain_order"):
            return self._groups.map_groups(function)
        groups = copy.copy(self._groups)
        groups.maintain_order = True  # it is asked for the groups twice
        try:
            count = groups.len().height
        except Exception:  # polars says what is wrong
            count = 0
        if count < 2:
            return groups.map_groups(function)
        return groups.map_groups(_GroupsAhead(function, groups, count))


class _GroupsAhead:
    """Calls a function ahead for the groups that polars will call it with."""

    def __init__(self, fn: Callable[..., Any], groups: Any, count: int) -> None:
        self._fn, self._groups = fn, groups
        self._seen: list[Any] = []
        self._at = 0
        replay = functools.partial(_replay_groups, fn)
        self._ahead: Callable[..., Any] = _ahead(fn, self._pieces, replay, count)

    def __call__(self, group: Any) -> Any:
        at, self._at = self._at, self._at + 1
        if self._seen and not (at < len(self._seen) and self._seen[at].equals(group)):
            self._ahead = self._fn  # polars goes another way than before
        return self._ahead(group)

    def _pieces(self, first: int) -> list[list[Any]]:
        def see(group: Any) -> Any:
            self._seen.append(group)
            return group.clear()

        self._groups.map_groups(see)
        return [self._seen[start:stop] for start, stop in cut(len(self._seen), first)]


def _for_polars(fn: Any) -> bool:
    """Whether there is nothing to call ahead: polars says what is wrong with it."""
    return not callable(fn) or inspect.iscoroutinefunction(fn)


def _look_at(fn: Any, series: Any) -> None:
    """Have polars look at the function itself, and say where an expression would do."""
    import polars as library

    series.clear().map_elements(fn, library.Int64)  # it is not called: there are no values


def _ahead(fn: Any, pieces: Any, replay: Any, count: int) -> CallsAhead:
    options = {"name": getattr(fn, "__name__", "polars"), **OF_POLARS}
    return CallsAhead(fn, pieces, replay, count, options)


def _slices(called: Any, first: int) -> list[Any]:
    return [called[start:stop] for start, stop in cut(len(called), first)]


def _replay_elements(fn: Any, return_dtype: Any, piece: Any) -> list[Any]:
    # by the type polars decides what a function is given: for objects a list is no Series
    return recorded(fn, lambda record: piece.map_elements(record, return_dtype, skip_nulls=False))


def _replay_rows(fn: Any, return_dtype: Any, piece: Any) -> list[Any]:
    if return_dtype is not None:
        return recorded(fn, lambda record: piece.map_rows(record, return_dtype))
    return recorded(fn, lambda record: piece.map_rows(lambda row: record(row) or 0))


def _replay_groups(fn: Any, piece: list[Any]) -> list[Any]:
    return recorded(fn, lambda record: [record(group) for group in piece])
