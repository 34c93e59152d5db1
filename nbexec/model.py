"""The records that flow through a run, and nothing else.

::

    items -> Chunk -> worker -> Outcome -> Event -> RunState -> observers

Everything here is frozen and uses only the standard library, so that any layer
(and a worker on another machine) can import it.  Outcomes travel by chunk, in
columns: an object an item would cost more than a small item does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

Indices = Sequence[int]
ErrorKind = Literal["error", "cancelled", "lost"]
EndReason = Literal["done", "failed", "cancelled", "crashed"]


@dataclass(frozen=True, slots=True)
class Task:
    """A function and how a worker calls it: the same for every item of a run."""

    fn: Callable[..., Any]
    name: str
    star: bool = False  # an item is a tuple of positional arguments
    setup: Callable[[], Any] | None = None  # once a worker and a run: fn(item, state)
    coroutine: bool = False  # calling fn gives an awaitable
    depth: int = 0  # 0 in the kernel, 1 in a task of a run, 2 in a task of that task's run
    streams: Any = None  # what items draw random numbers from: see `worker.random_streams`
    timed: bool = False  # whether a worker says when it begins an item, being ready for it
    teardown: Callable[..., object] | None = None  # at its end there, with the value of setup


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """Some items on their way to one worker."""

    indices: Indices  # positions in the input, ascending; a range when they are adjacent
    items: Sequence[Any]
    attempt: int = 1
    budget: float = float("inf")  # seconds after which the worker begins no further item
    hedge: bool = False  # whether it is the second try of an item whose first one takes long
    own: Any = None  # options of its item alone, an executor's call: see `options.call_options`

    def __len__(self) -> int:
        return len(self.indices)

    def part(self, start: int, stop: int | None = None) -> Chunk:
        """Give the items from offset `start` up to `stop` as a chunk of their own."""
        indices, items = self.indices[start:stop], self.items[start:stop]
        return Chunk(indices, items, self.attempt, hedge=self.hedge, own=self.own)

    def pick(self, offsets: Sequence[int], attempt: int) -> Chunk:
        """Give the items at `offsets` as a chunk of their own."""
        indices = [self.indices[offset] for offset in offsets]
        items = [self.items[offset] for offset in offsets]
        return Chunk(indices, items, attempt, hedge=self.hedge, own=self.own)


class SlowDown(NamedTuple):
    """What a server asked for, by an exception that has its reply; or this machine, by its own."""

    status: int  # 429 or 503; 0: nobody's reply says so
    seconds: float | None  # that it asked to wait; None where it didn't say
    lacking: str = ""  # what this machine has no more of, "open files" or "threads"


@dataclass(frozen=True, slots=True)
class Error:
    """Why an item has no value."""

    kind: ErrorKind
    exception: BaseException
    traceback: str  # as Python prints it, for where the exception itself has none
    unsent: Literal["", "item", "result"] = (
        ""  # what could not; where it is the item, nothing began
    )
    asked: SlowDown | None = None  # that the run slows down, and tries the item again


@dataclass(frozen=True, slots=True)
class Outcome:
    """Ends of the first ``len(values)`` items of a chunk; the rest has not started."""

    values: list[Any]  # where `errors` has the offset: the failed item's `left`, or None
    errors: Mapping[int, Error]  # by offset in the chunk
    started: float  # unix time, by the worker's clock
    ends: Sequence[float]  # seconds after `started`, one an item
    cpu: float  # CPU seconds of the whole chunk
    worker: str
    peak_rss: int = 0  # bytes; the worker process's, 0 where it isn't known
    starved: float = 0.0  # seconds without a core, though ready to run; 0 where not known
    said: Sequence[tuple[int, str, Any]] = ()  # late output: offset, stream, text
    sent: int = 0  # bytes of the items, pickled, to another process
    received: int = 0  # bytes of their values, on the way back
    sending: float = 0.0  # CPU seconds of pickling and unpickling, here and there


@dataclass(frozen=True, slots=True)
class Failure:
    """An item that has no value, in the place of that value.

    Attributes
    ----------
    index : int
        Position of the item in the input, from 0.
    item : object
        The item itself (a tuple of arguments where several iterables were mapped).
    exception : BaseException
        The item's exception, with its traceback.
    traceback : str
        The traceback as Python prints it, from the worker.
    worker : str
        The worker that ran it; "" where none did.
    attempt : int
        How many times it had been tried, from 1.
    kind : {"error", "cancelled", "lost"}
        "error": it raised; "cancelled": it never ran to its end; "lost": its worker died.
    left : object
        Value that the function handed over when it failed; None for an ordinary function.
    run : str
        The `Run.id` of the run that it is a failure of, which tells it from a `Failure` that an
        item of that run returned; "" for one made by hand.
    name : str
        What `Executor.options` has the call be called; "" where it has no name.
    """

    __module__ = "nbexec"

    index: int
    item: Any
    exception: BaseException
    traceback: str = field(default="", repr=False)
    worker: str = ""
    attempt: int = 1
    kind: ErrorKind = "error"
    left: Any = field(default=None, repr=False, compare=False)
    run: str = field(default="", repr=False, compare=False)
    name: str = field(default="", repr=False, compare=False)

    def __bool__(self) -> bool:
        """A failure is false, so that ``[r for r in results if r]`` drops it."""
        return False

    def __nbexec_content__(self) -> tuple[Any, ...]:
        """Give a reduction without `run`, which is another one each time, and the name."""
        reduced: Any = object.__reduce_ex__(self, 5)
        make, arguments, state, *others = reduced
        return make, arguments, list(state)[:-2], *others


@dataclass(frozen=True, slots=True)
class Choice:
    """Backend and number of workers of a run, and the reason in words."""

    backend: str
    workers: int
    reason: str = ""
