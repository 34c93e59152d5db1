"""CallbackCall: a library's call that calls a function of the user's many times."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from ..analysis.source import is_own_code

_ODD = 0x2A0  # co_flags: generator, coroutine, asynchronous generator


@dataclass(frozen=True, eq=False)
class CallbackCall:
    """A call of a library's function or method that is given a function of the user's.

    Attributes
    ----------
    callee : callable
        What is called.
    args, kwargs : tuple and dict
        Its arguments.
    place : int or str
        Which of them the user's function is.
    what : str
        Its kind, for messages.
    count : int
        About how often it will call the function.
    source : object
        What the arguments of the function are parts of.
    twin : callable or None
        Does the same as `callee`, without its settings or its display; None for `callee`.
    varying : int
        How many arguments of the function differ from one call to the next.
    answer : object
        What a function that only collects its arguments may return.
    made : bool
        Whether the arguments are made for the calls, as rows and groups are.
    reused : bool
        Whether the library changes, or uses again, what it has given to the function.
    in_rows : bool
        Whether the arguments are the rows of a frame, of which a few can be made alone.
    """

    callee: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    place: int | str
    what: str
    count: int
    source: Any
    twin: Callable[..., Any] | None = None
    varying: int = 1
    answer: Any = None
    made: bool = False
    reused: bool = False
    in_rows: bool = False

    @property
    def function(self) -> Callable[..., Any]:
        """The user's function."""
        found: Callable[..., Any]
        found = self.kwargs[self.place] if isinstance(self.place, str) else self.args[self.place]
        return found

    def given(self, function: Callable[..., Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Give the call's arguments with another function in the place of the user's."""
        if isinstance(self.place, str):
            return self.args, {**self.kwargs, self.place: function}
        args = list(self.args)
        args[self.place] = function
        return tuple(args), self.kwargs

    def run(self, function: Callable[..., Any]) -> Any:
        """Call it with another function."""
        args, kwargs = self.given(function)
        return (self.twin or self.callee)(*args, **kwargs)

    def of(self, source: Any, twin: Callable[..., Any]) -> CallbackCall:
        """Give the same call of another object."""
        return replace(self, source=source, twin=twin)


def is_own(function: Any) -> bool:
    """Whether it is a function of the user's, a method, or one with some of its arguments.

    Examples
    --------
    >>> is_own(len), is_own(functools.partial(max, 3))
    (False, False)
    """
    while isinstance(function, functools.partial):
        function = function.func
    if isinstance(function, types.MethodType):
        function = function.__func__
    if not isinstance(function, types.FunctionType):
        return False
    return is_own_code(function.__code__) and not function.__code__.co_flags & _ODD
