"""dask: distributed.  A local cluster of processes, or a real one by address or Client.

This is how nbexec leaves one machine: never a protocol of our own.
"""

from __future__ import annotations

import logging
import threading
from typing import Any

import dask
from distributed import Client, LocalCluster

from ..errors import BackendError
from ..options.worker_options import Environment
from ..system import affinity, after_fork, at_exit, interpreter_flags, machine
from ..worker.entry import run_packed
from . import dask_draws, working_folder
from .base import EVERY, Backend, Session, SessionSpec
from .dask_cluster import ClusterWorker, LocalSession
from .dask_given import GivenSession
from .dask_workers import OwnCluster, disown, served

_SPAWNED = "distributed.nanny.pre-spawn-environ"  # variables that a worker process is started with

# A nanny would set these to 1 in the kernel's own environment, and leave them there, where
# every library that is loaded later, and every worker process, finds them: see `blas`.
_UNSAID: dict[str, Any] = {
    f"{_SPAWNED}.{variable}": None
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
} | {f"{_SPAWNED}.MPLBACKEND": "agg"}  # a worker has no window


def _hash_seed() -> dict[str, str]:
    """Have workers hash texts as the kernel does, where it was told how; dask has a seed itself."""
    seed = interpreter_flags.hash_seed()
    return {f"{_SPAWNED}.PYTHONHASHSEED": seed} if seed else {}


class Dask(Backend):
    """A distributed client; a cluster that is given is used as it is and never closed."""

    name = "dask"
    remote = True

    def __init__(self, cluster: Any = None, timeout: float = 10.0, env: Environment = ()) -> None:
        self._given = cluster
        self._env = env  # of the workers of our own cluster, from their start
        self._of_env: dict[Environment, Dask] = {}  # other clusters, by that
        self.takes = EVERY if cluster is None else frozenset({"teardown"})
        self._timeout = timeout  # seconds to wait for a cluster that was given by address
        self._client: Client | None = None
        self._local: LocalCluster | None = None
        self._workers: list[ClusterWorker] = []  # the workers of our own cluster
        self._lock = threading.Lock()
        after_fork.watch(self)

    def after_fork(self) -> None:
        """Begin without a client in a forked child, where that of the parent has no thread."""
        after_fork.keep(self._client, self._local, self._workers, self._of_env)
        self._of_env = {}
        if self._client is not None and self._client is not self._given:
            disown(self._client, self._local)
        self._client = self._local = None
        self._workers = []
        self._lock = threading.Lock()

    def default_workers(self) -> int:
        if self._given is None and self._client is None:
            return machine.cores()
        threads: dict[str, int] = self.client.nthreads()
        return max(1, sum(threads.values()))

    def warm(self) -> bool:
        return self._client is not None

    def warm_up(self, workers: int) -> bool:
        """Start the cluster, or connect to it."""
        return self.client is None

    @property
    def client(self) -> Client:
        """The client, connected at first use."""
        with self._lock:
            if self._client is None or self._client.status == "closed":  # it gave up
                self._client = self._connect()
            return self._client

    def _connect(self) -> Client:
        dask_draws.draw_apart()
        if isinstance(self._given, Client):
            if not served(self._given):
                raise BackendError(
                    "this distributed.Client was made in the process that forked this one, "
                    "where its thread is: make another one here"
                )
            return self._given
        if self._given is not None:
            try:
                return Client(self._given, set_as_default=False, timeout=self._timeout)
            except (OSError, ValueError) as error:
                raise BackendError(
                    f"no Dask cluster answers at {self._given!r}: {error}"
                ) from error
        try:
            with dask.config.set(_UNSAID | _hash_seed()), affinity.unpinned():
                self._local = OwnCluster(
                    n_workers=machine.cores(),
                    threads_per_worker=1,
                    processes=True,
                    env=dict(self._env),
                    host="127.0.0.1",
                    dashboard_address="127.0.0.1:0",  # any free port, for its HTTP server
                    # a death is reported at once: the run decides what is tried again
                    scheduler_kwargs={"dashboard": False, "allowed_failures": 0},
                    # so that no item's time is spent on it
                    preload=[run_packed.__module__, dask_draws.__name__],
                    worker_dashboard_address="127.0.0.1:0",
                    silence_logs=logging.CRITICAL,  # what it says at its end is nothing to act on
                )
        except RuntimeError as error:
            raise BackendError(f"the local Dask cluster did not start: {error}") from error
        client = Client(self._local, set_as_default=False)
        self._workers = [ClusterWorker(client, self._local, one) for one in self._local.workers]
        at_exit.arm()
        return client

    def open(self, spec: SessionSpec) -> Session:
        if self._given is None:
            working_folder.require(self.name)
        if spec.own.env != self._env and self._given is None:
            with self._lock:
                cluster = self._of_env.setdefault(spec.own.env, Dask(env=spec.own.env))
            return cluster.open(spec)
        client = self.client
        if self._workers:
            return LocalSession(spec, self._workers)
        if client is not self._given:  # it would give up after the time that it had to connect
            client._timeout = max(client._timeout, spec.reconnect)
        return GivenSession(spec, client)

    def close(self) -> None:
        with self._lock:
            client, cluster = self._client, self._local
            self._client = self._local = None
            self._workers = []
            others, self._of_env = self._of_env, {}
        for other in others.values():
            other.close()
        if client is not None and client is not self._given:
            client.close()
        if cluster is not None:
            cluster.close()
