"""Hidden draws: libraries that may draw random numbers without a generator of the user's.

Such a library has a module that can reach the generators which all code shares: it holds the
module `random`, a function of it, or NumPy or PyTorch.
"""

from __future__ import annotations

import functools
import itertools
import sys
import types
from collections.abc import Iterable
from typing import Any

from .generators import own_generator

SHARED = ("random", "numpy", "torch")
MOST, DEEP = 16, 3  # parts of a container that are looked at, and containers within one another


def may_draw(libraries: Iterable[str]) -> bool:
    """Whether one of these may draw; each is the name of a top-level module.

    Examples
    --------
    >>> import json, statistics
    >>> may_draw(["json"]), may_draw(["json", "statistics"])
    (False, True)
    """
    return any(_may_draw(name, len(sys.modules)) for name in libraries)


def item_may_draw(item: Any) -> bool:
    """Whether a method of an item, or of its parts, may draw: it is of such a library."""
    parts = [item]
    for _ in range(DEEP):
        parts = [one for part in parts for one in _parts(part)]
    return any(map(_kind_may_draw, {type(one) for one in parts}))


def _parts(thing: Any) -> Iterable[Any]:
    """Give the first parts of a container; else the thing itself."""
    if not isinstance(thing, list | tuple | dict):
        return (thing,)
    return itertools.islice(thing.values() if isinstance(thing, dict) else thing, MOST)


def _kind_may_draw(kind: type) -> bool:
    top = str(kind.__module__).partition(".")[0]
    return top not in _NEVER and _may_draw(top, len(sys.modules))


# Methods of NumPy's arrays draw nothing; its generators are seen by themselves.
_NEVER = {"builtins", "__main__", "nbexec", *SHARED}


@functools.lru_cache(1024)
def _may_draw(top: str, modules: int) -> bool:
    """Do as `may_draw`, with so many modules loaded."""
    if top in _NEVER:
        return False
    if top not in sys.modules:
        return top not in sys.stdlib_module_names  # nobody knows before it is imported
    own = own_generator("random")
    for name, module in [*sys.modules.items()]:
        if name.partition(".")[0] == top and isinstance(module, types.ModuleType):
            for value in [*vars(module).values()]:
                if isinstance(value, types.ModuleType):
                    if value.__name__.partition(".")[0] in SHARED:
                        return True
                elif getattr(value, "__self__", None) is own and own is not None:
                    return True
    return False
