"""sleep: a wait inside a task that ends at once when the task is not wanted any more."""

from __future__ import annotations

import sys
import time

from ..errors import Cancelled
from .capture import capturing


def sleep(seconds: float) -> None:
    """Wait as `time.sleep` does; in a task that is not wanted any more raise `Cancelled`.

    A task that sleeps so ends at once when its run is cancelled, is stopped by a failure or its
    deadline, or when the item was left behind by ``timeout=``; and its worker is free again.
    Outside of a task it is `time.sleep`.

    It raises, as `trio.sleep` does and `Thread.sleep` of Java, rather than to return whether
    it slept: a caller that never looks would go on.  Called again it raises again.

    Parameters
    ----------
    seconds : float
        How long, at least; with 0 it only looks whether the item is wanted.

    Raises
    ------
    Cancelled
        The item is not wanted any more.
    RuntimeError
        It was called in a coroutine function, whose event loop it would block: there it is
        ``await asyncio.sleep(seconds)``, which is cancelled with the item.
    ValueError
        `seconds` is negative, or no number.

    Examples
    --------
    >>> import nbexec
    >>> def poll(job):
    ...     for attempt in range(3):
    ...         nbexec.sleep(0.01)
    ...     return job
    >>> nbexec.map(poll, ["a", "b"], progress="off")
    ['a', 'b']
    """
    capture = capturing()
    if capture is None or capture.wait is None:
        time.sleep(seconds)
        return
    if capture.awaits and _in_event_loop():
        raise RuntimeError(
            "nbexec.sleep() would block the event loop of this coroutine function: write "
            "`await asyncio.sleep(seconds)`, which is cancelled with the item"
        )
    if not seconds >= 0:
        raise ValueError(f"nbexec.sleep() takes seconds, 0 or more, not {seconds!r}")
    if capture.wait(seconds):
        raise Cancelled("this item is not wanted any more")


def _in_event_loop() -> bool:
    asyncio = sys.modules.get("asyncio")
    return asyncio is not None and asyncio._get_running_loop() is not None
