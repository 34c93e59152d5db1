"""A function of the user's whose loops run item by item, without a cell."""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable
from typing import Any

from ...errors import OptionError
from ...options import resolve
from ...system import recursion
from .entering import Entering
from .reach import functions_of


def parallel_function(
    function: Callable[..., Any], strict: bool, options: dict[str, Any]
) -> Callable[..., Any]:
    """Give the same function, whose loops run on workers where that saves time.

    Parameters
    ----------
    function : function or method
        One of the user's own.
    strict : bool
        Whether a loop that can't is an error.
    options : dict
        Any of `Options`.

    Raises
    ------
    OptionError
        It is no function whose loops could be seen.
    """
    inner = function.__func__ if isinstance(function, types.MethodType) else function
    odd = (
        inspect.isgeneratorfunction(inner)
        or inspect.iscoroutinefunction(inner)
        or inspect.isasyncgenfunction(inner)
    )
    if not isinstance(inner, types.FunctionType) or odd:
        raise OptionError(
            f"parallel needs the source of a cell, or a function written in Python that is no "
            f"generator and no coroutine function, not {function!r}"
        )
    resolve(options)  # what is wrong with them is told before the first call

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        entering = Entering(lambda: functions_of([inner]), resolve(options), options, strict)
        with recursion.room(), entering:
            entering.open()
            return function(*args, **kwargs)

    return call
