"""Methods of pandas that call a function for each row, element or group."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from .call import CallbackCall, is_own

_PROGRESS = {"progress_apply": "apply", "progress_map": "map", "progress_applymap": "map"}
_FIRST = ("func", "arg")  # names of the parameter that is the function
# Options with which another engine calls it, or it is called with something else altogether.
_OTHERWISE = {"engine", "engine_kwargs", "by_row"}
_SERIES = {"map", "apply"}
_GROUPED = {
    "DataFrameGroupBy": {"apply", "agg", "aggregate"},
    "SeriesGroupBy": {"apply", "agg", "aggregate", "transform", "filter"},
}


def recognise(
    name: str, callee: Any, owner: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> CallbackCall | None:
    """Give what is known of the call of a method of pandas; None where nothing is.

    Parameters
    ----------
    name : str
        The name of the method.
    callee : method
        The method.
    owner : object
        What it is a method of.
    args, kwargs : tuple and dict
        Its arguments.
    """
    kind = type(owner)
    if kind.__module__.partition(".")[0] != "pandas":
        return None
    place: int | str | None = 0 if args else next((one for one in _FIRST if one in kwargs), None)
    if place is None or _OTHERWISE & kwargs.keys():
        return None
    if not is_own(args[0] if place == 0 else kwargs[str(place)]):
        return None
    same = _PROGRESS.get(name, name)
    twin = getattr(owner, same) if same != name else None
    made = _Maker(callee, args, kwargs, place, twin)
    if kind.__name__ == "Series" and same in _SERIES:
        return made(f"`Series.{name}`", len(owner), owner)
    if kind.__name__ == "DataFrame":
        return _of_frame(name, same, owner, made)
    if same in _GROUPED.get(kind.__name__, ()):
        groups = copy.copy(owner)  # some methods change a setting for a moment
        made.twin = getattr(groups, same)
        each = 1
        if kind.__name__ == "DataFrameGroupBy" and same != "apply":
            each = max(1, len(owner.obj.columns))
        return made(f"`{kind.__name__}.{name}`", owner.ngroups * each, owner, made=True)
    if kind.__name__ == "Rolling" and same == "apply":
        return made(f"`Rolling.{name}`", owner.obj.size, owner, answer=0.0, made=True, reused=True)
    return None


def _of_frame(name: str, same: str, frame: Any, made: _Maker) -> CallbackCall | None:
    if same in ("map", "applymap"):
        return made(f"`DataFrame.{name}`", frame.size, frame)
    if same != "apply":
        return None
    axis = made.args[1] if len(made.args) > 1 else made.kwargs.get("axis", 0)
    if len(frame) == 0 or len(frame.columns) == 0:
        return None
    if axis in (1, "columns"):
        return made(f"`DataFrame.{name}`", len(frame), frame, made=True, reused=True, in_rows=True)
    return made(f"`DataFrame.{name}`", len(frame.columns), frame, made=True, reused=True)


class _Maker:
    def __init__(
        self,
        callee: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        place: int | str,
        twin: Callable[..., Any] | None,
    ) -> None:
        self.callee, self.args, self.kwargs, self.place = callee, args, kwargs, place
        self.twin = twin

    def __call__(self, what: str, count: int, source: Any, **more: Any) -> CallbackCall:
        return CallbackCall(
            self.callee,
            self.args,
            self.kwargs,
            self.place,
            what,
            count,
            source,
            twin=self.twin,
            **more,
        )
