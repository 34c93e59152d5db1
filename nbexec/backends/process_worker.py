"""One worker process of `processes`: a loky executor with one worker, for one slot."""

from __future__ import annotations

import os
import signal
import weakref
from concurrent.futures import Future
from multiprocessing import process, resource_tracker
from typing import Any

from loky import ProcessPoolExecutor, process_executor

from ..options.worker_options import Environment
from ..system import affinity, after_fork, at_exit, interpreter_flags
from ..worker import children
from ..worker.entry import hello, run_packed
from ..worker.envelope import PackedCall
from ..worker.process import begin_worker
from .listener import listener
from .remote import how_it_ended
from .scratch import has_scratch

TIDYING = 2.0  # seconds that a worker gets at Python's end

_closing: weakref.WeakSet[ProcessWorker] = weakref.WeakSet()  # to end after their call


class ProcessWorker:
    """One worker process behind one loky executor."""

    def __init__(self, number: int, env: Environment = ()) -> None:
        self.number = number
        self.healthy = True
        self.items = 0  # that it has run, of all runs
        self.ready = False
        variables = interpreter_flags.flags_as_variables()
        variables |= {"MPLBACKEND": "agg"} | dict(env)  # it has no window
        begun_by = os.getpid(), children.start_method()
        self._executor = ProcessPoolExecutor(
            1, initializer=begin_worker, initargs=begun_by, env=variables
        )
        our_listener = listener()
        folder = our_listener.folder if our_listener is not None else None
        with children.permitted(), affinity.unpinned():
            self._executor.submit(hello, folder).add_done_callback(self._began)
        # loky has no public way to ask; kept, since it forgets a worker that died
        self._process = next(iter(self._executor._processes.values()))
        at_exit.arm()
        after_fork.watch(self)

    def after_fork(self) -> None:
        """Have a forked child not wait for the process: it is the parent's."""
        process._children.discard(self._process)  # type: ignore[attr-defined]

    def _began(self, future: Future[int]) -> None:
        self.ready = True

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid  # type: ignore[no-any-return]  # loky has no types

    def submit(self, call: PackedCall) -> Future[bytes]:
        future: Future[bytes] = self._executor.submit(run_packed, call)
        return future

    def nothing(self) -> Future[Any]:
        """Give what is done once it has finished all that it has been given."""
        future: Future[Any] = self._executor.submit(int)
        return future

    def ending(self) -> str:
        """Say how the worker ended: by which signal, or with which exit code."""
        return how_it_ended(self._process.exitcode)

    def kill(self) -> None:
        """End the worker now; loky notices and fails what it held."""
        self.healthy = False
        try:
            os.kill(self._process.pid, getattr(signal, "SIGKILL", signal.SIGTERM))
        except ProcessLookupError:
            pass

    def close(self) -> None:
        """End the worker when it has finished its current chunk, or at Python's end.

        One that was killed is not killed again: with kill_workers=True loky may trip over
        a chunk that it was about to send (KeyError in its thread), and clears up nothing.
        """
        self._executor.shutdown(wait=False)
        _closing.add(self)

    @property
    def ended(self) -> bool:
        """Whether its process has ended."""
        return self._process.exitcode is not None

    def end(self) -> None:
        """Kill the worker and wait: nothing of it is left.

        One whose items had workers of their own has a moment to end those, and to tidy up.
        """
        if has_scratch(self.pid):
            self._executor.shutdown(wait=False)
            self._process.join(TIDYING)
            if self._process.exitcode is None:
                self.kill()
        self._executor.shutdown(wait=True, kill_workers=True)


def kill_closing() -> None:
    """Kill the workers that were to end after their call, perhaps a teardown, and still go on."""
    for worker in [*_closing]:
        if not worker.ended:
            worker.kill()


def _forget() -> None:
    """Have loky, in a forked child, wake and join no threads, and kill none of the parent's."""
    process_executor._threads_wakeups.clear()
    _closing.clear()


after_fork.add(_forget)
# As Python 3.12 does.
after_fork.renew(resource_tracker._resource_tracker._lock)  # type: ignore[attr-defined]
