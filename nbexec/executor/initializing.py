"""What comes before the calls of an executor in a worker, and after them.

First the initializer, which keeps what it makes to itself; then setup, whose value each call gets
as its last argument, and teardown at the end.
"""

from __future__ import annotations

import concurrent.futures
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from ..worker import execute
from ..worker.execute import Call
from ..worker.initialized import Initialized, initialize


class Begun:
    """What an initializer has set, if there is one, and what setup gives: nothing, or a value."""

    def __init__(self, initialized: Initialized | None, setup: Callable[[], Any] | None) -> None:
        self.initialized = initialized
        self._setup = setup
        self._given: tuple[Any, ...] | None = () if setup is None else None
        self._lock = threading.Lock()  # a Dask worker may have several threads

    @property
    def is_set_up(self) -> bool:
        """Whether setup has been, if there is one."""
        return self._given is not None

    def enter(self, things: Iterable[Any]) -> None:
        """Have functions find what the initializer has set."""
        if self.initialized is not None:
            self.initialized.enter(things)

    def given(self) -> tuple[Any, ...]:
        """Give what setup gave; where it raises, it is tried again the next time."""
        with self._lock:
            if self._given is None and self._setup is not None:
                self.enter((self._setup,))
                self._given = (self._setup(),)
            return self._given or ()


@dataclass(frozen=True)
class WithoutState:
    """A function that is called without what setup gave."""

    fn: Callable[..., Any]

    def __call__(self, *args: Any) -> Any:
        """Call it."""
        return self.fn(*args)


def begin(
    initializer: Callable[..., object] | None,
    initargs: tuple[Any, ...],
    setup: Callable[[], Any] | None,
) -> Begun:
    """Call the initializer; what it raises breaks the executor.  The first call calls setup."""
    return Begun(None if initializer is None else run_initializer(initializer, initargs), setup)


def end(teardown: Callable[..., Any], begun: Begun) -> Any:
    """Call teardown with what setup gave, unless that never succeeded."""
    if not begun.is_set_up:
        return None
    begun.enter((teardown,))
    return teardown(*begun.given())


def run_initializer(initializer: Callable[..., object], initargs: tuple[Any, ...]) -> Initialized:
    """Call it; what it raises breaks the executor."""
    try:
        return initialize(initializer, initargs)
    except Exception as error:
        why = f"the initializer raised {type(error).__name__}: {error}"
        broken = concurrent.futures.BrokenExecutor(why)
        broken.of_initializer = True  # type: ignore[attr-defined]  # not one that a call raised
        raise broken from error


def call_begun(it: Call, begun: Begun) -> Any:
    """Call a function where the initializer and setup have been."""
    fn = it[0]  # not `it.fn`: a timed call begins after setup
    begun.enter((fn, *it.args))
    if not isinstance(getattr(fn, "__wrapped__", fn), WithoutState):
        it = it._replace(args=(*it.args, *begun.given()))
    return execute.call(it)
