"""The initializer of an executor: once a worker, before its first call."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable
from typing import Any

from ..worker import execute
from ..worker.execute import Call
from ..worker.initialized import Initialized, initialize


def run_initializer(initializer: Callable[..., object], initargs: tuple[Any, ...]) -> Initialized:
    """Call it; what it raises breaks the executor."""
    try:
        return initialize(initializer, initargs)
    except Exception as error:
        why = f"the initializer raised {type(error).__name__}: {error}"
        broken = concurrent.futures.BrokenExecutor(why)
        broken.of_initializer = True  # type: ignore[attr-defined]  # not one that a call raised
        raise broken from error


def call_initialized(it: Call, state: Initialized) -> Any:
    """Call a function where the initializer has been."""
    state.enter((it.fn, *it.args))
    return execute.call(it)
