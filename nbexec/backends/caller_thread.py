"""Caller thread: it runs user code that must not run in the run's loop.

A blocking `map` lends its own thread, so that with backend="serial" the function, and
with every backend the user's generator, runs exactly where a plain loop would run it,
and the kernel's interrupt reaches it there.  A run that nobody waits for has a thread
of its own.
"""

from __future__ import annotations

import contextvars
import queue
import threading
from collections.abc import Callable

from ..system import subinterpreter

Job = Callable[[], None]


class CallerThread:
    """A queue of jobs, and whoever serves it until it is released.

    Attributes
    ----------
    own : bool
        Whether that is a thread of our own, since nobody waits for the run.
    """

    def __init__(self) -> None:
        self.own = False
        self._thread: threading.Thread | None = None
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()

    def call(self, job: Job) -> None:
        """Have `job` run by the serving thread; it must not raise but to interrupt."""
        self._jobs.put(job)

    def release(self) -> None:
        """Let the serving thread go once the jobs before this are done."""
        self._jobs.put(None)

    def serve(self, idle: Callable[[], None] | None = None, every: float = 0.05) -> None:
        """Run jobs in this thread until released; call `idle` between them and every `every` s.

        A job's exception passes through (a `KeyboardInterrupt`, since jobs catch the
        others); the jobs after it are still there for the next call.
        """
        while True:
            try:
                job = self._jobs.get(timeout=every if idle is not None else None)
            except queue.Empty:
                pass
            else:
                if job is None:
                    return
                job()
            if idle is not None:
                idle()

    def serve_in_thread(self, context: contextvars.Context) -> None:
        """Serve from a thread of our own, in the caller's context."""
        self.own = True
        thread = threading.Thread(target=context.run, args=(self.serve,), name="nbexec-caller")
        thread.daemon = subinterpreter.daemons()
        self._thread = thread
        thread.start()

    def join(self, timeout: float) -> None:
        """Wait until our own thread has left the user's code, after `release`; a while at most.

        That code may close what it is called for, and wait in vain for itself.
        """
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout)
