"""Items of an async iterable, such as an async generator, for those who take them one by one."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterator
from concurrent.futures import CancelledError, Future
from typing import TYPE_CHECKING, Any, TypeGuard

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

_END = object()


def is_async(iterable: Any) -> TypeGuard[AsyncIterable[Any]]:
    """Whether something gives its items with ``async for`` alone."""
    return hasattr(type(iterable), "__aiter__") and not hasattr(type(iterable), "__iter__")


class AsyncItems(Iterator[Any]):
    """The items of an async iterable, each awaited when it is asked for.

    Parameters
    ----------
    iterable : async iterable
        Left as ``async for`` leaves it: who drops an async generator has its loop close it.
    loop : asyncio.AbstractEventLoop
        Where items are awaited.  Its own thread may not ask for any.
    """

    def __init__(self, iterable: AsyncIterable[Any], loop: AbstractEventLoop) -> None:
        self._iterator: AsyncIterator[Any] | None = aiter(iterable)  # None once closed
        self._loop = loop
        self._awaited: Future[Any] | None = None

    def __next__(self) -> Any:
        import asyncio

        if self._iterator is None:
            raise StopIteration
        following = _following(self._iterator)
        awaited = self._awaited = asyncio.run_coroutine_threadsafe(following, self._loop)
        try:
            item = awaited.result()
        except CancelledError:
            if self._iterator is None:
                raise StopIteration from None
            raise
        except BaseException:
            awaited.cancel()  # it was interrupted, if this is not what the iterable raised
            raise
        if item is _END:
            raise StopIteration
        return item

    def close(self) -> None:
        """Give no more items, stop awaiting one, and let go of the iterable."""
        self._iterator = None
        if self._awaited is not None and not self._loop.is_closed():
            self._awaited.cancel()


async def _following(iterator: AsyncIterator[Any]) -> Any:
    return await anext(iterator, _END)
