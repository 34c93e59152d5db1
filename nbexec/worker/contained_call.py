"""A call that gives its exception in place of raising it, as workers of other pools do."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


def contained(
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    wrapped: Callable[[Exception, Any], Any],
) -> tuple[bool, Any, float]:
    """Call a function; give whether it returned, its value or exception, and the seconds.

    Parameters
    ----------
    function, args, kwargs : callable, tuple and dict
        The call.
    wrapped : callable
        Gives what stands for an exception, with its traceback, on the way back.

    Examples
    --------
    >>> contained(divmod, (7, 2), {}, lambda error, _: error)[:2]
    (True, (3, 1))
    >>> contained(divmod, (7, 0), {}, lambda error, _: type(error).__name__)[:2]
    (False, 'ZeroDivisionError')
    """
    began = time.perf_counter()
    try:
        value = function(*args, **kwargs)
    except Exception as error:
        return False, wrapped(error, error.__traceback__), time.perf_counter() - began
    return True, value, time.perf_counter() - began
