"""What an exception says of this machine: that it has no room for so many items at once.

Items that run side by side share the open files and the threads of their process.  An item that
gets none of them would have got one in a plain loop.
"""

from __future__ import annotations

import errno

from ..model import SlowDown

FILES, THREADS = "open files", "threads"
CODES = (errno.EMFILE, errno.ENFILE)
NO_THREAD = "can't start new thread"  # what CPython says, in a RuntimeError
DEPTH = 8  # exceptions that one may come from: httpx puts four around a socket's


def asked(error: BaseException) -> SlowDown | None:
    """Give that fewer are to run at once, where an exception says so; None where it doesn't.

    Examples
    --------
    >>> asked(OSError(errno.EMFILE, "Too many open files"))
    SlowDown(status=0, seconds=0.0, lacking='open files')
    """
    found = _lacking(error, DEPTH)
    return SlowDown(0, 0.0, found) if found else None


def _lacking(error: BaseException | None, depth: int) -> str:
    if not isinstance(error, Exception) or not depth:
        return ""
    if isinstance(error, OSError) and error.errno in CODES:
        return FILES
    if isinstance(error, RuntimeError) and error.args[:1] == (NO_THREAD,):
        return THREADS
    inner = error.exceptions if isinstance(error, ExceptionGroup) else ()
    for one in (*inner, error.__cause__, error.__context__):
        if one is not error and (found := _lacking(one, depth - 1)):
            return found
    return ""
