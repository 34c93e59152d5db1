"""Generators of random numbers, of `random`, NumPy and PyTorch: to tell, to set, to draw from.

NumPy and PyTorch are not imported for it, unless they are there or asked for.
"""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Callable
from typing import Any

_NUMPYS = ("Generator", "RandomState", "BitGenerator", "SeedSequence")


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
    try:
        kinds = found.Generator, found.RandomState, found.BitGenerator, found.SeedSequence
    except AttributeError:  # another thread is importing it: look at those that are there so far
        kinds = tuple(vars(found)[name] for name in _NUMPYS if name in vars(found))
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
    if hasattr(sequence, "__setstate_cython__"):
        sequence.__setstate_cython__(like.__reduce_cython__()[2])


def setter(generator: Any) -> Callable[[], None]:
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
        where = {"generator": generator, "device": generator.device}  # whatever the default is
        return int(torch.randint(2**62, (1,), **where).item())
    if hasattr(generator, "bytes"):
        return int.from_bytes(generator.bytes(8), "big")
    if hasattr(generator, "random_raw"):
        return int(generator.random_raw())
    return int(generator.spawn(1)[0].generate_state(1, "uint64")[0])  # a seed sequence


def peeked(generator: Any) -> int:
    """Give the 64 bits that would be drawn next from a generator, which stays where it is."""
    back = setter(generator)
    found = drawn(generator)
    back()
    return found


_forked: dict[str, Any] = {}  # the state of NumPy's own generator as this process was forked


def _note_fork() -> None:
    """Note what a forked process will have of NumPy's generator; `random` is seeded anew there.

    Not in the child: another thread of the parent may have the generator's lock as it forks.
    """
    own = getattr(sys.modules.get("numpy.random.mtrand"), "_rand", None)
    if own is not None:  # it is imported, to its end
        _forked["state"] = own.get_state(legacy=False)["state"]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_note_fork, after_in_parent=_forked.clear)


def own_in_fork() -> None:
    """Seed NumPy's own generator anew, where a forked worker has the state of the kernel's."""
    if _forked:
        state, rand = _forked.pop("state"), own_generator("numpy")
        if _same(rand.get_state(legacy=False)["state"], state):  # else an initializer seeded it
            restart(rand, number(os.getpid(), tuple(os.urandom(16)), 128), ())


def _same(state: dict[str, Any], other: dict[str, Any]) -> bool:
    return all(repr(state[key]) == repr(other[key]) for key in other)
