"""dask: distributed.  A local cluster of processes, or a real one by address or Client.

This is how nbexec leaves one machine: never a protocol of our own.
"""

from __future__ import annotations

import functools
import itertools
import logging
import threading
from typing import Any

import dask
from distributed import Client, LocalCluster

from .. import machine
from ..errors import BackendError
from ..model import Chunk
from ..parcels import Address, run_packed
from . import close_at_exit
from .base import Backend, Session, Setting
from .remote import RemoteSession


class Dask(Backend):
    """A distributed client; a cluster that is given is used as it is and never closed."""

    name = "dask"
    remote = True
    can_time_out = False  # a task that runs can't be stopped, nor its worker from here

    def __init__(self, cluster: Any = None, timeout: float = 10.0) -> None:
        self._given = cluster
        self._timeout = timeout  # seconds to wait for a cluster that was given by address
        self._client: Client | None = None
        self._local: LocalCluster | None = None
        self._lock = threading.Lock()

    def default_workers(self) -> int:
        if self._given is None and self._client is None:
            return machine.cores()
        threads: dict[str, int] = self.client.nthreads()
        return max(1, sum(threads.values()))

    def warm(self) -> bool:
        return self._client is not None

    @property
    def client(self) -> Client:
        """The client, connected at first use."""
        with self._lock:
            if self._client is None:
                self._client = self._connect()
            return self._client

    def _connect(self) -> Client:
        if isinstance(self._given, Client):
            return self._given
        if self._given is not None:
            try:
                return Client(self._given, set_as_default=False, timeout=self._timeout)
            except (OSError, ValueError) as error:
                raise BackendError(
                    f"no Dask cluster answers at {self._given!r}: {error}"
                ) from error
        try:
            self._local = LocalCluster(
                n_workers=machine.cores(),
                threads_per_worker=1,
                processes=True,
                host="127.0.0.1",
                dashboard_address="127.0.0.1:0",  # any free port, for its HTTP server
                scheduler_kwargs={"dashboard": False},
                worker_dashboard_address="127.0.0.1:0",
                silence_logs=logging.CRITICAL,  # what it says at its end is nothing to act on
            )
        except RuntimeError as error:  # multiprocessing imports a script's main file again
            raise BackendError(
                f"the local Dask cluster did not start: {error} In a script (not in a "
                'notebook), what uses backend="dask" must be under if __name__ == "__main__":'
            ) from error
        client = Client(self._local, set_as_default=False)
        close_at_exit()
        return client

    def open(self, setting: Setting) -> Session:
        return DaskSession(setting, self.client, own=self._local is not None)

    def close(self) -> None:
        with self._lock:
            client, cluster = self._client, self._local
            self._client = self._local = None
        if client is not None and client is not self._given:
            client.close()
        if cluster is not None:
            cluster.close()


class DaskSession(RemoteSession):
    """Chunks are tasks of the cluster; the packed task travels to each worker once."""

    def __init__(self, setting: Setting, client: Client, own: bool) -> None:
        super().__init__(setting, here=own)
        self._client = client
        self._own = own  # whether its workers run nothing but ours, and so may be restarted
        self._futures: dict[int, Any] = {}
        self._aborted: list[Any] = []
        # The result of a task, not scattered: what was scattered is gone with its worker,
        # and this is made again.
        key = f"nbexec-task-{self.key}"
        with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 TB"}):
            self._block = client.submit(_itself, self.packed, key=key, pure=False)
        self._chunks = itertools.count()

    def send(self, slot: int, chunk: Chunk, items: bytes, address: Address) -> Any:
        future = self._futures[slot] = self._client.submit(
            run_packed,
            self.key,
            self._block,
            len(chunk),
            items,
            chunk.budget,
            False,
            address,
            key=f"nbexec-{self.setting.task.name}-{self.key}-{next(self._chunks)}",
            pure=False,
        )
        return future

    def abort(self, slot: int) -> bool:
        self._aborted.append(self._futures.pop(slot))
        return self._own

    def close(self) -> None:
        super().close()
        if self._aborted:
            self._stop(self._aborted)
        self._futures.clear()
        self._block = None

    def _stop(self, futures: list[Any]) -> None:
        """Cancel what was aborted.  Dask can't stop a task that runs: its worker is restarted."""
        keys = {future.key for future in futures}
        stuck = [at for at, running in self._client.processing().items() if keys & set(running)]
        self._client.cancel(futures, force=True)
        if self._own and stuck:
            restart = functools.partial(_restart, self._client, stuck)
            threading.Thread(target=restart, name="nbexec-dask-restart", daemon=True).start()


def _restart(client: Client, workers: list[str]) -> None:
    try:
        client.restart_workers(workers, raise_for_error=False)
    except Exception:  # the client was closed meanwhile: Python is at its end
        logging.getLogger("nbexec").debug("Dask workers were not restarted", exc_info=True)


def _itself(packed: bytes) -> bytes:
    return packed
