"""`nbexec.Executor` with the arguments of CPython's executors; see `test_cpython`."""

from __future__ import annotations

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


class Dask(Threads):
    """On a Dask cluster of our own."""

    backend = "dask"
