"""Replay: a cache is filled by calling it, with values that workers computed.

`functools.lru_cache` can't be written into, and counts its hits.  So the loop calls it as it
stands, in its turn, and only the function inside it gives the value that is known, instead of
computing it.
"""

from __future__ import annotations

import types
from typing import Any

from ...system.parsing import tree_of
from ...system.silence import silently
from ..analysis.recompile import with_things
from ..analysis.source import is_own_code
from ..loops.exchanged_code import exchange, put_back
from ..loops.split import CACHE

_REPLAY = "_nbexec_replay_"  # stands for what is called, while code is compiled
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


def _calling(called: Any) -> types.CodeType:
    """Give code of a function that calls `called` with its arguments."""
    with silently():  # a text that is called is warned of
        tree = tree_of(f"def stub(*args, **named): return {_REPLAY!r}(args, named)")
        whole = compile(tree, __file__, "exec", dont_inherit=True)
    code = next(one for one in whole.co_consts if isinstance(one, types.CodeType))
    return with_things(code, {_REPLAY: called})


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
        self._code: types.CodeType | None = None

    def prepare(self, function: types.FunctionType, item: Any, value: Any) -> None:
        """Have `function` give `value` when it is called with `item`.

        It computes the value itself where another loop has exchanged its code.
        """
        self._code = self._code or _calling(self._call)
        self._twin = twin_of(function)
        self._item, self._value = item, value
        if exchange([(function, self._code)]):
            self._function = function

    def finish(self) -> bool:
        """Have the function do what it did; give whether it was called, and gave the value."""
        function, self._function = self._function, None
        given = function is not None and self._value is _NONE
        if function is not None:
            put_back([function])
        self._item = self._value = _NONE
        return given

    def _call(self, args: tuple[Any, ...], named: dict[str, Any]) -> Any:
        if len(args) == 1 and not named and args[0] is self._item:
            value, self._value, self._item = self._value, _NONE, _NONE
            return value
        return self._twin(*args, **named)
