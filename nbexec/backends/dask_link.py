"""The link to the scheduler of a cluster that was given: it may go and come back.

Workers come and go there, too, so it is looked now and then how many there are.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable

from distributed import Client
from tornado.ioloop import PeriodicCallback

from ..errors import BackendError
from ..telemetry import wording
from .base import ClusterHooks

LOOK = 1.0  # seconds between two looks how many workers there are
POLL = 0.05  # seconds between two looks whether the scheduler is back


class LinkLost(Exception):
    """A task is gone, as the scheduler that knew of it is.

    Attributes
    ----------
    begun : bool
        Whether it had begun, as far as is known.
    """

    def __init__(self, begun: bool) -> None:
        super().__init__("the cluster's scheduler was gone before its result came")
        self.begun = begun


class SchedulerLink:
    """Waits for a scheduler that is gone, and has the run follow the number of workers.

    Parameters
    ----------
    client : Client
        Of the cluster.
    reconnect : float
        Seconds to wait for the scheduler.
    hooks : ClusterHooks
        Of the run.
    resume : callable
        Called in Dask's event loop when the scheduler is back: it knows of nothing.  It calls
        `go_on` once what was held is sent.

    Attributes
    ----------
    number : int
        How many schedulers were lost: what was sent to one of these is nothing to the next.
    """

    def __init__(
        self, client: Client, reconnect: float, hooks: ClusterHooks, resume: Callable[[], None]
    ) -> None:
        self._client = client
        self._reconnect = reconnect
        self._hooks = hooks
        self._resume = resume
        self._waiting = self._gone = self._closed = False
        self.number = 0
        self._threads = -1  # of all workers, when they were last counted
        self._lock = threading.Lock()
        self._counting: PeriodicCallback | None = None
        client.loop.add_callback(self._begin_counting)

    @property
    def up(self) -> bool:
        """Whether the scheduler is there; where it isn't, it is waited for from now on."""
        if not self._waiting and self._client.status != "running":
            self.lost(self.number)
        return not self._waiting

    def lost(self, number: int) -> None:
        """Wait for a scheduler, as that of a number has forgotten what it was sent."""
        with self._lock:
            if number < self.number or self._waiting or self._closed:
                return
            self._waiting = True
        if self._client.status == "closed":  # its event loop may have ended
            self._give_up()
        else:
            self._client.loop.add_callback(self._wait)

    async def _wait(self) -> None:
        since = time.monotonic()
        where = self._client.scheduler.address if self._client.scheduler is not None else "?"
        self._hooks.note(
            f"the scheduler at {where} is gone: it is waited for, {self._reconnect:g} s at most"
        )
        while self._client.status != "running" and not self._closed:
            over = time.monotonic() - since >= self._reconnect
            if over or self._client.status in ("closing", "closed"):
                self._give_up()
                return
            await asyncio.sleep(POLL)
        if self._closed:
            return
        self._threads = 0  # its workers come one by one; nothing is to be said of that
        self._resume()
        took = wording.seconds(time.monotonic() - since)
        self._hooks.note(f"the scheduler is back after {took}: what had not ended is sent again")

    def go_on(self) -> None:
        """Take the scheduler that is there for another one than before."""
        with self._lock:
            self.number += 1
            self._waiting = False

    def _give_up(self) -> None:
        if not self._gone:
            self._gone = True
            self._hooks.give_up(
                BackendError(
                    "the scheduler of the Dask cluster is gone and did not come back within "
                    f"reconnect={self._reconnect:g} s; what had ended was kept"
                )
            )

    def _begin_counting(self) -> None:
        if not self._closed:
            self._counting = PeriodicCallback(self._count, LOOK * 1000)
            self._counting.start()

    async def _count(self) -> None:
        """Have the run use as many workers as there are."""
        if self._waiting or self._client.status != "running":
            return
        try:
            threads = sum((await self._client.nthreads()).values())
        except Exception:  # there is no news of it
            return
        if threads == self._threads or self._closed:
            return
        self._threads = threads
        if threads:
            self._hooks.follow(threads)
        else:
            self._hooks.note("the cluster has no worker: items wait for one")

    def close(self) -> None:
        """Look no more."""
        self._closed = True
        if self._client.status != "closed":
            self._client.loop.add_callback(self._stop_counting)

    def _stop_counting(self) -> None:
        if self._counting is not None:
            self._counting.stop()
