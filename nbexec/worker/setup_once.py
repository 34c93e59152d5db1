"""SetupOnce: a task's setup and teardown in one worker, each once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from ..model import Task
from ..records.validators import direct
from .blocks import BATCH
from .random_streams import SET_UP, in_state

TORN = "torn down"  # what is reported of a teardown that raised: its `Error`, and the worker


def calling(task: Task, state: Any) -> Callable[[Any], Any]:
    """Give the function of one item of `task`."""
    fn = task.fn
    if task.setup is not None and not task.star and hasattr(type(fn), BATCH):
        from .batching import WithState

        return WithState(fn, state)
    if task.setup is not None:
        with_state = (
            (lambda item: fn(*item, state)) if task.star else (lambda item: fn(item, state))
        )
        if task.streams is not None:
            setattr(with_state, SET_UP, in_state(state))
        return with_state
    if task.star:
        return lambda item: fn(*item)
    return direct(fn)


class SetupOnce:
    """Gives the function of one item; setup comes before it is first given.

    Parameters
    ----------
    task : Task
        The run's.
    before : callable or None
        Called once before that.

    Examples
    --------
    >>> task = Task(pow, "pow", setup=lambda: 3, teardown=lambda state: print("gone:", state))
    >>> once = SetupOnce(task)
    >>> once()(2), once()(4)
    (8, 64)
    >>> once.tear_down()
    gone: 3
    >>> once.tear_down()
    """

    def __init__(self, task: Task, before: Callable[[], object] | None = None) -> None:
        self._task = task
        self._before = before
        self._state: Any = None
        self._call: Callable[[Any], Any] | None = None
        self._lock = threading.RLock()  # a Dask worker may have several threads

    def __call__(self) -> Callable[[Any], Any]:
        """Give the function; where setup raises, it is tried again the next time."""
        call = self._call
        if call is None:
            with self._lock:
                call = self._call or self._begin()
        return call

    def _begin(self) -> Callable[[Any], Any]:
        if self._before is not None:
            self._before()
        self._state = self._task.setup() if self._task.setup is not None else None
        call = self._call = calling(self._task, self._state)
        return call

    def tear_down(self) -> Any:
        """Call teardown, if the function was given since it was last called; give its value."""
        with self._lock:
            call, state = self._call, self._state
            self._call = self._state = None
        teardown = self._task.teardown
        if call is None or teardown is None:
            return None
        return teardown() if self._task.setup is None else teardown(state)
