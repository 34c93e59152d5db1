"""The code of the user's functions, exchanged for a while: by one loop at a time for each."""

from __future__ import annotations

import threading
import types

_lock = threading.Lock()
_own: dict[types.FunctionType, types.CodeType] = {}  # the code of functions that have other code


def exchange(codes: list[tuple[types.FunctionType, types.CodeType]]) -> bool:
    """Give functions other code; False, and nothing is done, where one of them has such already.

    Two that take code back in another order than they gave it would leave a function with
    code that was not its own.

    Parameters
    ----------
    codes : list of tuple
        The functions, each once, with the code for them.

    Examples
    --------
    >>> def one(): return 1
    >>> def two(): return 2
    >>> exchange([(one, two.__code__)]), one(), exchange([(two, two.__code__), (one, two.__code__)])
    (True, 2, False)
    >>> put_back([one])
    >>> one()
    1
    """
    with _lock:
        if any(function in _own for function, _ in codes):
            return False
        for function, code in codes:
            _own[function], function.__code__ = function.__code__, code
    return True


def put_back(functions: list[types.FunctionType]) -> None:
    """Give functions the code that they had before `exchange`."""
    with _lock:
        for function in functions:
            function.__code__ = _own.pop(function)
