"""Which threads are those of runs: where one waited for another call, all calls would."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .handle import Run


class _Here(threading.local):
    run: Run | None = None


_here = _Here()


def enter(run: Run) -> None:
    """Have this thread be a run's, until it ends."""
    _here.run = run


def run() -> Run | None:
    """Give the run whose thread this is."""
    return _here.run
