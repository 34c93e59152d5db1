"""Sub-interpreters: names, limits and errors of code that runs in one.

Each has its own modules and its own GIL, but the process is everybody's: its descriptors,
its environment and its end.
"""

from __future__ import annotations

import _thread
import os

number = 0  # of this worker, where it is one
thread = 0  # that its items run in

_REFUSED = " does not support loading in subinterpreters"  # to import `re` takes 6 ms


def name(one: int | None = None) -> str:
    """Give the name of such a worker, of this one by default; "" where it is none."""
    one = number if one is None else one
    return f"interpreter {one}" if one else ""


def worker(one: int | None = None) -> str:
    """Give the suffix of a worker's files: its process, and the number of its interpreter."""
    one = number if one is None else one
    return f"{os.getpid()}i{one}" if one else str(os.getpid())


def daemons() -> bool:
    """Whether threads may be daemons here: in a sub-interpreter they may not."""
    return bool(getattr(_thread, "daemon_threads_allowed", lambda: True)())


def interrupt() -> None:
    """Raise SystemExit in the thread of this worker's items, once it runs Python code."""
    import ctypes  # 5 ms, for few

    stop = ctypes.py_object(SystemExit)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), stop)


def refused(error: BaseException | None) -> str:
    """Say which module can't be loaded in a sub-interpreter, where that is behind `error`.

    Examples
    --------
    >>> refused(ImportError("module spam does not support loading in subinterpreters"))
    "the module spam can't be loaded in a sub-interpreter: use backend='processes' or 'threads'"
    >>> refused(ImportError("No module named 'spam'"))
    ''
    """
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, ImportError) and _REFUSED in str(error):
            module = str(error).partition(_REFUSED)[0].rpartition(" ")[2]
            where = "use backend='processes' or 'threads'"
            return f"the module {module} can't be loaded in a sub-interpreter: {where}"
        error = error.__cause__ or error.__context__
    return ""


def note(error: BaseException) -> None:
    """Have `error` say so, where a module can't be loaded here."""
    why = refused(error)
    if why and why not in "\n".join((str(error), *getattr(error, "__notes__", ()))):
        error.add_note(why)
