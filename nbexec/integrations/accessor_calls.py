"""Calls that pandas makes of a function, in parallel: the first here, the rest on workers.

pandas itself makes the result.  It calls a function of ours, row by row; that calls the user's
for the first rows and times them.  If the rest takes long enough, it is computed on workers, and
handed out call by call.  So whatever pandas makes of values, dtypes, names and exceptions is what
it makes of the plain function's.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ..api import imap
from ..errors import OptionError
from ..model import Failure
from ..options import resolve
from ..worker.item_errors import Partial

ENOUGH = 0.03  # seconds of calls that tell what one takes
WORTH = 0.1  # seconds that the rest must take, for workers to be asked
PARTS = 64  # pieces that the rest is cut into: calls of unequal length are balanced by them


OF_PANDAS: dict[str, Any] = {}  # options of all runs, as given to `nbexec.pandas`


def keep_options(kept: dict[str, Any], given: dict[str, Any], library: str) -> None:
    """Have the accessors of a library run with these options; what is wrong with them is said."""
    resolve(given)
    if "on_error" in given:
        raise OptionError(
            f"on_error= is not for {library}' methods, which raise what a call raises"
        )
    kept.clear()
    kept.update(given)


def register(cls: Any, registrar: Callable[..., Any], accessor: Any) -> None:
    """Register ``.nbexec`` with a class of a library, once."""
    if getattr(cls, "nbexec", None) is not accessor:
        registrar("nbexec")(accessor)


Replay = Callable[[Any], list[Any]]  # calls the user's function for each call of a piece


class CallsAhead:
    """A function that is called in order, and whose later calls are computed ahead.

    Parameters
    ----------
    fn : callable
        The user's.
    pieces : callable
        Gives the calls from a number on, in pieces, and how many calls each has.
    replay : callable
        Makes the calls of a piece; in a worker.
    count : int
        How many calls there will be.
    options : dict
        Of the run.
    """

    def __init__(
        self,
        fn: Callable[..., Any],
        pieces: Callable[[int], Sequence[Any]],
        replay: Replay,
        count: int,
        options: dict[str, Any],
    ) -> None:
        functools.update_wrapper(self, fn, updated=())
        self._fn, self._pieces, self._replay = fn, pieces, replay
        self._count, self._options = count, options
        self._made, self._took = 0, 0.0  # calls, and their seconds
        self._rest: Iterator[Any] | None = None
        self._raised: BaseException | None = None
        self._plain = False

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function, or give what a worker has."""
        if self._rest is not None:
            for value in self._rest:
                return value
            if self._raised is not None:
                error, self._raised = self._raised, None
                raise error
            return self._fn(*args, **kwargs)  # pandas calls it once more than was to be seen
        if self._plain:
            return self._fn(*args, **kwargs)
        began = time.perf_counter()
        value = self._fn(*args, **kwargs)
        self._took += time.perf_counter() - began
        self._made += 1
        if self._took > ENOUGH or self._options.get("backend", "auto") != "auto":
            self._decide()
        return value

    def _decide(self) -> None:
        left = self._count - self._made
        if left < 2 or (
            self._options.get("backend", "auto") == "auto"
            and left * self._took / self._made < WORTH
        ):
            self._plain = left < 2 or self._took > 2 * ENOUGH
            return
        self._rest = self._values()

    def _values(self) -> Iterator[Any]:
        """Give what the calls give, in order, up to one that raises: that is noted."""
        options = {**self._options, "on_error": "collect"}
        # Dropped with this generator, and not closed: that would wait for the end of the run, also
        # where the collector drops it in a thread which that end needs.
        for values in imap(self._replay, self._pieces(self._made), **options):
            if isinstance(values, Failure):
                yield from values.left or ()
                self._raised = values.exception  # here a StopIteration would be another
                return
            yield from values


def of_pandas(fn: Any, pieces: Any, replay: Any, count: int) -> CallsAhead:
    """Give the function that pandas calls, with the options that `nbexec.pandas` was given."""
    options = {"name": getattr(fn, "__name__", "pandas"), **OF_PANDAS}
    return CallsAhead(fn, pieces, replay, count, options)


def recorded(fn: Callable[..., Any], call: Callable[[Callable[..., Any]], Any]) -> list[Any]:
    """Have `call` call a function, and give what each of its calls gave.

    Raises
    ------
    Partial
        A call raised: its exception, and what those before it gave.
    """
    values: list[Any] = []
    raised: list[Exception] = []

    def record(*args: Any, **kwargs: Any) -> None:
        try:
            values.append(fn(*args, **kwargs))
        except Exception as error:
            raised.append(error)
            raise

    try:
        call(record)
    except Exception as error:
        raise Partial(values, raised[0] if raised else error) from None
    return values


def cut(count: int, first: int) -> list[tuple[int, int]]:
    """Give where the pieces of what is left begin and end.

    Examples
    --------
    >>> cut(10, 7)
    [(7, 8), (8, 9), (9, 10)]
    """
    left = count - first
    parts = max(1, min(PARTS, left))
    edges = [first + position * left // parts for position in range(parts + 1)]
    return [(edges[at], edges[at + 1]) for at in range(parts)] if left else []
