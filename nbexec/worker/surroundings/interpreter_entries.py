"""Entries of the interpreter and its process: folder, environment, import path, limits, locale."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import time
from typing import Any

from ...system import blas, gil, recursion
from .register_entry import Entry

# Environment variables that may differ in workers, which have other numbers of threads, and
# no windows.
OWN = (
    *("LOKY", "JOBLIB", "DASK", "OMP", "MKL", "OPENBLAS", "VECLIB"),
    *("MALLOC_TRIM_THRESHOLD_", "MPLBACKEND", *blas.VARIABLES),
)
_OWN_BYTES = tuple(name.encode() for name in OWN)


def folder() -> str:
    """Give the working directory; "" where it was removed."""
    try:
        return os.getcwd()
    except OSError:
        return ""


def _set_folder(wanted: str) -> None:
    if wanted and os.path.isdir(wanted):
        os.chdir(wanted)


def environ() -> dict[Any, Any]:
    """Give the environment variables, without those that a worker has its own of.

    As they are stored, since to decode them takes 0.1 ms.
    """
    stored = getattr(os.environ, "_data", None)
    found = stored if type(stored) is dict else dict(os.environ)
    return {name: value for name, value in found.items() if not _is_own(name)}


@functools.lru_cache(4096)
def _is_own(name: Any) -> bool:
    own: bool = name.startswith(_OWN_BYTES if isinstance(name, bytes) else OWN)
    return own


def text(stored: Any) -> str:
    """Give a stored name or value as `os.environ` does."""
    return stored if isinstance(stored, str) else os.fsdecode(stored)


_on_top: dict[Any, Any] = {}  # as they are stored


def put_on_top(variables: dict[str, str]) -> None:
    """Have these variables, too, whatever those of the kernel are."""
    global _on_top
    os.environ.update(variables)
    stored = getattr(os.environ, "_data", None)
    found = stored if type(stored) is dict else dict(os.environ)
    _on_top = {name: value for name, value in found.items() if text(name) in variables}


def set_environ(wanted: dict[Any, Any]) -> None:
    """Have these environment variables and no others, but for the worker's own."""
    now = environ()
    wanted = {**wanted, **_on_top}
    for name in now.keys() - wanted.keys():
        os.environ.pop(text(name), None)
    for name, value in wanted.items():
        if now.get(name) != value:
            os.environ[text(name)] = text(value)


def _path() -> list[str]:
    # "" is the folder that the kernel was started in; a worker has no such thing
    return [*sys.path]


def _set_path(wanted: list[str]) -> None:
    import importlib

    sys.path[:] = wanted
    importlib.invalidate_caches()  # a module may just have been written


def _set_argv(wanted: list[str]) -> None:
    sys.argv[:] = wanted


def _umask() -> int | None:
    """Give the file mode mask; None where only setting it would tell."""
    try:
        with open("/proc/self/status", "rb") as file:
            found = file.read(200).partition(b"\nUmask:")[2].split(None, 1)
        return int(found[0], 8)
    except (OSError, IndexError, ValueError):
        return None


def _set_umask(wanted: int | None) -> None:
    if wanted is not None:
        os.umask(wanted)


def _gc() -> tuple[bool, tuple[int, int, int]]:
    import gc

    return gc.isenabled(), gc.get_threshold()


def _set_gc(wanted: tuple[bool, tuple[int, int, int]]) -> None:
    import gc

    gc.set_threshold(*wanted[1])
    (gc.enable if wanted[0] else gc.disable)()


def _faults() -> bool:
    import faulthandler

    return faulthandler.is_enabled()


def _set_faults(wanted: bool) -> None:
    import faulthandler

    if not wanted:
        faulthandler.disable()
    elif sys.__stderr__ is not None:
        faulthandler.enable(sys.__stderr__)


def _sys() -> Any:
    limit = getattr(sys, "tracebacklimit", None)
    return limit, gil.interval(), sys.dont_write_bytecode, sys.pycache_prefix


def _set_sys(wanted: Any) -> None:
    limit, interval, sys.dont_write_bytecode, sys.pycache_prefix = wanted
    sys.setswitchinterval(interval)
    if limit is not None:
        sys.tracebacklimit = limit
    elif hasattr(sys, "tracebacklimit"):
        del sys.tracebacklimit


def _zone() -> Any:
    return time.timezone, time.tzname


def _set_zone(wanted: Any) -> None:
    """Read the time zone of the environment, which was set before."""
    if hasattr(time, "tzset"):
        time.tzset()


def _locale() -> str:
    return str(sys.modules["locale"].setlocale(sys.modules["locale"].LC_ALL))


def _set_locale(wanted: str) -> None:
    import locale

    with contextlib.suppress(locale.Error):  # one that isn't there
        locale.setlocale(locale.LC_ALL, wanted)


ENTRIES = (
    Entry("working directory", folder, _set_folder, extent="machine"),
    Entry("environment variables", environ, set_environ, extent="interpreter"),
    Entry("import path", _path, _set_path, extent="interpreter"),
    Entry("command line", lambda: [*sys.argv], _set_argv),
    Entry("file mode mask", _umask, _set_umask, extent="machine"),
    Entry("recursion limit", recursion.own, sys.setrecursionlimit),
    Entry("digits of an int", sys.get_int_max_str_digits, sys.set_int_max_str_digits),
    Entry("settings of sys", _sys, _set_sys),
    Entry("garbage collection", _gc, _set_gc),
    Entry("fault handler", _faults, _set_faults, module="faulthandler", usual=False),
    Entry("time zone", _zone, _set_zone, extent="machine"),
    Entry("locale", _locale, _set_locale, module="locale"),
)
