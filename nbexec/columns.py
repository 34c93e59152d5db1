"""Columns of a chunk or an outcome that hold nothing, so that a million of them are nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload


class Even(Sequence[float]):
    """The times at which `count` items ended, as if each had taken as long as the others."""

    def __init__(self, count: int, seconds: float) -> None:
        self._count = count
        self._each = seconds / count if count else 0.0

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, at: int) -> float: ...
    @overload
    def __getitem__(self, at: slice) -> list[float]: ...
    def __getitem__(self, at: int | slice) -> float | list[float]:
        places = range(self._count)[at]
        if isinstance(places, range):
            return [self._each * (place + 1) for place in places]
        return self._each * (places + 1)


class NoItems(Sequence[None]):
    """In the place of items, which are the caller's and are not kept."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, at: int) -> None: ...
    @overload
    def __getitem__(self, at: slice) -> NoItems: ...
    def __getitem__(self, at: int | slice) -> NoItems | None:
        places = range(self._count)[at]
        return NoItems(len(places)) if isinstance(places, range) else None
