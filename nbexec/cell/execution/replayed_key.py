"""ReplayedKey: a ``key=`` whose values come from elsewhere, once the plain loop has ended.

What calls the key, as ``max(xs, key=f)`` does, calls it once for each item, in order.  It goes on
in the kernel, with the kernel's own items; only the key's values come from workers.
"""

from __future__ import annotations

import itertools
import types
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ..analysis.aliases import TooLarge, reachable
from ..analysis.analysis import Analysis, Refusal
from ..analysis.object_facts import read_once
from ..loops.consumers import LISTING
from .loop_items import listable


class ReplayedKey:
    """The key that stands in the statement for the user's own.

    Parameters
    ----------
    key : callable
        The user's own.
    plain : iterable
        As many items as the user's own key is called for; the items themselves are not used.
    later : callable
        Gives the values for those that come after them, as far as they are there.
    items : iterable
        The items, for what calls the key.

    Attributes
    ----------
    key : callable
        Called with each item in turn.
    items : iterable
        As given.

    Examples
    --------
    >>> replayed = ReplayedKey(abs, [1, 2], lambda: iter([9]))
    >>> max([-3, 2, 1], key=replayed.key)
    1
    """

    def __init__(
        self,
        key: Callable[[Any], Any],
        plain: Iterable[Any],
        later: Callable[[], Iterator[Any]],
        items: Iterable[Any] = (),
    ) -> None:
        counted = iter(plain)
        values: Iterator[Any] | None = None

        def replay(item: Any) -> Any:
            nonlocal values
            __tracebackhide__ = True
            for _ in counted:
                return key(item)
            if values is None:
                values = later()
            for value in values:
                return value
            return key(item)  # what workers could not do

        self.items = items
        self.key = replay


class _Again:
    """An iterator that raises an exception a second time: two read from it."""

    def __init__(self, source: Iterator[Any]) -> None:
        self._source = source
        self._raised: tuple[Exception, types.TracebackType | None] | None = None

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        __tracebackhide__ = True
        if self._raised is not None:
            error, trace = self._raised
            raise error.with_traceback(trace)
        try:
            return next(self._source)
        except StopIteration:
            raise
        except Exception as error:
            self._raised = error, error.__traceback__ and error.__traceback__.tb_next
            raise


def for_both(source: Any, name: str) -> tuple[Any, Any] | None:
    """Give the items twice, for what calls a key and for the key; None where they can't be.

    Parameters
    ----------
    source : object
        What the items come from.
    name : str
        What calls the key: some list all items before they do.
    """
    if name in LISTING:
        items = [*source]
        return items, items
    if read_once(type(source)) and listable(source):  # no generator, which is to be closed in time
        taken, counted = itertools.tee(_Again(source))
        return taken, counted
    if not read_once(type(source)) and (type(source) is range or listable(source)):
        return source, source
    return None


def unseen(xs: list[Any], name: str, line: int, found: Analysis) -> None:
    """Refuse a key of ``xs.sort`` that may look at the list, which it would find empty."""
    try:
        seen = any(one is xs for one in reachable([*found.captured.values()]))
    except TooLarge:
        seen = True
    if seen or name in found.reads:
        reason = f"the key may look at `{name}`, which is empty while it is sorted"
        raise Refusal(line, f"{reason}; `sorted({name}, key=...)` would do")
