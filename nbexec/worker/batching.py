"""Batched calls: a function of a list of items that is called with one.

Where a run maps it, a worker calls it with the items of a chunk (`chunk_batches`).  Other calls
of single items, in loops and in functions that run in parallel, meet (`batch_meetings`).
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Mapping, Sequence, Set
from typing import Any

from ..errors import OptionError
from ..serialize.importable import own_name
from .batch_meetings import meeting_of
from .chunk_batches import MAX_SIZE

MAX_WAIT = 0.01


def batched(
    fn: Callable[..., Any] | None = None,
    *,
    max_size: int = MAX_SIZE,
    max_wait: float = MAX_WAIT,
) -> Any:
    """Make a function of a list of items one of a single item, whose calls go out together.

    Parameters
    ----------
    fn : callable
        Takes a list, and gives as many results, in the same order.  It may be a coroutine
        function.  With ``setup=`` of a run it gets the state as its second argument.  None: a
        decorator.
    max_size : int
        Most items in a call.
    max_wait : float
        Seconds that a single call waits for others, where others run at the same time.

    Returns
    -------
    callable
        Takes one item.  Its attribute `batch` takes a list.

    Raises
    ------
    OptionError
        `fn` can't be called, or a number can't be used.
    ValueError
        Of a call: `fn` gave another number of results than it got items.

    Notes
    -----
    `nbexec.map` and its kin call it with as many items as pay: the number doubles, up to
    `max_size`, while an item takes less time for it.  Where a call runs out of memory its halves
    are tried; where it raises, each of its items alone, so that only those fail that are to
    blame: items may be tried twice.  Outside of a run a call is a batch of one.  With ``seed=``,
    where `fn` draws random numbers, items are called one by one.

    Examples
    --------
    >>> import nbexec
    >>> @nbexec.batched(max_size=8)
    ... def lengths(texts):
    ...     return [len(text) for text in texts]
    >>> lengths("abc"), nbexec.map(lengths, ["a", "bb"], progress="off")
    (3, [1, 2])
    """
    if fn is None:
        return functools.partial(batched, max_size=max_size, max_wait=max_wait)
    import inspect

    kind = AsyncBatched if inspect.iscoroutinefunction(fn) else Batched
    return kind(fn, max_size, max_wait)


class Batched:
    """A function of one item, over one of a list of them."""

    def __init__(self, fn: Callable[..., Any], max_size: int, max_wait: float) -> None:
        if not callable(fn):
            raise OptionError(f"batched() takes a function of a list, not {fn!r}")
        if not isinstance(max_size, int) or isinstance(max_size, bool) or max_size < 1:
            raise OptionError(f"max_size must be an integer, 1 or more, not {max_size!r}")
        if not isinstance(max_wait, int | float) or not 0 <= max_wait < float("inf"):
            raise OptionError(f"max_wait must be seconds, 0 or more, not {max_wait!r}")
        functools.update_wrapper(self, fn)
        self.__dict__.pop("batch", None)  # an attribute of an object that can be called
        self._fn, self.max_size, self.max_wait = fn, max_size, max_wait

    def __reduce__(self) -> Any:
        return own_name(self) or (type(self), (self._fn, self.max_size, self.max_wait))

    def batch(self, items: Sequence[Any], *state: Any) -> Any:
        """Call the function with a list of items; of a coroutine function, await that."""
        given = list(items)
        return self._checked(self._fn(given, *state), len(given))

    def _checked(self, result: Any, count: int) -> list[Any]:
        # What it raises itself, as a generator may, is no matter of how many results there are.
        values = list(result) if _in_order(result) else None
        if values is None or len(values) != count:
            gave = f"{type(result).__name__}" if values is None else f"{len(values)}"
            raise ValueError(
                f"{getattr(self, '__name__', 'the function')} must give a result for each of its "
                f"{count} items, but gave {gave}"
            )
        return values

    def __nbexec_batch__(self, items: Sequence[Any]) -> Any:
        return self.batch(items)

    def __call__(self, /, *args: Any, **named: Any) -> Any:
        """Give the result of one item, which may go out with those of other calls."""
        item, *state = self._positional(args, named)
        return meeting_of(self).call(item, tuple(state))

    def _positional(self, args: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, ...]:
        """Give the arguments in order: also those by the names that `fn` has, as in pipelines."""
        if named or not args:
            import inspect

            return inspect.signature(self._fn).bind(*args, **named).args
        return args


class AsyncBatched(Batched):
    """The same of a coroutine function."""

    async def batch(self, items: Sequence[Any], *state: Any) -> Any:
        given = list(items)
        return self._checked(await self._fn(given, *state), len(given))

    async def __call__(self, /, *args: Any, **named: Any) -> Any:
        """Await the result of one item, which may go out with those of other calls."""
        item, *state = self._positional(args, named)
        return await meeting_of(self).call_async(item, tuple(state))


def _in_order(result: Any) -> bool:
    """Whether what a function gave has results in order: keys, columns and letters are none."""
    if isinstance(result, Mapping | Set | str | bytes):
        return False
    pandas = sys.modules.get("pandas")
    if pandas is not None and isinstance(result, pandas.DataFrame):
        return False
    try:
        iter(result)
    except TypeError:
        return False
    return True


class WithState:
    """A batched function, and the state that each of its calls gets."""

    def __init__(self, fn: Any, state: Any) -> None:
        self._fn, self._state = fn, state
        self.max_size = fn.max_size

    def __call__(self, item: Any) -> Any:
        return self._fn(item, self._state)

    def __nbexec_batch__(self, items: Sequence[Any]) -> Any:
        return self._fn.batch(items, self._state)
