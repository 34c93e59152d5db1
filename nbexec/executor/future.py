"""CallFuture: what `Executor.submit` gives."""

from __future__ import annotations

from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


class CallFuture(Future[T]):
    """The future of a submitted call."""

    __module__ = "nbexec"
