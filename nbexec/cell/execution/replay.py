"""Replay: a cache is filled by calling it, with values that workers computed.

`functools.lru_cache` can't be written into, and counts its hits.  So the loop calls it as it
stands, in its turn, and only the function inside it gives the value that is known, instead of
computing it.
"""

from __future__ import annotations

import builtins
import types
from typing import Any

from ..analysis.source import is_own_code
from ..loops.split import CACHE

REPLAY = "__nbexec_replay__"
_NONE: Any = object()


def cached_function(thing: Any) -> types.FunctionType | None:
    """Give the user's function inside a cache, or itself; None where it can't be replayed.

    Examples
    --------
    >>> import functools
    >>> cached_function(functools.lru_cache(len)) is None
    True
    """
    inner = getattr(thing, "__wrapped__", None) if type(thing) is CACHE else thing
    if not isinstance(inner, types.FunctionType) or inner.__code__.co_freevars:
        return None
    return inner if is_own_code(inner.__code__) else None


def twin_of(function: types.FunctionType) -> types.FunctionType:
    """Give a function that does the same, whose code stays when that of the other is replaced."""
    twin = types.FunctionType(
        function.__code__, function.__globals__, function.__name__, function.__defaults__
    )
    twin.__kwdefaults__ = function.__kwdefaults__
    twin.__module__, twin.__qualname__ = function.__module__, function.__qualname__
    return twin


def _stub(*args: Any, **named: Any) -> Any:
    return __nbexec_replay__(args, named)  # type: ignore[name-defined]  # noqa: F821


class Replay:
    """Has a function give a known value, once, to whoever calls it with one very object.

    Examples
    --------
    >>> import functools
    >>> @functools.cache
    ... def double(x):
    ...     return 2 * x
    >>> replay = Replay()
    >>> item = 7
    >>> replay.prepare(double.__wrapped__, item, "known")
    >>> double(item), replay.finish(), double(item), double(8)
    ('known', True, 'known', 16)
    >>> double.cache_info().hits
    1
    """

    def __init__(self) -> None:
        self._function: types.FunctionType | None = None
        self._item = self._value = _NONE

    def prepare(self, function: types.FunctionType, item: Any, value: Any) -> None:
        """Have `function` give `value` when it is called with `item`."""
        self._twin = twin_of(function)
        self._code = function.__code__
        self._function, self._item, self._value = function, item, value
        setattr(builtins, REPLAY, self._call)
        function.__code__ = _stub.__code__

    def finish(self) -> bool:
        """Have the function do what it did; give whether it was called, and gave the value."""
        function, self._function = self._function, None
        if function is None:
            return False
        function.__code__ = self._code
        given = self._value is _NONE
        self._item = self._value = _NONE
        return given

    def _call(self, args: tuple[Any, ...], named: dict[str, Any]) -> Any:
        if len(args) == 1 and not named and args[0] is self._item:
            value, self._value, self._item = self._value, _NONE, _NONE
            return value
        return self._twin(*args, **named)
