"""Which threads are those of runs: where one waited for another call, all calls would."""

from __future__ import annotations

import threading


class _Here(threading.local):
    of_run = False


_here = _Here()


def enter() -> None:
    """Have this thread be a run's, until it ends."""
    _here.of_run = True


def inside() -> bool:
    """Whether this thread is a run's."""
    return _here.of_run
