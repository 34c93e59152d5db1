"""``.nbexec`` of DataFrames, Series and groups: pandas' own methods, in parallel."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

from .accessor_calls import OF_PANDAS, CallsAhead, cut, keep_options, of_pandas, recorded, register
from .pandas_windows import WindowCalls


def pandas(**options: Any) -> None:
    """Register ``.nbexec`` with DataFrames, Series, groups and windows of pandas.

    ``df.nbexec.apply(fn, axis=1)``, ``df.nbexec.map(fn)``, ``series.nbexec.map(fn)``,
    ``series.nbexec.apply(fn)``, ``apply``, ``agg`` and ``transform`` of
    ``df.groupby(...).nbexec`` and ``df.groupby(...)[column].nbexec``, and ``apply`` of
    ``rolling(...).nbexec`` and ``expanding(...).nbexec``, also in groups, do what pandas' own
    methods do, with calls of the function on workers.

    Parameters
    ----------
    **options
        Any of `Options`, for all of these calls: ``workers``, ``backend``, ``name`` and so on.

    Raises
    ------
    OptionError
        An option can't be used.
    ImportError
        pandas isn't there.

    Notes
    -----
    pandas makes the result: index, dtypes, names and exceptions are its own.  The first calls
    run in the kernel and are timed; the rest goes to workers where that saves time.  What is
    vectorised, a name such as ``"sum"`` or a NumPy function, goes to pandas as it is.

    Examples
    --------
    >>> import nbexec, pandas as pd
    >>> nbexec.pandas(progress="off")
    >>> frame = pd.DataFrame({"a": [1, 2], "b": [3, 4]})
    >>> frame.nbexec.apply(lambda row: row["a"] * row["b"], axis=1).tolist()
    [3, 8]
    """
    import pandas as library
    from pandas.api import extensions, typing

    keep_options(OF_PANDAS, options, "pandas")
    register(library.DataFrame, extensions.register_dataframe_accessor, FrameCalls)
    register(library.Series, extensions.register_series_accessor, SeriesCalls)
    for cls in (typing.DataFrameGroupBy, typing.SeriesGroupBy):
        cls.nbexec = property(GroupCalls)
    for cls in (typing.Rolling, typing.Expanding):  # those of groups are of these classes
        cls.nbexec = property(WindowCalls)


def _vectorised(fn: Any) -> bool:
    """Whether it is for pandas alone: a name, a list or dict of them, a function of all values.

    Also a coroutine function: its calls do nothing but make coroutines, which can't be sent.
    """
    if not callable(fn) or inspect.iscoroutinefunction(fn):
        return True
    if type(fn).__name__ == "ufunc":
        return True
    # before 3, pandas took `numpy.std` for its own `std`, which differs; now it calls it each time
    return _module(fn).startswith("numpy") and _version_of_pandas() < 3


def _version_of_pandas() -> int:
    import pandas as library

    return int(library.__version__.partition(".")[0])


def _module(fn: Any) -> str:
    return getattr(fn, "__module__", None) or ""


class SeriesCalls:
    """``series.nbexec``."""

    def __init__(self, series: Any) -> None:
        self._series = series

    def map(self, func: Any = None, na_action: Any = None, **kwargs: Any) -> Any:
        """Do what ``Series.map`` does."""
        called = self._series if na_action is None else self._series[self._series.notna()]
        return self._calls(func, "map", called, {"na_action": na_action, **kwargs})

    def apply(self, func: Any, args: tuple[Any, ...] = (), **kwargs: Any) -> Any:
        """Do what ``Series.apply`` does."""
        return self._calls(func, "apply", self._series, {"args": args, **kwargs})

    def _calls(self, fn: Any, method: str, called: Any, kwargs: dict[str, Any]) -> Any:
        series = self._series
        once_a_value = series.dtype.name == "category" or hasattr(series, "sparse")
        whole = kwargs.get("by_row", "compat") is False  # it is called with the Series
        elsewhere = kwargs.get("engine") is not None
        if _vectorised(fn) or once_a_value or whole or elsewhere or len(called) < 2:
            return getattr(series, method)(fn, **kwargs)
        replay = functools.partial(_replay, fn, method, kwargs)
        ahead = of_pandas(fn, functools.partial(_rows, called), replay, len(called))
        return getattr(series, method)(ahead, **kwargs)


class FrameCalls:
    """``df.nbexec``."""

    def __init__(self, frame: Any) -> None:
        self._frame = frame

    def apply(
        self, func: Any, axis: Any = 0, raw: bool = False, result_type: Any = None, **kwargs: Any
    ) -> Any:
        """Do what ``DataFrame.apply`` does."""
        frame, along = self._frame, self._frame._get_axis_number(axis)
        kwargs = {"axis": axis, "raw": raw, "result_type": result_type, **kwargs}
        if (
            _vectorised(func)
            or frame.shape[1 - along] < 2
            or frame.empty
            or kwargs.get("engine", "python") != "python"
            # which takes rows by their labels: two of one are given together
            or (result_type == "broadcast" and not frame.axes[1 - along].is_unique)
        ):
            return frame.apply(func, **kwargs)
        pieces = functools.partial(_rows if along else _columns, frame)
        replay = functools.partial(_replay, func, "apply", kwargs)
        ahead = of_pandas(func, pieces, replay, frame.shape[1 - along])
        return frame.apply(ahead, **kwargs)

    def map(self, func: Any, na_action: Any = None, **kwargs: Any) -> Any:
        """Do what ``DataFrame.map`` does."""
        frame = self._frame
        if not callable(func) or frame.empty:
            return frame.map(func, na_action=na_action, **kwargs)
        columns = {
            position: SeriesCalls(frame.iloc[:, position]).map(
                functools.partial(func, **kwargs) if kwargs else func, na_action
            )
            for position in range(frame.shape[1])
        }
        made = type(frame)(columns, index=frame.index)
        made.columns = frame.columns
        return made.__finalize__(frame, method="map")


class GroupCalls:
    """``df.groupby(...).nbexec``."""

    def __init__(self, groups: Any) -> None:
        self._groups = groups

    def apply(self, func: Any, *args: Any, **kwargs: Any) -> Any:
        """Do what ``apply`` of the groups does."""
        return self._calls("apply", func, args, kwargs, lambda group: None)

    def agg(self, func: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Do what ``agg`` of the groups does."""
        return self._calls("agg", func, args, kwargs, lambda group: 0)

    def transform(self, func: Any, *args: Any, **kwargs: Any) -> Any:
        """Do what ``transform`` of the groups does."""
        return self._calls("transform", func, args, kwargs, lambda group: group)

    def _calls(
        self, method: str, fn: Any, args: Any, kwargs: Any, stand_in: Callable[[Any], Any]
    ) -> Any:
        made = getattr(self._groups, method)
        if _vectorised(fn) or kwargs.get("engine") is not None:
            return made(fn, *args, **kwargs)
        seen: list[Any] = []

        def see(group: Any, *_: Any, **__: Any) -> Any:
            seen.append((group, _name_of(group)))
            return stand_in(group)

        try:
            made(see, *args, **kwargs)
        except Exception:  # pandas makes nothing of the stand-ins
            return made(fn, *args, **kwargs)
        if len(seen) < 2:
            return made(fn, *args, **kwargs)
        replay = functools.partial(_replay_groups, fn, args, kwargs)
        ahead = of_pandas(fn, functools.partial(_listed, seen), replay, len(seen))
        return made(Expecting(fn, seen, ahead), *args, **kwargs)


class Expecting:
    """Calls a function ahead for the groups that were seen, and plainly for any other."""

    def __init__(self, fn: Callable[..., Any], seen: Sequence[Any], ahead: CallsAhead) -> None:
        functools.update_wrapper(self, fn, updated=())
        self._fn, self._ahead = fn, ahead
        self._seen = iter(seen)

    def __call__(self, group: Any, *args: Any, **kwargs: Any) -> Any:
        """Give what the function gives for a group."""
        expected: Any
        expected, name = next(self._seen, (None, None))
        if (
            type(expected) is type(group)
            and _same(name, _name_of(group))
            and group.index.equals(expected.index)
        ):
            return self._ahead(group, *args, **kwargs)
        self._seen = iter(())  # pandas goes another way than with the stand-ins
        return self._fn(group, *args, **kwargs)


UNNAMED = object()  # in place of the key of a group that pandas gives none


def _name_of(group: Any) -> Any:
    """Give the key that pandas has set on a group: a DataFrame may have a column `name`."""
    return group.name if group.ndim == 1 else vars(group).get("name", UNNAMED)


def _same(one: Any, other: Any) -> bool:
    """Whether two keys are the same one; of missing values pandas makes no truth."""
    if one is other:
        return True
    try:
        return bool(one == other)
    except (TypeError, ValueError):
        return False


def _rows(called: Any, first: int) -> list[Any]:
    return [called.iloc[start:stop] for start, stop in cut(len(called), first)]


def _columns(frame: Any, first: int) -> list[Any]:
    return [frame.iloc[:, start:stop] for start, stop in cut(frame.shape[1], first)]


def _listed(seen: list[Any], first: int) -> list[list[Any]]:
    return [seen[start:stop] for start, stop in cut(len(seen), first)]


def _replay(fn: Any, method: str, kwargs: dict[str, Any], piece: Any) -> list[Any]:
    def call_each(record: Callable[..., Any]) -> None:
        def called(row: Any, *args: Any, **given: Any) -> Any:
            record(row, *args, **given)
            return row  # which fits where it was: None doesn't fit among integers

        fits = kwargs.get("result_type") == "broadcast"
        getattr(piece, method)(called if fits else record, **kwargs)

    return recorded(fn, call_each)


def _replay_groups(fn: Any, args: Any, kwargs: Any, piece: list[Any]) -> list[Any]:
    def call_each(record: Callable[..., Any]) -> None:
        for group, name in piece:
            if name is not UNNAMED:
                object.__setattr__(group, "name", name)  # what pickling leaves behind
            record(group, *args, **kwargs)

    return recorded(fn, call_each)
