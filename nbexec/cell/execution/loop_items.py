"""Items: the items of a loop, and what is known of them before it begins."""

from __future__ import annotations

import copy
import gc
import sys
from collections import OrderedDict, defaultdict, deque
from collections.abc import Iterable, Iterator
from typing import Any

from ..analysis.abstract_values import describe, fits, loose
from ..analysis.aliases import TooLarge, reachable
from ..analysis.object_facts import dotted, immutable, read_once
from ..iteration.iteration import Last, checked
from .plain_first import SIZED, PlainFirst

MANY = 3_000_000  # items of a range that are listed
# Listing these runs no code of the user's, ends, and doesn't change them.
_CONTAINERS: tuple[type, ...] = (
    *(list, tuple, range, str, bytes, dict, set, frozenset, deque, OrderedDict, defaultdict),
    *(type({}.keys()), type({}.values()), type({}.items())),
)
_INDEXES = {"Index", "RangeIndex", "MultiIndex", "CategoricalIndex"}
_INDEXES |= {"DatetimeIndex", "TimedeltaIndex", "PeriodIndex", "IntervalIndex"}
_FRAMES = {"pandas.DataFrame", "pandas.core.frame.DataFrame"}
_SERIES = {"pandas.Series", "pandas.core.series.Series"}
# Of these a copy is listed.
_ITERATORS: tuple[type, ...] = (
    *(type(iter([])), type(iter(())), type(iter("")), type(iter(b"")), type(iter({}))),
    *(type(iter(set())), type(iter(range(0)))),
    *(type(iter({}.values())), type(iter({}.items())), type(reversed([])), type(reversed({}))),
    *(reversed, enumerate, zip),
)


def listed(source: Any) -> list[Any] | None:
    """Give the items of `source` without changing it; None where that can't be done.

    Examples
    --------
    >>> pairs = enumerate("ab")
    >>> listed(pairs), list(pairs)
    ([(0, 'a'), (1, 'b')], [(0, 'a'), (1, 'b')])
    """
    if type(source) is range and source[:MANY] != source:
        return None  # as a list it would be hundreds of megabytes
    twin = _twin(source)
    try:
        return None if twin is None else list(twin)
    except Exception:  # such as `zip(..., strict=True)`: it raises in its turn
        return None


def uncounted(source: Any) -> Any:
    """Give a series of the same memory as one of pandas, a frame's columns; others as they are.

    The plain loop holds an iterator of `df["a"]`, and no series.  One that we held would count
    as another user of the column, which pandas then copies when the loop stores into it: later
    items would not be what was stored.

    Examples
    --------
    >>> import pandas
    >>> series = pandas.Series([1, 2])
    >>> other = uncounted(series)
    >>> other is series, [*other]
    (False, [1, 2])
    """
    if type(source).__name__ == "DataFrame" and dotted(type(source)) in _FRAMES:
        return source.columns
    if type(source).__name__ != "Series" or dotted(type(source)) not in _SERIES:
        return source
    # A dtype is given only where pandas would look for a narrower one: with that of integers it
    # enters `catch_warnings`, and what was shown once would be shown again.
    given = {"dtype": source.dtype} if source.dtype == object else {}
    made = type(source)(source.array, copy=False, **given)
    one, other = source._values, made._values
    numpy = sys.modules["numpy"]
    arrays = isinstance(one, numpy.ndarray) and isinstance(other, numpy.ndarray)
    same = one is other or (arrays and numpy.shares_memory(one, other))
    return made if same else source


def iterable(thing: Any) -> bool:
    """Whether a loop may go through it."""
    return hasattr(type(thing), "__iter__") or hasattr(type(thing), "__getitem__")


def listable(source: Any) -> bool:
    """Whether the items of `source` can be listed without changing it."""
    return _twin(source) is not None and not (type(source) is range and source[:MANY] != source)


def containers(source: Any) -> list[Any]:
    """Give what an iterator takes its items from, or `source` itself if it is none of those.

    Examples
    --------
    >>> rows = [1, 2]
    >>> containers(zip(rows, enumerate(rows))) == [rows, rows]
    True
    """
    if type(source) not in _ITERATORS:
        return [source]
    # What they gave last they refer to as well, in a tuple; so that isn't followed.
    parts = source.__reduce__()[1] if type(source) is zip else gc.get_referents(source)
    parts = [one for one in parts if not immutable(type(one)) and type(one) is not tuple]
    return [found for part in parts for found in containers(part)]


def remaining(plain: PlainFirst, position: int) -> list[Any] | None:
    """Give the items that a plain loop leaves, once it has taken `position` of them.

    Examples
    --------
    >>> plain = PlainFirst("abc", lambda *_: False)
    >>> remaining(plain, 1)
    ['b', 'c']
    """
    source = plain.source
    if type(source) in SIZED or type(source) in _CONTAINERS or _is_array(source):
        items = listed(source)
        return None if items is None else items[position:]
    while True:  # where it is asked for while the plain loop takes more
        taken, items = plain.taken, listed(source)
        if plain.taken == taken:
            return None if items is None else items[position - taken :]


def _is_array(source: Any) -> bool:
    """Whether it is an array, or an index of pandas: neither runs code of the user's."""
    kind = type(source)
    index = kind.__module__.partition(".")[0] == "pandas" and kind.__name__ in _INDEXES
    return index or dotted(kind) == "numpy.ndarray"


def _twin(source: Any) -> Any:
    kind = type(source)
    if kind in _CONTAINERS or _is_array(source):
        return source
    if kind not in _ITERATORS:
        return None
    if kind not in (enumerate, zip):
        return copy.copy(source)
    make, parts, *state = source.__reduce__()
    twins = [part if type(part) is int else _twin(part) for part in parts]
    if any(twin is None for twin in twins):
        return None
    made = make(*twins)
    if state:  # zip(strict=True)
        made.__setstate__(*state)
    return made


class Items:
    """The items of a loop: a list, or pulled one by one from an iterator.

    Parameters
    ----------
    source : iterable
        The loop's own iterable.
    plain : PlainFirst or None
        The plain loop that takes the first of them.
    position : int
        How many it takes: those are left out.

    Attributes
    ----------
    skipped : int
        How many are left out.
    source : object
        The object that the loop iterates over.
    known : list or None
        All items, where they could be listed without running any code.
    expected : Value
        Describes every item; `feed` ends before one that differs.
    taken : list
        Items that were pulled so far.
    sample : list
        Items that are known before the loop begins.
    changing : bool
        Whether reading an item changes it.
    """

    def __init__(self, source: Any, plain: PlainFirst | None = None, position: int = 0) -> None:
        self.source = source
        self.skipped = position
        self.known = listed(source) if plain is None else remaining(plain, position)
        self.taken: list[Any] = [] if self.known is None else self.known
        self._error: BaseException | None = None  # the exception of the iterable
        self._ahead: list[Any] = []
        self._outside: set[int] = set()
        self._iterator: Iterator[Any] = iter(())
        if self.known is None:
            # This raises what the loop would raise.
            self._iterator = iter(source) if plain is None else plain.iterator
            self._ahead = self._pull()
        seen = self._ahead if self.known is None else self.known
        self.expected = describe(seen) if self.known is not None else loose(describe(seen))
        self.sample = seen
        kind = self.expected.type
        kinds = {kind} if kind is not None else set(map(type, seen))
        self.changing = any(map(read_once, kinds))

    def _pull(self) -> list[Any]:
        """Take one item, or none at the end."""
        try:
            return [next(self._iterator)]
        except StopIteration:
            return []
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            self._error = error
            return []

    def release(self) -> None:
        """Hold neither the iterable nor its items: the loop has ended."""
        self.source, self._iterator, self._error = None, iter(()), None
        self.known = self.known and []
        self._ahead, self.taken, self.sample = [], [], []

    @property
    def lazy(self) -> bool:
        """Whether the items are pulled as the loop goes on."""
        return self.known is None

    @property
    def over(self) -> bool:
        """Whether `feed` has given every item."""
        return self.known is not None or not (self._ahead or self._error)

    def give_back(self, plain: PlainFirst) -> None:
        """Have the plain loop go on with all of these items."""
        if self._error is not None:
            plain.stay(self.rest(0))
        elif self._ahead:
            plain.put_back(self._ahead)

    def keep_apart(self, things: Iterable[Any]) -> None:
        """Have `feed` end before an item that shares an object with `things`.

        Raises
        ------
        TooLarge
            There is too much to look at.
        """
        self._outside = {id(one) for one in reachable(things)}

    def _fits(self, item: Any) -> bool:
        if not fits(item, self.expected):
            return False
        if not self._outside:
            return True
        try:
            return all(id(one) not in self._outside for one in reachable([item]))
        except TooLarge:
            return False

    def feed(self, indexed: bool) -> Iterable[Any]:
        """Give the items as `Iteration` takes them: the last one says that it is the last.

        Parameters
        ----------
        indexed : bool
            Whether to give positions in `known` instead.
        """
        if self.known is None:
            return self._one_ahead()
        if not self.known:
            return []
        made = [*range(len(self.known))] if indexed else [*self._checked(self.known)]
        made[-1] = Last(made[-1])
        return made

    def _checked(self, items: list[Any]) -> Iterable[Any]:
        plain = all(map(immutable, set(map(type, items))))
        return items if plain else map(checked, items)

    def _one_ahead(self) -> Iterator[Any]:
        while self._ahead and self._fits(self._ahead[0]):
            item = self._ahead.pop()
            self.taken.append(item)
            self._ahead = self._pull()
            more = self._ahead and self._fits(self._ahead[0])
            item = checked(item)
            yield item if more else Last(item)
            if not more:
                return

    def rest(self, start: int) -> Iterator[Any]:
        """Give the items from position `start` on, unwrapped.

        After the last of them it raises the exception of the iterable, if there was one.
        """
        return _Rest(self, start)

    def after(self) -> Any:
        """Give the next item that `feed` has not given; raises as an iterator does."""
        if self._ahead:
            return self._ahead.pop()
        if self._error is not None:
            error, self._error = self._error, None
            raise error
        return next(self._iterator)


class _Rest:
    """No generator: one that is dropped would close the user's with it."""

    def __init__(self, items: Items, start: int) -> None:
        self._items = items
        self._at = start

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        taken = self._items.taken
        if self._at < len(taken):
            self._at += 1
            return taken[self._at - 1]
        return self._items.after()
