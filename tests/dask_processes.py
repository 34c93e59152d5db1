"""A Dask cluster as others run it: a scheduler and workers as processes of their own."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

STARTING = 60.0  # seconds that a process may take until it is there


class ProcessCluster:
    """A scheduler on a port that stays its own, and workers with one thread each."""

    def __init__(self, log: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self.address = f"tcp://127.0.0.1:{self.port}"
        self._log = log.open("ab")
        self._names = 0
        self.scheduler: subprocess.Popen[bytes] | None = None
        self.workers: list[subprocess.Popen[bytes]] = []

    def _start(self, what: str, *options: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", f"distributed.cli.{what}", *options]
        return subprocess.Popen(command, stdout=self._log, stderr=self._log)

    def start_scheduler(self) -> None:
        """Start one, and wait until it listens."""
        options = "--host", "127.0.0.1", "--port", str(self.port)
        self.scheduler = self._start("dask_scheduler", *options, "--dashboard-address", ":0")
        until = time.monotonic() + STARTING
        while True:
            with contextlib.suppress(OSError), socket.create_connection(self.where, 1):
                return
            assert time.monotonic() < until, "no scheduler"
            time.sleep(0.05)

    @property
    def where(self) -> tuple[str, int]:
        """Host and port of the scheduler."""
        return "127.0.0.1", self.port

    def add_worker(self) -> subprocess.Popen[bytes]:
        """Start a worker; it comes when it does."""
        self._names += 1
        options = "--nthreads", "1", "--name", str(self._names), "--no-nanny", "--no-dashboard"
        worker = self._start("dask_worker", self.address, *options)
        self.workers.append(worker)
        return worker

    def kill_scheduler(self) -> None:
        """End it as a machine that goes off; its workers end by themselves."""
        assert self.scheduler is not None
        self.scheduler.kill()
        self.scheduler.wait()

    def close(self) -> None:
        """End all of it."""
        for process in [*self.workers, self.scheduler]:
            if process is not None:
                process.kill()
                process.wait()
        self._log.close()


@contextlib.contextmanager
def cluster(log: Path, workers: int) -> Iterator[ProcessCluster]:
    """Give one that runs."""
    made = ProcessCluster(log)
    try:
        made.start_scheduler()
        for _ in range(workers):
            made.add_worker()
        yield made
    finally:
        made.close()
