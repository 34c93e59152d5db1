"""Open files of this process, and how many more it may open."""

from __future__ import annotations

import errno
import os


def count() -> int:
    """Give how many files and sockets this process has open; 0 where that can't be seen.

    Where it can't open one more, as it would have to for counting, that is as many as it may.
    """
    for folder in ("/proc/self/fd", "/dev/fd"):
        try:
            return len(os.listdir(folder))
        except OSError as error:
            if error.errno == errno.EMFILE:
                return most()
    return 0


def most() -> int:
    """Give how many it may have open.

    Examples
    --------
    >>> count() < most()
    True
    """
    try:
        import resource
    except ImportError:  # Windows: 8192 in the C runtime, sockets aside
        return 8192
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 1 << 30 if soft == resource.RLIM_INFINITY else soft
