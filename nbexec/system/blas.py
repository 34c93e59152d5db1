"""BLAS threads: how many NumPy and other libraries may use in each of a run's workers.

Left to itself each worker's BLAS starts a thread for every core, and all of them get in
one another's way.  So a worker's share is the cores by the number of workers.  A library
that a worker process loads finds it in the environment; one that is loaded already
is set through threadpoolctl.  In the kernel, whose threads have one BLAS in common, it
holds while a run on several threads goes on.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Mapping
from typing import Any

from . import after_fork, machine

Share = tuple[int, ...]  # threads, for each of VARIABLES

VARIABLES = (  # what libraries look at when they are loaded, the first for all of OpenMP
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
)
_OF = {"openblas": 1, "mkl": 2, "blis": 3}  # threadpoolctl's names; of any other the first

_held: tuple[str, Share] | None = None  # of this process, where it is a worker
_found: tuple[int, list[Any]] = (0, [])  # the libraries, when there were so many modules


# ------------------------------------------------------------ in worker processes


def share(workers: int, env: Mapping[str, str] | None = None) -> Share:
    """Give the threads that one of `workers` may use, at most what the user's environment says.

    What `env` says, which is for the workers alone, is so.

    Examples
    --------
    >>> set(share(1_000_000)), set(share(1_000_000, {"OMP_NUM_THREADS": "3"}))
    ({1}, {3})
    """
    mine = max(1, available() // max(1, workers))
    general = _said(VARIABLES[0], mine)
    found = [min(mine, _said(variable, general)) for variable in VARIABLES]
    for place, variable in enumerate(VARIABLES) if env else ():
        of_all = _said(VARIABLES[0], found[place], env)
        found[place] = _said(variable, of_all, env)
    return tuple(found)


def available() -> int:
    """Give the cores that are this code's to divide: in a run's worker those of its share."""
    return max(1, _cores() // max(1, _sharing.workers))


def _said(variable: str, otherwise: int, env: Mapping[str, str] | None = None) -> int:
    said = (os.environ if env is None else env).get(variable, "")
    text = said.partition(",")[0].strip()  # "4,2": nested in OpenMP
    return int(text) if text.isdecimal() and int(text) else otherwise


def hold(run: str, threads: Share) -> None:
    """Keep this process, a worker, to its share for a run; whatever held for another is over."""
    global _held
    if not threads or _held == (run, threads):
        return
    _held = run, threads
    for variable, count in zip(VARIABLES, threads, strict=True):
        if variable != "NUMBA_NUM_THREADS" or "numba" not in sys.modules:  # it won't be changed
            os.environ[variable] = str(count)
    for library in _libraries():
        _set(library, threads[_OF.get(library.internal_api, 0)])


def _libraries() -> list[Any]:
    """Give the libraries that threadpoolctl controls; it is not imported where there are none."""
    global _found
    if "numpy" not in sys.modules and "torch" not in sys.modules:
        return []
    modules = len(sys.modules)
    if _found[0] != modules:
        try:
            from threadpoolctl import ThreadpoolController

            _found = modules, list(ThreadpoolController().lib_controllers)
        except Exception:  # no reason for an item not to run: what is known will do
            _found = modules, _found[1]
    return _found[1]


def _set(library: Any, count: int) -> None:
    """Set a library's threads, whoever has set them before.

    Since threadpoolctl 3.8 the first thread to set OpenBLAS's has the say until it lets go,
    and others, the user's within an item, are not heard.
    """
    let_go = getattr(library, "clear_controlling_thread", None)
    for step in (let_go, lambda force: library.set_num_threads(count), let_go):
        if step is not None:
            step(force=True)


# ------------------------------------------------------------ in the kernel's threads


class _Sharing:
    """Which runs are on threads of this process, and what their libraries were set to before."""

    def __init__(self) -> None:
        self.workers = 0  # of all runs that have several
        self.changes = 0
        self._runs: dict[object, int] = {}
        self._before: dict[str, int] = {}  # by the library's path
        self._lock = threading.Lock()

    def after_fork(self) -> None:
        """Put all back as it was before: no run is in a forked child."""
        self._lock = threading.Lock()
        self._runs.clear()
        self.workers = 0
        self.changes += 1
        for library in _libraries() if self._before else ():
            if library.filepath in self._before:
                self._limit(library, self._before)
        self._before.clear()

    def enter(self, run: object, workers: int) -> None:
        """Have a run use `workers` threads from now on; fewer than two need no share."""
        with self._lock:
            count = min(workers, _cores()) if workers > 1 else 0  # more have no smaller share
            if count == self._runs.get(run, 0):
                return
            self._runs[run] = count
            if not count:
                del self._runs[run]
            self.workers = sum(self._runs.values())
            self.changes += 1
            for library in _libraries() if self._before else ():
                if library.filepath in self._before:
                    self._limit(library, self._before)
            if not self._runs:
                self._before.clear()

    def apply(self, own: dict[str, int]) -> None:
        """Set what is loaded; `own` is what OpenMP's were before in this thread alone."""
        with self._lock:
            if self._runs or own:
                for library in _libraries():
                    if "openmp" in (library.user_api, getattr(library, "threading_layer", "")):
                        self._limit(library, own)
                    elif self._runs:
                        self._limit(library, self._before)

    def _limit(self, library: Any, before: dict[str, int]) -> None:
        now: int = library.num_threads or 1
        first = before.setdefault(library.filepath, now)
        share = min(first, max(1, _cores() // self.workers)) if self._runs else first
        if now != share:
            _set(library, share)


def _cores() -> int:
    return machine.cores() if _held is None else max(_held[1])


class _Own(threading.local):
    """State of one thread."""

    def __init__(self) -> None:
        self.seen = (0, 0)
        self.before: dict[str, int] = {}


_sharing = _Sharing()
after_fork.add(_sharing.after_fork)
_own = _Own()

enter = _sharing.enter


def leave(run: object) -> None:
    """Have a run's threads be no more; with the last run all is as it was before."""
    _sharing.enter(run, 0)


def look() -> None:
    """Keep this thread, a run's worker, to its share; to be called before each chunk."""
    seen = _sharing.changes, len(sys.modules)
    if seen != _own.seen:
        _own.seen = seen
        _sharing.apply(_own.before)
