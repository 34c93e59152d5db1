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
import random
import sys
import threading
import weakref
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..system import subinterpreter

Call = Callable[[Any], Any]

depth: ContextVar[int] = ContextVar("nbexec_depth", default=0)  # runs around this code

_turns: defaultdict[int, Any] = defaultdict(threading.RLock)  # by how many runs are around it
_turns_of_loops: weakref.WeakKeyDictionary[Any, dict[int, Any]] = weakref.WeakKeyDictionary()


@dataclass(frozen=True, slots=True, eq=False)
class Streams:
    """What the items of a run draw from.

    Attributes
    ----------
    seed : int
        The run's.
    given : bool
        Whether it was given: then items in threads of one process have streams, too, and take
        turns.  Else they share the generators, as the calls of a plain loop do.
    modules : tuple of str
        Those of "random", "numpy" and "torch" whose own generators they draw from.
    generators : tuple
        Generators that they hold; pickled with what holds them, so that they stay the same ones.
    others : tuple of str
        Modules whose own generators libraries may draw from: only in a worker process.
    setup : bool
        Whether there may be more in what each worker sets up.
    """

    __nbexec_streams__ = True  # see `serialize.own_generators`

    seed: int
    given: bool
    modules: tuple[str, ...] = ()
    generators: tuple[Any, ...] = ()
    others: tuple[str, ...] = ()
    setup: bool = False

    def __bool__(self) -> bool:
        """Whether there is any generator that is seen to be drawn from."""
        return bool(self.modules or self.generators or self.setup)

    def generators_of(self, kernel: bool, set_up: Sequence[Any] = ()) -> list[Any]:
        """Give the generators that have streams, in the kernel or in a worker process."""
        modules = self.modules if kernel else (*self.modules, *self.others)
        return [*self.generators, *set_up, *map(own_generator, modules)]

    def of_setup(self) -> Streams:
        """Give the streams of what a worker sets up for itself alone."""
        return Streams(self.seed, self.given, setup=self.setup)

    @contextlib.contextmanager
    def item(self, index: int, keeps: bool, set_up: Sequence[Any] = ()) -> Iterator[None]:
        """Have what is drawn inside a `with` block come from an item's stream.

        With `keeps` the generators are then as they were.  `set_up` has those that are this
        worker's alone.
        """
        generators = self.generators_of(keeps, set_up)
        back = [_setter(generator) for generator in generators] if keeps else []
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

    def each(self, call: Call, around: int) -> Call:
        """Give a function of one item that gives each its stream, as they come, in order."""
        set_up = getattr(call, SET_UP, ())
        shared = self.streams.generators_of(self.keeps)
        if not shared and not set_up:
            return call
        indices, item, keeps = iter(self.indices), self.streams.item, self.keeps
        turn: Any = _turns[around] if shared else contextlib.nullcontext()

        def in_stream(it: Any) -> Any:
            index = next(indices)
            with turn, item(index, keeps, set_up):
                return call(it)

        return in_stream

    def each_awaited(
        self, call: Callable[[Any], Awaitable[Any]], around: int
    ) -> Callable[[Any], Awaitable[Any]]:
        """Do as `each` for a function that is awaited: on one loop, one item at a time."""
        import asyncio  # which a worker process seldom needs

        set_up = getattr(call, SET_UP, ())
        if not self.streams.generators_of(self.keeps) and not set_up:
            return call
        turns = _turns_of_loops.setdefault(asyncio.get_running_loop(), {})
        turn = turns.setdefault(around, asyncio.Lock())
        indices, item, keeps = iter(self.indices), self.streams.item, self.keeps

        async def in_stream(it: Any) -> Any:
            index = next(indices)
            async with turn:  # then other threads, which have loops of their own
                with _turns[around], item(index, keeps, set_up):
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


class CallStreams(NamedTuple):
    """The stream of an executor's call: it travels with the call."""

    streams: Streams
    place: int  # among all calls
    kernel: int  # the kernel's process

    def call(self, function: Callable[[], Any]) -> Any:
        """Call a function in this stream."""
        here = is_kernel(self.kernel)
        if here and not (self.streams and self.streams.given):
            return function()
        with _turns[depth.get() - 1], self.streams.item(self.place, here):
            return function()


def is_kernel(process: int) -> bool:
    """Whether this is the kernel, whose process is given, and no worker."""
    return os.getpid() == process and not subinterpreter.number


# ---------------------------------------------------------------- generators


def own_generator(module: str) -> Any:
    """Give the generator that a module's own functions draw from."""
    if module == "random":
        return vars(random)["_inst"]
    if module == "numpy":
        import numpy as np

        return np.random.mtrand._rand
    import importlib

    return importlib.import_module("torch").default_generator


def is_generator(thing: Any) -> bool:
    """Whether a thing is a generator of random numbers that can have streams.

    Examples
    --------
    >>> import random
    >>> is_generator(random.Random()), is_generator(random.SystemRandom()), is_generator(random)
    (True, False, False)
    """
    if isinstance(thing, random.Random):
        return not isinstance(thing, random.SystemRandom)
    return _is_numpys(thing) or _is_torchs(thing)


def _is_numpys(thing: Any) -> bool:
    found: Any = sys.modules.get("numpy.random")
    if found is None:
        return False
    kinds = found.Generator, found.RandomState, found.BitGenerator, found.SeedSequence
    return isinstance(thing, kinds)


def _is_torchs(thing: Any) -> bool:
    found = getattr(sys.modules.get("torch"), "Generator", None)
    return found is not None and isinstance(thing, found)


def number(seed: int, key: tuple[int, ...], bits: int) -> int:
    """Give a number of so many bits that a seed and a key lead to.

    Examples
    --------
    >>> number(1, (0,), 16) == number(1, (0,), 16), number(1, (0,), 64) == number(1, (1,), 64)
    (True, False)
    """
    import hashlib

    text = repr((seed, *key)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=bits // 8).digest(), "big")


def restart(generator: Any, seed: int, key: tuple[int, ...]) -> None:
    """Set a generator to the beginning of a stream."""
    if isinstance(generator, random.Random):
        generator.seed(number(seed, key, 256))
    elif _is_torchs(generator):
        generator.manual_seed(number(seed, key, 56))
    else:
        from numpy.random import SeedSequence

        sequence, own = SeedSequence(seed, spawn_key=key), _bits(generator)
        if isinstance(generator, SeedSequence):
            _set_sequence(generator, sequence)
            return
        _set_numpys(generator, type(own)(sequence).state)
        if isinstance(getattr(own, "seed_seq", None), SeedSequence):  # which spawns others
            _set_sequence(own.seed_seq, sequence)


def _bits(generator: Any) -> Any:
    """Give what a generator of NumPy gets its bits from."""
    own = getattr(generator, "bit_generator", None)
    return own if own is not None else getattr(generator, "_bit_generator", generator)


def _set_numpys(generator: Any, state: dict[str, Any]) -> None:
    if hasattr(generator, "set_state"):  # a RandomState, which may hold half of a pair
        generator.set_state({"has_gauss": 0, "gauss": 0.0, **state})
    else:
        _bits(generator).state = state


def _set_sequence(sequence: Any, like: Any) -> None:
    """Make a seed sequence like another, in place, by what pickle would set."""
    sequence.__setstate_cython__(like.__reduce_cython__()[2])


def _setter(generator: Any) -> Callable[[], None]:
    """Give a function that sets a generator back to where it is now."""
    if isinstance(generator, random.Random):
        state = generator.getstate()
        return lambda: generator.setstate(state)
    if _is_torchs(generator):
        state = generator.get_state()
        return lambda: generator.set_state(state)
    own = _bits(generator)
    sequence = getattr(own, "seed_seq", own)
    before = sequence.__reduce_cython__()[2] if hasattr(sequence, "__reduce_cython__") else None
    legacy, found = hasattr(generator, "set_state"), None
    if own is not sequence:
        found = generator.get_state(legacy=False) if legacy else own.state

    def back() -> None:
        if found is not None:
            _set_numpys(generator, found)
        if before is not None:
            sequence.__setstate_cython__(before)

    return back


def drawn(generator: Any) -> int:
    """Draw 64 bits from a generator, which goes on."""
    if isinstance(generator, random.Random):
        return generator.getrandbits(64)
    if _is_torchs(generator):
        torch: Any = sys.modules["torch"]
        return int(torch.randint(2**62, (1,), generator=generator).item())
    if hasattr(generator, "bytes"):
        return int.from_bytes(generator.bytes(8), "big")
    if hasattr(generator, "spawn"):  # a seed sequence
        return int(generator.spawn(1)[0].generate_state(1, "uint64")[0])
    return int(generator.random_raw())


def peeked(generator: Any) -> int:
    """Give the 64 bits that would be drawn next from a generator, which stays where it is."""
    back = _setter(generator)
    found = drawn(generator)
    back()
    return found
