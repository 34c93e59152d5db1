"""Dask's draws: its own threads draw random numbers from a generator of their own.

To spread its retries and to look at samples of what it sends, distributed draws from `random`,
at any moment: in a worker it would take numbers of the stream of an item, and in the kernel the
next ones of a generator that the user has seeded.  It has no option for that.
"""

from __future__ import annotations

import importlib.util
import random
import sys
import threading
import types
from typing import Any

# What draws for Dask itself.  `dask.bag`, say, draws for its user.
_DISTRIBUTED = "distributed"
_OTHERS = ("dask.sizeof", "tornado.ioloop")

_lock = threading.Lock()
_done: set[str] = set()  # modules that were looked at
_own: types.ModuleType | None = None  # another module `random`, with a generator of its own


def draw_apart() -> None:
    """Have Dask's modules in this process draw from a generator that nobody else draws from.

    Examples
    --------
    >>> import distributed, random
    >>> draw_apart()
    >>> distributed.utils_comm.random is random
    False
    """
    with _lock:
        for name in sys.modules.keys() - _done:
            _done.add(name)
            if name.partition(".")[0] == _DISTRIBUTED or name in _OTHERS:
                _give_own(sys.modules.get(name))


def _give_own(module: Any) -> None:
    shared = getattr(random.random, "__self__", None)
    for name, value in [*getattr(module, "__dict__", {}).items()]:
        if value is random:
            setattr(module, name, _own_random())
        elif shared is not None and getattr(value, "__self__", None) is shared:
            setattr(module, name, getattr(_own_random(), value.__name__))


def _own_random() -> types.ModuleType:
    """Give the module `random` once more: it makes its generator as it is executed."""
    global _own
    if _own is None:
        spec: Any = importlib.util.find_spec("random")
        _own = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(_own)
    return _own


def dask_setup(worker: object) -> None:
    """Do so in a worker that starts with this module as a ``preload``."""
    draw_apart()
