"""Drawing: which generators of random numbers a function may draw from, and a run's seed.

A function is looked through once a run: its globals, closures, defaults, what it is bound to,
and the user's own functions, classes and modules that these lead to.  Libraries are not.
"""

from __future__ import annotations

import functools
import itertools
import sys
import types
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

from ..model import Task
from ..system.user_code import is_library_module
from ..worker.generators import drawn, is_generator, number, own_generator, peeked
from ..worker.random_streams import Streams

MOST = 20_000  # objects that are looked at: to look at more would take longer than brief items do

_ATOMS = (int, float, complex, str, bytes, bool, type(None), types.CodeType)
MODULES = ("random", "numpy", "torch")


def streams_for(
    things: Iterable[Any],
    seed: int | None,
    repeats: bool = False,
    fresh: int | None = None,
    setup: Any = None,
) -> Streams | None:
    """Give the streams of calls of functions; None where these draw nothing, as far as is seen.

    Parameters
    ----------
    things : iterable
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
    >>> found = streams_for([lambda x: random.random()], 3)
    >>> found.seed, found.modules
    (3, ('random',))
    >>> streams_for([len], None) is None
    True
    """
    modules, generators = _reached((*things, setup))
    if not modules and not generators and seed is None and setup is None:
        return None
    named = tuple(name for name in MODULES if name in modules)
    own = [own_generator(name) for name in MODULES if name in sys.modules]
    held = tuple(one for one in generators if not any(one is other for other in own))
    if seed is not None:  # libraries may draw, too
        loaded = tuple(name for name in MODULES if name in sys.modules and name not in named)
        return Streams(seed, True, named, held, loaded, setup is not None)
    own = [own_generator(name) for name in named]
    draw = peeked if repeats else drawn
    if fresh is None:
        found = (*held, *own) or (own_generator("random"),)
        fresh = number(0, tuple(map(draw, found)), 64)
    return Streams(fresh, False, named, held, setup=setup is not None)


def seed_of(task: Task, seed: int | None) -> int:
    """Give the seed of a run: that of its streams, the one that was given, or any."""
    if task.streams is not None:
        return int(task.streams.seed)
    import secrets

    return secrets.randbits(64) if seed is None else seed


def _reached(things: Iterable[Any]) -> tuple[set[str], list[Any]]:
    """Give the modules whose own generators may be drawn from, and the generators that are held."""
    modules: set[str] = set()
    generators: list[Any] = []
    waiting: deque[Any] = deque(things)
    seen: dict[int, Any] = {}  # the things, too: so that no id is used twice
    for _ in range(MOST):
        if not waiting:
            break
        thing = waiting.popleft()
        if isinstance(thing, _ATOMS) or id(thing) in seen:
            continue
        seen[id(thing)] = thing
        if is_generator(thing):
            generators.append(thing)
        else:
            waiting.extend(itertools.islice(_parts(thing, modules), MOST))
    for name in MODULES:
        if name in sys.modules and any(one is own_generator(name) for one in generators):
            modules.add(name)
    return modules, generators


def _parts(thing: Any, modules: set[str]) -> Iterable[Any]:
    """Give what a thing leads to."""
    kind = type(thing)
    if kind is types.FunctionType:
        return _of_function(thing, modules)
    if kind is types.MethodType:
        return thing.__func__, thing.__self__
    if kind is types.BuiltinFunctionType:
        return () if isinstance(thing.__self__, types.ModuleType) else (thing.__self__,)
    if isinstance(thing, type):
        by_name = is_library_module(str(thing.__module__))
        return () if by_name else (*thing.__bases__, *vars(thing).values())
    if kind is staticmethod or kind is classmethod:
        return (thing.__func__,)
    if kind is property:
        return thing.fget, thing.fset, thing.fdel
    if kind is functools._lru_cache_wrapper:
        return (thing.__wrapped__,)
    if kind is functools.partial:
        return thing.func, thing.args, thing.keywords
    return () if kind is types.ModuleType else _held(thing)


def _held(thing: Any) -> Iterator[Any]:
    """Give what an object holds, and its class."""
    if isinstance(thing, dict):
        yield from itertools.chain(thing.keys(), thing.values())
    elif isinstance(thing, list | tuple | set | frozenset | deque):
        yield from thing
    else:
        yield from (type(thing), getattr(thing, "__dict__", None))
        for one in type(thing).__mro__:
            slots = vars(one).get("__slots__", ())
            for name in (slots,) if isinstance(slots, str) else slots:
                yield getattr(thing, name, None)


def _of_function(function: Any, modules: set[str]) -> Iterator[Any]:
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # not assigned yet
            continue
    yield from (function.__defaults__, function.__kwdefaults__, vars(function))
    if is_library_module(str(function.__module__)):
        return
    names, codes = function.__globals__, [*_codes(function.__code__)]
    used = {name for code in codes for name in code.co_names}
    if not used.isdisjoint(MODULES):
        for code in codes:
            modules |= {name for name in _imported(code) if _draws(name, used)}
    for name in used & names.keys():
        if isinstance(names[name], types.ModuleType):
            yield from _of_module(names[name], used, modules)
        else:
            yield names[name]


def _of_module(module: types.ModuleType, used: set[str], modules: set[str]) -> Iterator[Any]:
    """Give what code with such names may use of a module."""
    top = module.__name__.partition(".")[0]
    if top in MODULES:
        if _draws(top, used):
            modules.add(top)
    elif not is_library_module(module.__name__):
        for name in used & vars(module).keys():
            found = vars(module)[name]
            if not isinstance(found, types.ModuleType):
                yield found
            elif found is not module:
                yield from _of_module(found, used, modules)


def _draws(module: str, used: set[str]) -> bool:
    """Whether code with such names may draw from a module's own generator."""
    if module == "torch":
        return True
    own = own_generator(module)
    there = vars(sys.modules["random" if module == "random" else "numpy.random"])
    return any(getattr(there.get(name), "__self__", None) is own for name in used)


def _imported(code: types.CodeType) -> Iterator[str]:
    """Give which of the modules code imports."""
    import dis  # which takes 5 ms to import

    for instruction in dis.get_instructions(code):
        if instruction.opname == "IMPORT_NAME":
            top = str(instruction.argval).partition(".")[0]
            if top in MODULES:
                yield top


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if type(constant) is types.CodeType:
            yield from _codes(constant)
