"""The rows of `Pipeline.map`: values of inputs that go together, or each with each."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ..errors import GraphError

MODES = ("zip", "product")


class SweepRows:
    """The rows that go through a pipeline.

    Parameters
    ----------
    over : str or sequence of str
        The inputs that have a value for each item.
    mode : {"zip", "product"}
        Whether the first values of all go together, or each with each.
    given : mapping
        All inputs: values of those in `over` in an iterable, the others as they are.

    Raises
    ------
    GraphError
        A name in `over` isn't given, or its value isn't iterable, or lengths differ.
    """

    def __init__(self, over: str | Sequence[str], mode: str, given: Mapping[str, Any]) -> None:
        self.over = (over,) if isinstance(over, str) else tuple(dict.fromkeys(over))
        if mode not in MODES:
            raise GraphError(f"mode must be 'zip' or 'product', not {mode!r}")
        if not self.over:
            raise GraphError("over= names the inputs that have a value for each item; it is empty")
        for name in self.over:
            if name not in given:
                raise GraphError(f"over= names {name!r}, which isn't given")
            if isinstance(given[name], str | bytes) or not hasattr(given[name], "__iter__"):
                raise GraphError(
                    f"{name} must be an iterable of values, since over= names it, not "
                    f"{given[name]!r}"
                )
        self._columns = {name: given[name] for name in self.over}
        if mode == "product" and len(self.over) > 1:
            self._columns = {name: list(column) for name, column in self._columns.items()}
        self._fixed = {name: value for name, value in given.items() if name not in self.over}
        self._product = mode == "product"
        self._check_lengths()

    def _check_lengths(self) -> None:
        sizes = {name: len(one) for name, one in self._columns.items() if hasattr(one, "__len__")}
        if not self._product and len(set(sizes.values())) > 1:
            said = ", ".join(f"{name} has {size:,}" for name, size in sizes.items())
            raise GraphError(f"what over= names has different lengths: {said}")

    @property
    def names(self) -> tuple[str, ...]:
        """The inputs that each row has."""
        return (*self.over, *self._fixed)

    @property
    def total(self) -> int | None:
        """How many there are; None where that isn't known."""
        columns = [*self._columns.values()]
        if any(not hasattr(one, "__len__") for one in columns):
            return None
        return math.prod(map(len, columns)) if self._product else len(columns[0])

    def shape(self, count: int) -> tuple[int, ...]:
        """Give the shape of the results, of so many rows."""
        if self._product and len(self.over) > 1:
            return tuple(len(one) for one in self._columns.values())
        return (count,)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        combined: Callable[..., Any] = itertools.product if self._product else zip
        columns = self._columns.values()
        for values in combined(*columns) if self._product else zip(*columns, strict=False):
            yield {**self._fixed, **dict(zip(self.over, values, strict=True))}
