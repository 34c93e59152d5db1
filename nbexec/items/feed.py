"""Feeds: where the items of a run come from."""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from ..model import Chunk
from .async_items import AsyncItems

PATIENCE = 0.02  # seconds; a slow iterator's items go out in handfuls, not all at the end


Deliver = Callable[[list[Any], BaseException | None, bool], None]  # items, error, ended


class Feed(ABC):
    """Where items come from, by position: `take` gives what is there, `want` asks for more."""

    first = 0  # index of the first item: those before it ran elsewhere
    error: BaseException | None = None  # what the input raised
    pulling = False  # whether more is on its way
    stale = False  # whether chunks that were taken, and not sent yet, are not wanted any more

    @property
    @abstractmethod
    def total(self) -> int | None:
        """How many items there are in all; None while that is not known."""

    @property
    def known(self) -> int | None:
        """How many items are known so far, taken or not; None where nobody counts them."""
        return self.total

    @property
    @abstractmethod
    def left(self) -> int | None:
        """How many items are still to be taken; None while that is not known."""

    @property
    @abstractmethod
    def at_hand(self) -> int:
        """How many items `take` can give at once."""

    @property
    @abstractmethod
    def taken(self) -> int:
        """How many items were taken."""

    @property
    def pulled(self) -> int:
        """How many items were taken from the input: with those at hand, unless all always are."""
        return self.taken + self.at_hand

    @abstractmethod
    def take(self, size: int, budget: float = math.inf) -> Chunk:
        """Give a chunk of up to `size` items that are at hand, in order, with its `budget`."""

    def wanted(self, chunk: Chunk) -> bool:
        """Whether a chunk that was taken, and not sent yet, is still wanted."""
        return True

    def begin(self, chunk: Chunk) -> bool:
        """Note that a chunk is about to be sent; give whether it is still wanted."""
        return True

    def want(self, size: int, deliver: Deliver) -> None:  # noqa: B027  (most have all at hand)
        """Have up to `size` more items pulled; they go to `deliver`, in some thread.

        It is not kept: whoever looks at the items through their feed should not find the run.
        """

    def held(self, index: int) -> Any:
        """Give an item that may have been taken; a LookupError where it is no longer there."""
        raise LookupError(index)

    def end(self, error: BaseException | None) -> None:  # noqa: B027  (few give anything away)
        """Take in that no further item begins, and the error, if the run ended early."""

    def close(self) -> None:  # noqa: B027  (most hold nothing but items)
        """Let go of what items are pulled from: the run has ended."""

    def supply(  # noqa: B027
        self, items: list[Any], error: BaseException | None, ended: bool
    ) -> None:
        """Take in what `want` brought."""


class Chosen(Feed):
    """Some items, each with the index that it has in a longer input."""

    def __init__(self, chosen: Sequence[tuple[int, Any]], first: int = 0) -> None:
        self.first = first
        self._chosen = sorted(chosen, key=lambda pair: pair[0])
        self._next = 0

    @property
    def total(self) -> int:
        return len(self._chosen)

    @property
    def left(self) -> int:
        return len(self._chosen) - self._next

    @property
    def at_hand(self) -> int:
        return self.left

    @property
    def taken(self) -> int:
        return self._next

    def take(self, size: int, budget: float = math.inf) -> Chunk:
        taken = self._chosen[self._next : self._next + size]
        self._next += len(taken)
        return Chunk([index for index, _ in taken], [item for _, item in taken], budget=budget)

    def held(self, index: int) -> Any:
        """Give an item by its index; a LookupError where it is not among them."""
        return dict(self._chosen)[index]


class Source(Feed):
    """Iterables: lists are sliced where they are, others pulled from by a lent thread."""

    def __init__(
        self, iterables: Sequence[Iterable[Any]], call: Callable[..., None], first: int = 0
    ) -> None:
        self.first = first
        self._call = call  # runs a function in the thread that may touch the user's iterator
        self._next = 0
        self._ready: Sequence[Any] = ()  # pulled and not yet taken, from self._at on
        self._at = 0
        self._iterator: Iterator[Any] | None = None
        self._total: int | None = None
        self._awaited = [one for one in iterables if isinstance(one, AsyncItems)]
        self._listed = all(type(one) in (list, tuple, range) for one in iterables)
        if self._listed:
            alone: Any = iterables[0]
            # a copy of a list: the caller may change theirs while a background run goes on
            self._ready = (
                (tuple(alone) if type(alone) is list else alone)
                if len(iterables) == 1
                else list(zip(*iterables, strict=False))
            )
            self._total = len(self._ready)
        else:
            alone = len(iterables) == 1
            self._iterator = iter(iterables[0]) if alone else zip(*iterables, strict=False)

    @property
    def total(self) -> int | None:
        return self._total

    @property
    def left(self) -> int | None:
        return None if self._total is None else self._total - self._next

    @property
    def at_hand(self) -> int:
        return len(self._ready) - self._at

    @property
    def pulled(self) -> int:
        return self._next if self._listed else self._next + self.at_hand

    def held(self, index: int) -> Any:
        """Give an item by its index; a LookupError where it is no longer there."""
        if not self._listed or index < self.first:
            raise LookupError(index)
        return self._ready[index - self.first]

    @property
    def taken(self) -> int:
        return self._next

    def take(self, size: int, budget: float = math.inf) -> Chunk:
        items = self._ready[self._at : self._at + size]
        start = self.first + self._next
        self._at += len(items)
        self._next += len(items)
        return Chunk(range(start, start + len(items)), items, budget=budget)

    def want(self, size: int, deliver: Deliver) -> None:
        if self._iterator is None or self.pulling:
            return
        self.pulling = True
        iterator = self._iterator

        def pull() -> None:
            items: list[Any] = []
            if self._iterator is None:  # closed meanwhile: the user's iterator is left alone
                return
            enough = time.perf_counter() + PATIENCE
            try:
                for item in iterator:
                    items.append(item)
                    full = len(items) >= size or time.perf_counter() > enough
                    if full or self._iterator is None:
                        deliver(items, None, False)
                        return
            except BaseException as error:
                deliver(items, error, True)
                if not isinstance(error, Exception):
                    raise  # an interrupt is the waiting caller's too
            else:
                deliver(items, None, True)

        self._call(pull)

    def close(self) -> None:
        self._iterator = None
        for one in self._awaited:
            one.close()

    def supply(self, items: list[Any], error: BaseException | None, ended: bool) -> None:
        self.pulling = False
        self._ready = [*self._ready[self._at :], *items]
        self._at = 0
        if ended:
            self._iterator = None
            self.error = error
            self._total = self._next + len(self._ready)
