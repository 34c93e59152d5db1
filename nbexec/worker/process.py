"""Initialisation of a worker process of `processes`.

It is in a module of its own so that a worker loads nothing of the kernel's side: that takes
35 ms of the 200 of its start, of which loky takes 125 (CPU time, ``-X importtime``).
"""

from __future__ import annotations

import math
import signal

from . import children
from .channel import exit_with_parent


def begin_worker(kernel: int, start_method: str | None = None) -> None:
    """Ignore Ctrl-C, which Jupyter sends to the whole process group: the run decides.

    `start_method` is the kernel's way to start processes; None is Python's own.
    """
    from loky import process_executor

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # loky ends a worker that has grown by 300 MB, as one does whose setup loads a model.
    process_executor._MAX_MEMORY_LEAK_SIZE = math.inf
    children.allow(start_method)
    exit_with_parent(kernel)
