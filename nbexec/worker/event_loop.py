"""Coroutines run to their end, from code that is not one."""

from __future__ import annotations

from collections.abc import Coroutine
from contextvars import copy_context
from typing import Any, TypeVar

T = TypeVar("T")


def run_to_end(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end, also in a thread whose event loop is busy with us."""
    import asyncio  # 20 ms of a worker's start, for few

    # not in an `except` clause, which what the coroutine raises would have for its context
    if asyncio._get_running_loop() is None:
        return asyncio.run(main)
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(copy_context().run, asyncio.run, main).result()


def forget_cancelling() -> None:
    """Undo what an item did to its asyncio task: the next one may ask `cancelling()`."""
    from asyncio import current_task

    task = current_task()
    while task is not None and task.uncancel():
        pass
