"""The arguments with which a library's call will call the user's function, in order.

They are what the library itself gives to a function that only collects them.  So they have the
contents, the types and the names that the user's function would be given, whatever the version.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ...system.silence import silently
from ..analysis.analysis import Refusal
from ..analysis.object_facts import immutable
from ..iteration.iteration import Checked
from .call import CallbackCall

WINDOW = 64  # rows that are made at a time
LOOKED_AT = 100_000  # elements of a frame or series, above which its contents aren't compared
NAME = "name"


@dataclass(frozen=True)
class Arguments:
    """The arguments of all calls of a function.

    Attributes
    ----------
    items : sequence
        For each call what differs from one to the next: one argument, or a tuple of several.
    more, named : tuple and dict
        What is the same in all of them.
    """

    items: Sequence[Any]
    more: tuple[Any, ...] = ()
    named: dict[str, Any] | None = None


def arguments_of(call: CallbackCall, line: int) -> Arguments:
    """Collect the arguments of all calls.

    Raises
    ------
    Refusal
        They can't be known: what a call gives decides what comes next.
    """
    try:
        with silently():  # the call itself warns
            if call.in_rows and _in_windows(call.source):
                first = _collected(_part(call, 0, 1))
                return Arguments(RowsToCome(call), first.more, first.named)
            return _collected(call)
    except Exception as error:
        why = f"{type(error).__name__} while the arguments of its calls were collected"
        raise Refusal(line, why) from None


def _collected(call: CallbackCall) -> Arguments:
    items: list[Any] = []
    more: list[tuple[tuple[Any, ...], dict[str, Any]]] = []
    several = call.varying

    def collect(*args: Any, **named: Any) -> Any:
        item: Any = args[0] if several == 1 else args[:several]
        items.append(item.copy() if call.reused else item)
        if not more:
            more.append((args[several:], named))
        return call.answer

    call.run(collect)
    return Arguments(items, *more[0]) if more else Arguments(items)


# -------------------------------------------------------------------- rows of a frame


def _in_windows(frame: Any) -> bool:
    """Whether rows are made where they are needed: all are alike, and there are many."""
    return len(frame) > WINDOW and unchanging(frame)


def unchanging(source: Any) -> bool:
    """Whether what a table or an array holds can't be changed: numbers, texts and the like."""
    if type(source).__module__ == "numpy":
        return not source.dtype.hasobject
    if not hasattr(source, "axes"):
        source = source.obj  # of a group-by, of a window
    columns = [source]
    if hasattr(source, "columns"):
        columns = [source.iloc[:, at] for at in range(len(source.columns))]
    columns += [axis.to_series() for axis in source.axes if not hasattr(axis, "levels")]
    return all(
        column.dtype != object or all(map(immutable, set(map(type, column.array))))
        for column in columns
    )


def _part(call: CallbackCall, start: int, stop: int) -> CallbackCall:
    """Give the same call of some rows."""
    part = call.source.iloc[start:stop]
    return call.of(part, part.apply)


class RowsToCome(Sequence[Any]):
    """The rows of a frame, as its `apply` gives them to a function.

    They are made some at a time, where they are needed: a frame is sent to workers once, and
    a row is its position.

    Parameters
    ----------
    call : CallbackCall
        The call that will ask for them.
    """

    def __init__(self, call: CallbackCall) -> None:
        given = {name: one for name, one in call.kwargs.items() if name in ("axis", "raw")}
        args = dict(zip(("axis", "raw"), call.args[1:3], strict=False)) if call.place == 0 else {}
        self._frame = call.source
        self._options = {**given, **args}
        self._made: dict[int, dict[int, list[Any]]] = {}  # by thread, and first row

    def __getstate__(self) -> dict[str, Any]:
        return {"_frame": self._frame, "_options": self._options, "_made": {}}

    def __len__(self) -> int:
        return len(self._frame)

    def __getitem__(self, at: Any) -> Any:
        if isinstance(at, slice):
            made = RowsToCome.__new__(RowsToCome)
            made._frame, made._options, made._made = self._frame.iloc[at], self._options, {}
            return made
        if not 0 <= at < len(self):
            raise IndexError(at)
        start = at - at % WINDOW
        # No function changes its row. A block of items asks for the same ones again.
        windows = self._made.setdefault(threading.get_ident(), {})
        if start not in windows:
            if len(windows) > 1:
                del windows[next(iter(windows))]
            windows[start] = self._window(start)
        return windows[start][at - start]

    def _window(self, start: int) -> list[Any]:
        found: list[Any] = []
        part = self._frame.iloc[start : start + WINDOW]
        with silently():
            part.apply(lambda row: found.append(row.copy()), **self._options)
        return found

    @property
    def frame(self) -> Any:
        """The frame."""
        return self._frame


# -------------------------------------------------------------------- the same argument?


def matcher(items: Sequence[Any], several: int) -> Callable[[int, tuple[Any, ...]], bool]:
    """Give a function that tells whether a call's arguments are those of the item at a position."""
    if isinstance(items, RowsToCome):
        index = list(items.frame.index)
        columns = items.frame.columns

        def same_row(at: int, args: tuple[Any, ...]) -> bool:
            row = args[0]
            if not hasattr(row, NAME):  # an array, of `raw=True`
                return at < len(index) and len(row) == len(columns)
            return at < len(index) and _alike(row.name, index[at]) and len(row) == len(columns)

        return same_row
    if several == 1:
        return lambda at, args: at < len(items) and same(args[0], items[at])
    return lambda at, args: at < len(items) and all(map(same, args[:several], items[at]))


def same(one: Any, other: Any) -> bool:
    """Whether an argument is the one that was foreseen.

    Examples
    --------
    >>> same(3, 3), same(3, 3.0), same(float("nan"), float("nan")), same([], [])
    (True, False, True, False)
    """
    if one is other:
        return True
    if type(one) is not type(other):
        return False
    if immutable(type(one)):
        return _alike(one, other)
    if hasattr(one, "equals") and type(one).__module__.partition(".")[0] == "pandas":
        if not _alike(_name(one), _name(other)):
            return False
        if one.size > LOOKED_AT:
            return bool(one.shape == other.shape)
        return bool(one.index.equals(other.index) and one.equals(other))
    if type(one).__module__ == "numpy":
        if one.shape != other.shape or one.dtype != other.dtype:
            return False
        return bool(
            one.size > LOOKED_AT or ((one == other) | ((one != one) & (other != other))).all()
        )
    return False


def _name(thing: Any) -> Any:
    """Give the name of a series, or the one that a group has; a column may be called so, too."""
    return vars(thing).get(NAME, vars(thing).get(f"_{NAME}"))


def _alike(one: Any, other: Any) -> bool:
    try:
        return one is other or (type(one) is type(other) and bool(one == other or one != one))
    except Exception:
        return False


class Pinned(Checked):
    """Wraps a group that is sent: its name is an attribute that a copy would lack."""

    def __reduce__(self) -> Any:
        super().__reduce__()  # raises where it can't be sent
        return _pinned, (self.item, getattr(self.item, NAME))


class PinnedList(list[Any]):
    """Groups that are sent together, with their names."""

    def __reduce__(self) -> Any:
        return _pinned_list, (list(self), [getattr(one, NAME) for one in self])


def _pinned(item: Any, name: Any) -> Checked:
    object.__setattr__(item, NAME, name)
    return Checked(item)


def _pinned_list(items: list[Any], names: list[Any]) -> list[Any]:
    for item, name in zip(items, names, strict=True):
        object.__setattr__(item, NAME, name)
    return items


def has_own_name(item: Any) -> bool:
    """Whether it is a frame that has a name, as the groups of `groupby(...).apply` have."""
    return NAME in getattr(item, "__dict__", {}) and hasattr(item, "columns")
