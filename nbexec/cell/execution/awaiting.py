"""Top-level `await` of a cell, on an event loop in a thread of its own.

The kernel's own loop waits for the cell to end, so nothing can be awaited there meanwhile.
All of a cell's statements, and all items of its loops, share one loop: that of the asyncio
backend.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Coroutine
from typing import Any

NOTE = (
    "nbexec: under %%parallel `await` runs on an event loop of its own, since the kernel's "
    "waits for the cell; what belongs to the kernel's, such as a session, a task or a queue of "
    "another cell, can't be awaited here: make it in this cell, or leave out %%parallel"
)
_OTHER_LOOP = ("different loop", "different event loop", "should be used inside a task")


def result_of(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine to its end; give its result, or raise its exception."""
    __tracebackhide__ = True
    from ...backends import get_backend
    from ...backends.aio import Asyncio

    backend = get_backend("asyncio")
    assert isinstance(backend, Asyncio)
    loop = backend.running_loop()
    context = contextvars.copy_context()
    over = threading.Event()
    left: list[tuple[Any, BaseException | None]] = []
    tasks: list[Any] = []  # asyncio is imported by the backend, for few cells

    async def main() -> None:
        try:
            left.append((await coroutine, None))
        except GeneratorExit:
            raise
        except BaseException as error:  # a SystemExit would end the loop, not the cell
            left.append((None, error))
        finally:
            over.set()

    def begin() -> None:
        tasks.append(loop.create_task(main(), context=context))

    loop.call_soon_threadsafe(begin)
    try:
        over.wait()
    except KeyboardInterrupt:
        loop.call_soon_threadsafe(lambda: [one.cancel() for one in tasks])
        raise
    for variable, value in context.items():
        if variable.get(over) is not value:
            variable.set(value)
    value, error = left[0]
    if error is not None:
        trace = error.__traceback__
        error.__traceback__ = trace.tb_next if trace is not None else None
        if isinstance(error, RuntimeError) and any(one in str(error) for one in _OTHER_LOOP):
            error.add_note(NOTE)
        raise error
    return value
