"""Signals taken: a worker process handles timers and user signals as the kernel does.

Items may start a timer whose handler was set in the kernel, before the run.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from typing import Any

from ..system import subinterpreter

Signals = dict[int, Any]  # handlers by number, where one was set

_NAMES = ("SIGALRM", "SIGVTALRM", "SIGPROF", "SIGUSR1", "SIGUSR2")
_TAKEN = [int(getattr(signal, name)) for name in _NAMES if hasattr(signal, name)]


def signals_here(sendable: Callable[[Any], bool]) -> Signals:
    """Give the handlers that the user's code has set; `sendable` says which can be sent.

    Examples
    --------
    >>> signals_here(lambda handler: True)
    {}
    """
    from ..system.user_code import is_library_module  # sysconfig: 1 ms of a worker's start

    found: Signals = {}
    for number in _TAKEN:
        handler = signal.getsignal(number)
        if handler is signal.SIG_IGN:
            found[number] = int(signal.SIG_IGN)
        elif callable(handler) and not isinstance(handler, signal.Handlers):
            own = not is_library_module(getattr(handler, "__module__", None) or "builtins")
            if own and sendable(handler):
                found[number] = handler
    return found


def take_on(signals: Signals) -> None:
    """Set these handlers, and no others, in the main thread of a worker process."""
    if subinterpreter.number or threading.current_thread() is not threading.main_thread():
        return
    for number in _TAKEN:
        wanted = signals.get(number, signal.SIG_DFL)
        if signal.getsignal(number) != wanted:
            signal.signal(number, wanted)
