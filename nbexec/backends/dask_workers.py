"""How our own Dask cluster starts its worker processes, and what a forked child keeps of them.

Left to itself a nanny has multiprocessing start them, which imports the script that runs: one
without ``if __name__ == "__main__":`` would run once more in each.  loky's way to start a
process does not.  And they are daemons, whose items may start no processes; ours end with the
kernel all the same, since they see when it is gone.
"""

from __future__ import annotations

import os
import signal
import threading
import weakref
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import process
from typing import Any

from distributed import Client, LocalCluster, Nanny, SpecCluster, Status, utils
from distributed.nanny import WorkerProcess
from loky.backend.process import LokyProcess

from ..system import after_fork, interpreter_flags
from ..worker import children


class OwnCluster(LocalCluster):  # type: ignore[misc]  # distributed has no types
    """A local cluster whose nannies live as long as it does.

    A `LocalCluster` closes the nanny whose worker isn't there 15 seconds after an earlier
    one died ("distributed.deploy.lost-worker-timeout"): also one that is just being started.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(worker_class=OwnNanny, **options)

    def _update_worker_status(self, op: str, msg: Any) -> None:
        super(SpecCluster, self)._update_worker_status(op, msg)


class OwnNanny(Nanny):  # type: ignore[misc]
    """A nanny of ours.  It has no hook for how its processes are made: only an attribute."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "process" and type(value) is WorkerProcess:
            value.__class__ = OwnWorker
        super().__setattr__(name, value)


class OwnWorker(WorkerProcess):  # type: ignore[misc]
    """A nanny's side of a worker process, each of which becomes an `OwnProcess`."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "process" and value is not None:
            adopt(value._process, self.env)
        super().__setattr__(name, value)


class OwnProcess(LokyProcess):  # type: ignore[misc]
    """A process that does not import the script, is no daemon, and may be started by one."""

    _start_method = None  # not what its own children are started by

    @property
    def daemon(self) -> bool:
        """Whether it may have no children."""
        return False

    @daemon.setter
    def daemon(self, wanted: bool) -> None:
        pass  # what the nanny is configured to want

    def start(self) -> None:
        with children.permitted():
            super().start()

    def kill(self) -> None:
        """End it now; loky's own has no such method."""
        if self.exitcode is None:
            os.kill(self.pid, getattr(signal, "SIGKILL", signal.SIGTERM))

    def run(self) -> None:
        children.allow(self.children_by)
        super().run()


def adopt(one: Any, env: Mapping[str, Any] | None = None) -> None:
    """Make a process that multiprocessing was to start an `OwnProcess`.

    It is started with the variables `env`: a nanny sets them later, when some were read already.
    """
    if type(one).__name__ in ("SpawnProcess", "ForkServerProcess"):  # else the user said so
        one.__class__ = OwnProcess
        variables = {name: str(value) for name, value in (env or {}).items() if value is not None}
        one.env = interpreter_flags.flags_as_variables() | variables
        one.init_main_module = False
        one._config.pop("daemon", None)
        one.children_by = children.start_method()


def served(client: Client) -> bool:
    """Whether the thread of a client's event loop is there: it is not in a forked child."""
    thread = getattr(getattr(client.loop, "asyncio_loop", None), "_thread_id", None)
    return thread is None or any(thread == one.ident for one in threading.enumerate())


def disown(client: Client, cluster: LocalCluster | None) -> None:
    """Have a forked child neither close nor wait for what is the parent's."""
    client.status = "closed"
    if cluster is None:
        return
    cluster.status = Status.closed
    SpecCluster._instances.discard(cluster)  # closed at exit
    for nanny in [*cluster.workers.values()]:
        worker = getattr(nanny.process, "process", None)
        process._children.discard(getattr(worker, "_process", None))  # type: ignore[attr-defined]


def _begin_anew() -> None:
    """Have distributed, in a forked child, neither use dead threads nor tidy up at exit."""
    utils._offload_executor = ThreadPoolExecutor(1, thread_name_prefix="Dask-Offload")
    for one, about in [*weakref.finalize._registry.items()]:  # type: ignore[attr-defined]
        if getattr(about.func, "__module__", "").startswith("distributed."):
            one.atexit = False  # folders and processes of the parent


after_fork.add(_begin_anew)
