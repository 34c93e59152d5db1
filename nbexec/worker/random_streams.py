"""Random streams: each item draws its own random numbers, wherever and whenever it runs.

Before an item is called, the generators that its function draws from are set to the stream of
that item: that of `numpy.random.SeedSequence(seed, spawn_key=(index,))`.  The kernel finds out
which they are, once a run; a function that draws from none costs nothing.

Generators belong to a process, and its threads share them.  So items that have streams take
turns in a process: those of runs that an item itself started have turns of their own.
"""

from __future__ import annotations

import contextlib
import os
import threading
import weakref
from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextvars import ContextVar
from typing import Any, NamedTuple

from ..system import subinterpreter
from .drawing import reached
from .event_loop import run_to_end
from .generators import is_generator, own_generator, restart, setter
from .hidden_draws import item_may_draw

Call = Callable[[Any], Any]

depth: ContextVar[int] = ContextVar("nbexec_depth", default=0)  # runs around this code

Level = tuple[int, str]  # how many runs are around it, and `Streams.level`

_turns: defaultdict[Level, Any] = defaultdict(threading.RLock)
_turns_of_loops: weakref.WeakKeyDictionary[Any, dict[Level, Any]] = weakref.WeakKeyDictionary()


class Streams:
    """What the items of a run draw from.

    Parameters
    ----------
    seed : int
        The run's.
    given : bool
        Whether it was given: then items in threads of one process have streams, too, and take
        turns.  Else they share the generators, as the calls of a plain loop do.
    modules : tuple of str
        Those of "random", "numpy" and "torch" whose own generators they draw from.
    things : tuple
        The functions; pickled with the task.
    others : tuple of str
        Modules whose own generators libraries may draw from: in a worker process always, in the
        kernel only where `hidden` says so, since items that have streams take turns there.
    hidden : bool
        Whether the functions use a library that may draw.

    Attributes
    ----------
    generators : list or None
        What the functions hold in this process; None until it is asked for.
    setup : bool
        Whether there may be more in what each worker sets up.
    level : str
        Items with streams take turns with those of the same level, and as many runs around them.
    """

    level = ""
    __nbexec_streams__ = True  # see `serialize.own_generators`

    def __init__(
        self,
        seed: int,
        given: bool,
        modules: tuple[str, ...] = (),
        things: tuple[Any, ...] = (),
        others: tuple[str, ...] = (),
        hidden: bool = False,
    ) -> None:
        self.seed = seed
        self.given = given
        self.modules = modules
        self.others = others
        self.hidden = hidden
        self.generators: list[Any] | None = None
        self.setup = False
        self._things = things

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "generators": None}

    def __bool__(self) -> bool:
        """Whether there is any generator that may be drawn from."""
        return bool(self.modules or self._held() or self.setup or (self.given and self.others))

    def _held(self) -> list[Any]:
        if self.generators is None:
            self.generators = reached(self._things)[1]
        return self.generators

    def hold(self, generators: list[Any]) -> None:
        """Have these be what is held, wherever the function is looked through."""
        self._things, self.generators = tuple(generators), generators

    def turn(self, around: int | None = None) -> Any:
        """Give the lock of those whose turn it is, with so many runs around it; None is here."""
        return _turns[depth.get() if around is None else around, self.level]

    def hides(self, item: Any, kernel: bool) -> bool:
        """Whether the call for an item in the kernel may draw by a method of the item's own."""
        return kernel and self.given and not self.hidden and item_may_draw(item)

    def generators_of(
        self, kernel: bool, set_up: Sequence[Any] = (), hidden: bool = False
    ) -> list[Any]:
        """Give the generators that have streams, in the kernel or in a worker process."""
        seen = kernel and not (hidden or self.hidden)
        modules = self.modules if seen else (*self.modules, *self.others)
        return [*self._held(), *set_up, *map(own_generator, modules)]

    def of_setup(self) -> Streams:
        """Give the streams of what a worker sets up for itself alone."""
        made = Streams(self.seed, self.given)
        made.setup = self.setup
        return made

    @contextlib.contextmanager
    def item(
        self, index: int, keeps: bool, set_up: Sequence[Any] = (), hidden: bool = False
    ) -> Iterator[None]:
        """Have what is drawn inside a `with` block come from an item's stream.

        With `keeps` the generators are then as they were.  `set_up` has those that are this
        worker's alone; `hidden` is whether a library may draw for this item.
        """
        generators = self.generators_of(keeps, set_up, hidden)
        back = [setter(generator) for generator in generators] if keeps else []
        try:
            for place, generator in enumerate(generators):
                # the latter is the key of no generator that the first one spawns
                restart(generator, self.seed, (index, 2**32 - place) if place else (index,))
            yield
        finally:
            for function in back:
                function()


SET_UP = "__nbexec_set_up__"  # on a function of one item: generators in its worker's state


def in_state(state: Any) -> list[Any]:
    """Give the generators in what a worker set up: itself, what it holds, and its attributes."""
    if is_generator(state):
        return [state]
    held = state if isinstance(state, list | tuple) else ()
    names = state if isinstance(state, dict) else getattr(state, "__dict__", {})
    return [one for one in (*held, *names.values()) if is_generator(one)]


class ChunkStreams(NamedTuple):
    """The streams of a chunk's items.

    Attributes
    ----------
    streams : Streams
        The run's.
    indices : sequence of int
        Those of the items.
    keeps : bool
        Whether this is the kernel, whose generators are its own.
    """

    streams: Streams
    indices: Sequence[int]
    keeps: bool = True

    @property
    def _looks(self) -> bool:
        """Whether each item is looked at, for methods that may draw."""
        return self.keeps and self.streams.given and not self.streams.hidden

    def each(self, call: Call, around: int) -> Call:
        """Give a function of one item that gives each its stream, as they come, in order."""
        set_up = getattr(call, SET_UP, ())
        shared = self.streams.generators_of(self.keeps)
        if not shared and not set_up and not self._looks:
            return call
        indices, item, keeps = iter(self.indices), self.streams.item, self.keeps
        turn, hides = self.streams.turn(around), self.streams.hides

        def in_stream(it: Any) -> Any:
            index, hidden = next(indices), hides(it, keeps)
            if not shared and not hidden:
                with item(index, keeps, set_up):
                    return call(it)
            with turn, item(index, keeps, set_up, hidden):
                return call(it)

        return in_stream

    def each_awaited(
        self, call: Callable[[Any], Awaitable[Any]], around: int
    ) -> Callable[[Any], Awaitable[Any]]:
        """Do as `each` for a function that is awaited: on one loop, one item at a time."""
        import asyncio  # which a worker process seldom needs

        set_up = getattr(call, SET_UP, ())
        shared = self.streams.generators_of(self.keeps)
        if not shared and not set_up and not self._looks:
            return call
        turns = _turns_of_loops.setdefault(asyncio.get_running_loop(), {})
        turn = turns.setdefault((around, self.streams.level), asyncio.Lock())
        indices, item, keeps = iter(self.indices), self.streams.item, self.keeps

        hides = self.streams.hides

        async def in_stream(it: Any) -> Any:
            index, hidden = next(indices), hides(it, keeps)
            if not (shared or set_up or hidden):
                return await call(it)
            async with turn:  # then other threads, which have loops of their own
                with self.streams.turn(around), item(index, keeps, set_up, hidden):
                    return await call(it)

        return in_stream


def streams_of(task: Any, indices: Sequence[int], shared: bool = False) -> ChunkStreams | None:
    """Give the streams of a chunk in the kernel, if its items have any.

    Parameters
    ----------
    task : Task
        The run's.
    indices : sequence of int
        Those of the items.
    shared : bool
        Whether several items run at the same time.
    """
    streams: Streams | None = task.streams
    if not streams:
        return None
    if shared and not streams.given:
        return ChunkStreams(streams.of_setup(), indices) if streams.setup else None
    return ChunkStreams(streams, indices)


class InStream:
    """A function whose calls draw from one stream, wherever it is sent.

    Parameters
    ----------
    function : callable
        The function; what is awaited is awaited here, inside the stream.
    streams : Streams
        With the generators that it holds.
    place : int
        Of the stream, in place of an item's index.
    """

    def __init__(self, function: Callable[..., Any], streams: Streams, place: int) -> None:
        self.__wrapped__ = function
        for name in ("__name__", "__qualname__"):
            if hasattr(function, name):
                setattr(self, name, getattr(function, name))
        self._streams = streams
        self._place = place
        self._kernel = os.getpid()

    def __repr__(self) -> str:
        return repr(self.__wrapped__)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        here = is_kernel(self._kernel)
        hidden = self._streams.hides([*args, *kwargs.values()], here)
        drawn = self._streams.given and self._streams.generators_of(here, hidden=hidden)
        if here and not drawn:
            return self.__wrapped__(*args, **kwargs)
        with (
            self._streams.turn(depth.get() - 1),
            self._streams.item(self._place, here, hidden=hidden),
        ):
            value = self.__wrapped__(*args, **kwargs)
            if not isinstance(value, Coroutine):
                return value
            return run_to_end(value)

    def __nbexec_content__(self) -> tuple[Any, ...]:
        """Give a reduction to what a value follows from."""
        seeded = (self._streams.seed, self._place) if self._streams.given else ()
        return InStream, (self.__wrapped__, *seeded)


def is_kernel(process: int) -> bool:
    """Whether this is the kernel, whose process is given, and no worker."""
    return os.getpid() == process and not subinterpreter.number
