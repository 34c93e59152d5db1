"""DoneCallbacks: the thread that calls what the futures of an executor were given to call.

A run sets futures in its own thread.  A callback there that takes long would hold up all calls,
and one that waits for another call would wait for ever.
"""

from __future__ import annotations

import contextvars
import logging
import queue
import threading
from collections.abc import Callable
from typing import Any

from ..run import own_threads
from ..system import subinterpreter

Callback = Callable[[Any], object]


class DoneCallbacks:
    """Calls callbacks one after the other, in a thread that begins with the first one.

    Those that another thread than a run's is to call, as by ``future.cancel()``, it calls itself.

    Examples
    --------
    >>> callbacks = DoneCallbacks()
    >>> callbacks.call(print, "done")
    done
    >>> callbacks.close()
    >>> callbacks.join()
    True
    """

    def __init__(self) -> None:
        self._context = contextvars.copy_context()
        self._waiting: queue.SimpleQueue[tuple[Callback, Any] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._lock = threading.RLock()  # a finaliser may come here amid this
        self._closed = False

    def call(self, callback: Callback, future: Any) -> None:
        """Have ``callback(future)`` called."""
        if own_threads.run() is None or not self._take(callback, future):
            callback(future)

    def _take(self, callback: Callback, future: Any) -> bool:
        """Leave a callback to the thread; give whether there is one."""
        with self._lock:
            if self._closed:
                return False
            if self._thread is None and not self._began():
                return False
            self._waiting.put((callback, future))
        return True

    def _began(self) -> bool:
        thread = threading.Thread(
            target=self._context.run, args=(self._serve,), name="nbexec-callbacks"
        )
        thread.daemon = subinterpreter.daemons()
        try:
            thread.start()
        except RuntimeError:  # the system's limit, or Python is exiting
            return False
        self._thread = thread
        return True

    def _serve(self) -> None:
        while (one := self._waiting.get()) is not None:
            callback, future = one
            try:
                callback(future)
            except BaseException:  # as `concurrent.futures` does; of an exit nothing is left here
                logging.getLogger("concurrent.futures").exception(
                    "exception calling callback for %r", future
                )
            del one, callback, future  # or the last result lives until the next one

    @property
    def here(self) -> bool:
        """Whether this is in a callback that the thread calls."""
        return threading.current_thread() is self._thread

    def close(self) -> None:
        """Have the thread end once it has called what it was given."""
        with self._lock:
            self._closed = True
            self._waiting.put(None)

    def join(self, timeout: float | None = None) -> bool:
        """Wait until it has, after `close`, at most `timeout` seconds; give whether it has."""
        if self._thread is None:
            return True
        self._thread.join(timeout)
        return not self._thread.is_alive()
