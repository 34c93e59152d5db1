"""`nbexec.Executor` with the arguments of CPython's executors; see `test_cpython`."""

from __future__ import annotations

import functools
import time
from typing import Any, ClassVar

import nbexec


class Threads(nbexec.Executor):
    """On threads."""

    backend: ClassVar[Any] = "threads"

    def __init__(self, max_workers: int | None = None, mp_context: Any = None, **more: Any) -> None:
        super().__init__(self.backend, max_workers, **more)


class Processes(Threads):
    """On processes."""

    backend = "processes"


@functools.cache
def start_dask() -> None:
    """Have both workers run something: a test allows for 1.5 s, and they may take longer."""
    nbexec.map(time.sleep, [0.1] * 4, backend="dask", workers=2, chunk=1, progress="off")


class Dask(Threads):
    """On a Dask cluster of our own."""

    backend = "dask"

    def __init__(self, max_workers: int | None = None, mp_context: Any = None, **more: Any) -> None:
        start_dask()
        super().__init__(max_workers, mp_context, **more)
