"""Whether the calls of a pool go to worker processes of nbexec, and what is noted of that."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from ..analysis.aliases import TooLarge
from ..analysis.analysis import Refusal
from ..analysis.object_facts import frozen
from .pool_calls import Agreed, Arguments, agree
from .pool_notes import PoolStep, around, user_line
from .pool_run import PoolRun

LOOKING = 0.02  # seconds that a pool's functions are looked through for, at most


def there(step: PoolStep, wanted: int) -> int:
    """Give how many of `wanted` workers wait for work; 0 where calls may not leave."""
    from ...backends import get_backend, is_warm

    options = step.options
    if options.backend not in ("auto", "processes") or options.workers == 1:
        return 0
    if not is_warm("processes"):
        return 0
    backend: Any = get_backend("processes")
    waiting: int = backend.waiting()
    return min(wanted, options.workers or backend.default_workers(), waiting)


class PoolDecider:
    """Decides for one pool.

    Parameters
    ----------
    what : str
        What the pool is called in messages.
    size : int
        How many workers it has.
    by_value : bool
        Whether the library sends functions by value.
    """

    def __init__(self, what: str, size: int, by_value: bool = False) -> None:
        self.what = what
        self._by_value = by_value
        self._size = size
        self.run: PoolRun | None = None
        self._agreed: Agreed | None = None
        self._shape: Any = None
        self._spent = 0.0

    def decide(
        self,
        name: str,
        function: Any,
        calls: Callable[[], Sequence[Arguments]],
        allows: Callable[[Agreed], bool],
    ) -> PoolRun | None:
        """Give the run that calls go to; None to leave them to the library.

        Parameters
        ----------
        name : str
            The method that was called.
        function : callable
            The user's function.
        calls : callable
            Gives the arguments of the calls.
        allows : callable
            Whether the function reads what the pool's own workers have.
        """
        step = around()
        if step is None:
            return None
        where = user_line()
        what = f"`{self.what}.{name}`" if name else f"`{self.what}`"
        try:
            self._check(step, function, calls, allows, where.line)
        except Refusal as refusal:
            step.pools.decline(what, refusal)
            return None
        assert self.run is not None
        step.pools.take(what, where, self.run.get_stats)
        step.pools.at_end(self, self.end_step)
        return self.run

    def _check(
        self,
        step: PoolStep,
        function: Any,
        calls: Callable[[], Sequence[Arguments]],
        allows: Callable[[Agreed], bool],
        line: int,
    ) -> None:
        if not step.pools.account.pays:
            raise Refusal(line, "its calls are as soon done by the pool itself")
        workers = there(step, self._size) if self.run is None else self.run.workers
        if not workers or (self._size > 1 and workers < 2):
            raise Refusal(line, "worker processes are not there yet")
        agreed = self._looked(step, function, calls, line)
        if not allows(agreed):
            raise Refusal(line, "may read what has changed since the pool's workers began")
        if agreed.waits and workers < self._size:
            raise Refusal(line, "may wait, and the pool has more workers")
        if self.run is None:
            name = getattr(function, "__name__", type(function).__name__)
            self.run = PoolRun(f"{self.what} of {name}", workers, step.options, step.pools.account)

    def _looked(
        self,
        step: PoolStep,
        function: Any,
        calls: Callable[[], Sequence[Arguments]],
        line: int,
    ) -> Agreed:
        given = calls()
        if not given:
            raise Refusal(line, "makes no calls")
        known: Any = self._agreed
        shape = _shape(given)
        same = known is not None and shape is not None and shape == self._shape
        if same and known.function is function and known.holds and not known.captured:
            agreed: Agreed = known
            return agreed
        if self._spent > LOOKING:
            raise Refusal(line, "is called with too many different things to look at each")
        began = time.perf_counter()
        try:
            self._agreed = agree(function, given, line, step.options, self._by_value)
        except TooLarge:
            raise Refusal(line, "is given too much to be looked through") from None
        except Refusal:
            raise
        except Exception as error:  # leaving it alone is always right
            raise Refusal(line, f"can't be looked into: {type(error).__name__}") from None
        finally:
            if len(given) == 1:
                self._spent += time.perf_counter() - began
        self._shape = shape
        return self._agreed

    def end_step(self) -> None:
        """Close the run: the step that gave it calls has ended."""
        if self.run is not None:
            run, self.run = self.run, None
            run.close()


def _shape(calls: Sequence[Arguments]) -> Any:
    """Give the types of one call's arguments, which can't be changed; None for others."""
    if len(calls) != 1:
        return None
    args, named = calls[0]
    if not all(map(frozen, (*args, *named.values()))):
        return None
    return tuple(map(type, args)), tuple((name, type(one)) for name, one in named.items())
