"""Functions under a cache of functools (`cache`, `lru_cache`), which pickle knows by name alone.

One that can't be imported is made again in the worker: around the same function, with the same
parameters and attributes, and empty.  What it has computed stays where it was computed.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from . import dispatchers

KIND = functools._lru_cache_wrapper
_MADE = ("__wrapped__", "cache_parameters")  # attributes that each has of its own


def reduced(thing: Any) -> tuple[Any, ...]:
    """Give the reduction of a cached function by value.

    Examples
    --------
    >>> @functools.lru_cache(maxsize=4)
    ... def double(x):
    ...     return 2 * x
    >>> make, arguments, attributes = reduced(double)
    >>> again = make(*arguments)
    >>> again(3), again.cache_parameters()
    (6, {'maxsize': 4, 'typed': False})
    """
    parameters = thing.cache_parameters()
    function = thing.__wrapped__
    arguments = function, parameters["maxsize"], parameters["typed"]
    # what it took over from a dispatcher it takes over again, from the one that is made there
    taken = dispatchers.MADE if dispatchers.is_dispatcher(function) else ()
    own = (*_MADE, *taken)
    return made, arguments, {key: one for key, one in vars(thing).items() if key not in own}


def made(function: Callable[..., Any], maxsize: int | None, typed: bool) -> Any:
    """Put a function under an empty cache."""
    return functools.lru_cache(maxsize=maxsize, typed=typed)(function)


def is_used(thing: Any) -> bool:
    """Whether a cached function holds, or counts, what it would not in another process."""
    return type(thing) is KIND and thing.cache_info()[:2] != (0, 0)
