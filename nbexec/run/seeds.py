"""The seed of a run, and the streams of random numbers that its items draw from."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from ..model import Task
from ..worker.drawing import MODULES, looked_through
from ..worker.generators import drawn, number, own_generator, peeked
from ..worker.hidden_draws import may_draw
from ..worker.random_streams import Streams


def streams_for(
    things: Sequence[Any],
    seed: int | None,
    repeats: bool = False,
    fresh: int | None = None,
    setup: Any = None,
) -> Streams | None:
    """Give the streams of calls of functions; None where these draw nothing, as far as is seen.

    Parameters
    ----------
    things : sequence
        The functions.
    seed : int or None
        That was given; None takes one from the generators themselves, which go on by that: what
        they give is another one the next time, and the same one if they were seeded before.
    repeats : bool
        Whether the generators don't go on: the same call is to find them as they were.
    fresh : int or None
        The seed where none was given; None takes one from the generators.
    setup : callable or None
        What each worker calls once: there may be generators in what it gives.

    Examples
    --------
    >>> import random
    >>> found = streams_for([random.random], 3)
    >>> found.seed, found.modules
    (3, ('random',))
    >>> streams_for([len], None) is None
    True
    """
    things = (*things, setup)
    modules, generators, libraries = looked_through(things)
    if not modules and not generators and seed is None and setup is None:
        return None
    named = tuple(name for name in MODULES if name in modules)
    others: tuple[str, ...] = ()
    if seed is not None:  # libraries may draw, too
        others = tuple(name for name in MODULES if name in sys.modules and name not in named)
    elif fresh is None:
        draw = peeked if repeats else drawn
        bits = [draw(one) for one in (*generators, *map(own_generator, named))]
        fresh = number(0, tuple(bits), 64) if bits else _any()
    hidden = seed is not None and may_draw(libraries)
    made = Streams(seed or fresh or 0, seed is not None, named, things, others, hidden)
    made.generators, made.setup = generators, setup is not None
    return made


def seed_of(task: Task, seed: int | None) -> int:
    """Give the seed of a run: that of its streams, the one that was given, or any."""
    if task.streams is not None:
        return int(task.streams.seed)
    return _any() if seed is None else seed


def _any() -> int:
    import secrets

    return secrets.randbits(64)
