"""RunSteering: how a run is steered, from any thread: each is a message to its loop."""

from __future__ import annotations

from ..errors import BackendError
from ..options.record import Options
from .lending import Loan
from .loop import Loop


class RunSteering:
    """What changes the course of a run."""

    options: Options
    _loop: Loop

    def cancel(self, reason: str = "") -> None:
        """Start no further item, stop those that run, and end the run; does not wait.

        `reason` is said by the `RunCancelled` that `result` raises.
        """
        self._loop.post(self._loop.stopping.cancel, reason)

    def pause(self) -> None:
        """Start no further item until `resume`; those that run go on to their end."""
        self._loop.post(self._loop.pause, True)

    def resume(self) -> None:
        """Go on after `pause`."""
        self._loop.post(self._loop.pause, False)

    @property
    def workers(self) -> int:
        """How many items run at once; can be set while the run goes on."""
        return self._loop.choice.workers

    @workers.setter
    def workers(self, count: int) -> None:
        self.options.updated({"workers": count})  # checked there
        self._loop.post(self._loop.set_workers, count)

    def restart_workers(self) -> None:
        """Have each worker end, an idle one now and a busy one after its call; does not wait.

        New ones, which have run nothing before, begin when they are needed.

        Raises
        ------
        BackendError
            The run's workers can't be restarted: those of serial, asyncio, and others' pools.
        """
        if not self._loop.can_restart:
            raise BackendError(
                f"workers of backend={self._loop.choice.backend!r} can't be restarted: those of "
                "'threads', 'processes' and 'dask' (a local cluster) can"
            )
        self._loop.post(self._loop.restart_workers)

    def enough(self, index: int, grace: bool = True) -> None:
        """Let no item after `index` start: those are not wanted.  The run ends well.

        Others that run are stopped: at once, or after a while with `grace`.
        """
        self._loop.post(self._loop.stopping.halt, index, grace)

    def lend(self, loan: Loan) -> None:
        """Have another worker, while an item of this run waits in one for another item."""
        self._loop.post(self._loop.lend, loan)

    def give_back(self, loan: Loan) -> None:
        """Have one less again: that item goes on."""
        self._loop.post(self._loop.give_back, loan)
