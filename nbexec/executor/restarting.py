"""New workers for an executor, while it goes on."""

from __future__ import annotations

from ..run.handle import Run


class Restarting:
    """What an executor does with its workers."""

    _run: Run

    def restart_workers(self) -> None:
        """Have each worker end: an idle one now, a busy one after its call; does not wait.

        New ones, which have run nothing before, begin when calls need them, with `initializer` and
        `setup`.  `teardown` comes before a worker ends.

        Raises
        ------
        BackendError
            The workers can't be restarted: those of serial, asyncio, and others' pools.

        Examples
        --------
        >>> import threading, nbexec
        >>> with nbexec.Executor("threads", workers=1) as executor:
        ...     before = executor.submit(threading.get_native_id).result()
        ...     executor.restart_workers()
        ...     before == executor.submit(threading.get_native_id).result()
        False
        """
        self._run.restart_workers()
