"""weight(): about how many bytes objects would have as a pickle, from a bounded sample.

Nothing is pickled and no code of the user's runs: large containers are weighed by some of
their items, spread over them.
"""

from __future__ import annotations

import gc
import types
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import chain, islice
from typing import Any

from .object_facts import defines, dotted
from .source import is_own_class

# Objects that one call looks at, of which an instance counts as three: about 2 microseconds
# each, so that it takes less than 0.5 ms whatever is weighed.
SAMPLE = 200
_DEEPEST = 12  # what is held by what is held by ...
_WIDTHS = (8, 5, 4, 3, 2)  # items that are looked at in a container, by its depth
_MORE = 24  # of a container whose items are numbers and texts
_NEAR = 300  # entries of a dict or a set, from either end, among which the sample is spread
_AGAIN = 3  # bytes of an object that is in the pickle already
_PLAIN = 30  # bytes of an object of which nothing is known, by and large
_BY_NAME = (type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType, types.CodeType)
_SIZED: tuple[type, ...] = (list, tuple, deque, set, frozenset, dict)


def weight(things: Iterable[Any]) -> int:
    """Estimate the size of a pickle of `things`, in bytes.

    Parameters
    ----------
    things : iterable
        Any objects, such as the values that a function has captured.

    Returns
    -------
    int
        Bytes; within a factor of three where the items of a container are alike.

    Examples
    --------
    >>> weight([b"x" * 1000]) // 100
    10
    >>> 800_000 < weight([[float(n) for n in range(100_000)]]) < 1_200_000
    True
    """
    found = list(things)
    looked, factor = _spread(found, SAMPLE // 2)
    scale = _Scale(SAMPLE - len(looked))
    # Large things first: what is left of the sample is of little weight.
    looked.sort(key=_length, reverse=True)
    total = 0.0
    for done, thing in enumerate(looked):
        share = scale.left // max(1, len(looked) - done)
        total += scale.of(thing, 0, max(share, 1))
    return int(total * factor)


class _Scale:
    """Weighs objects; what it has seen before is a reference in a pickle."""

    def __init__(self, left: int) -> None:
        self.left = left  # objects that may still be looked at
        self._seen: dict[int, Any] = {}

    def of(self, thing: Any, depth: int, share: int) -> float:
        """Give the weight of an object; at most about `share` objects in it are looked at."""
        kind = type(thing)
        small: Callable[[Any], float] | None = _SMALL.get(kind)
        if small is not None:
            return small(thing)
        if isinstance(thing, _BY_NAME):
            return _PLAIN
        if id(thing) in self._seen:
            return _AGAIN
        self._seen[id(thing)] = thing
        self.left -= 1
        if isinstance(thing, str | bytes | bytearray):
            return 5.0 + _bytes(thing)
        if isinstance(thing, _SIZED):
            return (2 if kind in _SIZED else 20) + self._container(thing, depth, share)
        if dotted(kind) in ("pandas.DataFrame", "pandas.core.frame.DataFrame"):
            return 500 + self._frame(thing, depth, share)
        if defines(kind, "nbytes") and not is_own_class(kind):
            return self._array(thing, depth, share)
        return self._instance(thing, depth, share)

    def _container(self, thing: Any, depth: int, share: int) -> float:
        size = _length(thing)
        if not size or share <= 0 or self.left <= 0:
            return 3.0 * size
        width = min(_WIDTHS[min(depth, len(_WIDTHS) - 1)], share)
        sampled, factor = _spread(thing, width)
        if all(type(one) in _SMALL or type(one) is str for one in sampled):
            sampled, factor = _spread(thing, min(_MORE, share))
        return self._sum(sampled, depth, share) * factor

    def _sum(self, sampled: Sequence[Any], depth: int, share: int) -> float:
        """Weigh the items of a sample; a pair of a dict counts as two."""
        each = min(share, self.left) // max(1, len(sampled))
        # One byte an item for the memo of the pickle.
        return sum((self.of(one, depth + 1, each) + 1.0 for one in sampled), 0.0)

    def _array(self, thing: Any, depth: int, share: int) -> float:
        """Weigh an array, or anything else that says how large it is."""
        try:
            size = float(thing.nbytes)
        except Exception:
            return _PLAIN
        if dotted(type(thing)) == "numpy.ndarray" and thing.dtype.hasobject and thing.size:
            step = max(1, thing.size // max(1, min(share, _MORE)))
            sampled = list(thing.flat[::step])
            return 120 + self._sum(sampled, depth, share) * int(thing.size) / len(sampled)
        if dotted(type(thing)).startswith("pandas."):  # it may hold objects
            return max(size, self._instance(thing, depth, share))
        return 120 + size

    def _frame(self, thing: Any, depth: int, share: int) -> float:
        """Weigh the blocks of a data frame, and its index."""
        try:
            held = [*(block.values for block in thing._mgr.blocks), thing.index]
        except AttributeError:  # another version of pandas has other insides
            return self._instance(thing, depth, share)
        return sum((self.of(one, depth + 1, share) for one in held), 0.0)

    def _instance(self, thing: Any, depth: int, share: int) -> float:
        """Weigh what an object refers to, by the garbage collector's account."""
        held = []
        self.left -= 2
        if self.left > 0 and depth < _DEEPEST:
            held = [one for one in gc.get_referents(thing) if not isinstance(one, _BY_NAME)]
        if not held:
            return _PLAIN
        sampled, factor = _spread(held, 40)
        return 20 + self._sum(sampled, depth, share) * factor


def _spread(thing: Any, width: int) -> tuple[list[Any], float]:
    """Give some items, spread over a container, and how many each of them stands for."""
    size = _length(thing)
    if isinstance(thing, dict):
        pairs = dict.items(thing)
        near: Iterable[Any] = pairs
        if size > 2 * _NEAR:
            near = chain(islice(pairs, _NEAR), islice(reversed(pairs), _NEAR))
        sampled = list(near)[:: max(1, min(size, 2 * _NEAR) // width)]
        return list(chain.from_iterable(sampled)), size / max(1, len(sampled))
    if isinstance(thing, set | frozenset | deque):
        base: Any = next(one for one in (set, frozenset, deque) if isinstance(thing, one))
        near = islice(base.__iter__(thing), 2 * _NEAR)
        sampled = list(near)[:: max(1, min(size, 2 * _NEAR) // width)]
        return sampled, size / max(1, len(sampled))
    step = max(1, size // width)
    plain: Any = list if isinstance(thing, list) else tuple
    sampled = list(plain.__getitem__(thing, slice(0, None, step)))
    return sampled, size / max(1, len(sampled))


def _length(thing: Any) -> int:
    """Give the number of items, or of bytes; 0 where it isn't known."""
    for kind in (*_SIZED, str, bytes, bytearray):
        if isinstance(thing, kind):
            return kind.__len__(thing)  # type: ignore[attr-defined, no-any-return]
    return 0 if type(thing) in _SMALL else 10**6


def _bytes(text: str | bytes | bytearray) -> int:
    """Give the number of bytes of a text, as far as its kind tells: it isn't encoded."""
    if isinstance(text, str) and not str.isascii(text):
        return 2 * str.__len__(text)
    return _length(text)


def _of_int(number: int) -> float:
    if -(2**31) <= number < 2**31:
        return 2.0 if 0 <= number < 256 else 3.0 if 0 <= number < 65536 else 5.0
    return 3.0 + number.bit_length() // 8


_SMALL: dict[type, Callable[[Any], float]] = {
    int: _of_int,
    float: lambda _: 9.0,
    bool: lambda _: 1.0,
    type(None): lambda _: 1.0,
    complex: lambda _: 40.0,
}
