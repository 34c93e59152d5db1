"""ItemFacts: what the user's functions say of an item: its key, its cost, its price."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any

from ..errors import OptionError
from ..options.pacing_checks import function_of, number
from ..options.rates import CALLS, Rate
from ..options.record import Options
from ..worker.execute import Call

ONE = {CALLS: 1.0}


class ItemFacts:
    """The functions that the options give, each called as the run's own function is.

    All raise an `OptionError` where such a function raises, or gives what can't be used.
    """

    def __init__(self, options: Options, star: bool, rates: tuple[Rate, ...]) -> None:
        self._star = star
        self._units = sorted({rate.unit for rate in rates})
        self._key = _given("rate_key", options.rate_key)
        self._cost = _given("cost", options.cost)
        self._actual = _given("actual", options.actual)
        self._price = _price("price", options.price)
        self._item_price = _price("item_price", options.item_price)
        self.keyed = self._key is not None
        self.costed = self._cost is not None
        self.corrected = self._actual is not None
        self.priced = self._price is not None or self._item_price is not None
        self.alike = not self.keyed and not self.costed and self._item_price is None

    def key(self, item: Any) -> Hashable:
        """Give the key of an item; None without `rate_key`."""
        if self._key is None:
            return None
        key = self._of_item("rate_key", self._key, item)
        try:
            hash(key)
        except TypeError:
            raise OptionError(
                f"rate_key= gave {key!r}, which can't be a key: it must be hashable, as a string"
            ) from None
        return key  # type: ignore[no-any-return]

    def amounts(self, item: Any) -> dict[str, float]:
        """Give what an item takes, by unit: one call, and its cost."""
        if self._cost is None:
            return ONE
        return {**ONE, **self._by_unit("cost", self._of_item("cost", self._cost, item))}

    def actual(self, value: Any) -> dict[str, float]:
        """Give what an item took, by its result."""
        assert self._actual is not None
        return self._by_unit("actual", _called("actual", self._actual, value))

    def price_before(self, item: Any) -> float | None:
        """Give what an item will cost; None where that isn't known before it runs."""
        if self._item_price is None:
            return None
        return _number("item_price", self._of_item("item_price", self._item_price, item))

    def price(self, value: Any) -> float | None:
        """Give what an item has cost, by its result; None where it is known before."""
        return (
            None if self._price is None else _number("price", _called("price", self._price, value))
        )

    def _of_item(self, name: str, function: Callable[..., Any], item: Any) -> Any:
        if isinstance(item, Call):
            return _called(name, function, *item.args, **item.kwargs)
        return _called(name, function, *item) if self._star else _called(name, function, item)

    def _by_unit(self, name: str, given: Any) -> dict[str, float]:
        others = [unit for unit in self._units if unit != CALLS]
        if not isinstance(given, Mapping):
            if len(others) != 1:
                raise OptionError(
                    f"{name}= gave {given!r}: with several units ({', '.join(others)}) it must be "
                    "a dict of unit to number"
                )
            given = {others[0]: given}
        for unit in given:
            if unit not in self._units:
                raise OptionError(
                    f"{name}= gave {given!r}: rate= has no unit {unit!r}, but {self._units}"
                )
        return {unit: _number(name, much) for unit, much in given.items()}


def _given(name: str, value: Any) -> Callable[..., Any] | None:
    return None if value is None else function_of(name, value)


def _price(name: str, value: Any) -> Callable[..., Any] | None:
    always = number(value)
    return _given(name, value) if always is None else lambda *args, **kwargs: always


def _called(name: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    try:
        return function(*args, **kwargs)
    except Exception as error:
        raise OptionError(f"{name}= raised {type(error).__name__}: {error}") from error


def _number(name: str, value: Any) -> float:
    try:
        found = float(value)
    except (TypeError, ValueError):
        found = -1.0
    if isinstance(value, str) or not 0 <= found < float("inf"):
        raise OptionError(f"{name}= must give a number, 0 or more, not {value!r}")
    return found
