"""Which threads are those of runs: where one waited for another call, all calls would."""

from __future__ import annotations

import threading


class _Here(threading.local):
    run: object = None


_here = _Here()


def enter(run: object) -> None:
    """Have this thread be a run's, until it ends."""
    _here.run = run


def run() -> object:
    """Give the run whose thread this is; None where it is no run's."""
    return _here.run
