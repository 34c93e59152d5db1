"""Task cache: the functions that a worker has loaded, with their captures and setup state.

They are dropped soon after their run has ended, so that an idle worker keeps nothing:
neither a large array that was mapped for a run nor a model that setup loaded.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import threading
import time
from collections import OrderedDict
from collections.abc import Coroutine
from typing import Any, NamedTuple

from ..model import Task
from ..serialize import block_files, pickling, task_file, weak_references
from ..system import after_fork, subinterpreter
from . import issuing, logging_setup, signals_taken
from .event_loop import run_to_end
from .module_values import ModuleValues
from .setup_once import SetupOnce
from .surroundings.taking_on import Arrived
from .surroundings.taking_on import renewed as again

KEPT = 16  # functions without a file, least recently used out: there is no sign of their run's end
LOOK = 0.5  # seconds between two looks whether a run has ended


class Loaded(NamedTuple):
    """A task, the maker of its function of one item, and the file that it came from."""

    task: Task
    surroundings: Arrived
    setup: logging_setup.Logging
    prepared: SetupOnce
    file: str | None  # there as long as the run goes on
    values: ModuleValues  # taken on when they were unpacked
    signals: signals_taken.Signals | None  # None in the kernel itself
    renewed: bytes = b""  # what came later was unpacked from


_lock = threading.Lock()  # a Dask worker may have several threads
_loaded: OrderedDict[str, Loaded] = OrderedDict()  # by run
_watching = False
_latest = ""  # the run whose modules these are


def _forget() -> None:
    """Have a forked child watch for itself."""
    global _lock, _watching
    _lock, _watching = threading.Lock(), False


after_fork.add(_forget)


def load(key: str, block: Any, renewed: bytes = b"") -> Loaded:
    """Give the task of a run, unpacked from `block` (a path or the bytes) once.

    With `renewed` it has other surroundings, or another logging setup, than it came with.
    """
    global _latest
    ended: list[Loaded] = []  # ends when the lock is free: a finaliser may take its time
    try:
        with _lock:
            if key not in _loaded:
                ended += _ended()
                _latest = ""  # unless it comes to its end, what modules hold is nobody's
                _loaded[key] = _unpack(block)
                _watch()
            elif key != _latest:  # another run changed what modules hold
                _loaded[key].values.take_on()
                logging_setup.before_loading()
                issuing.log_as(_loaded[key].setup)
                _handle(_loaded[key].signals)
            _latest = key
            _loaded.move_to_end(key)
            if renewed != _loaded[key].renewed:
                _loaded[key] = _renewed(_loaded[key], renewed)
            return _loaded[key]
    finally:
        _tear_down(ended)


def _renewed(loaded: Loaded, renewed: bytes) -> Loaded:
    surroundings, setup, signals = pickle.loads(renewed)
    if surroundings:
        loaded = loaded._replace(surroundings=again(loaded.surroundings, surroundings))
    if setup:
        logging_setup.before_loading()
        loaded = loaded._replace(setup=pickling.loads(setup))
        issuing.log_as(loaded.setup)
    if signals and loaded.signals is not None:
        loaded = loaded._replace(signals=pickling.loads(signals))
        _handle(loaded.signals)
    return loaded._replace(renewed=renewed)


def _handle(signals: signals_taken.Signals | None) -> None:
    if signals is not None:
        signals_taken.take_on(signals)


def _unpack(block: Any) -> Loaded:
    file = block if isinstance(block, str) else None
    surroundings: Arrived
    task: Task
    logging_setup.before_loading()
    unpacked = task_file.load(file) if file else block_files.unpack(bytearray(block))
    surroundings, values, task, setup, *more = unpacked
    signals = (more[0] if more else {}) if issuing.log_as(setup) else None
    _handle(signals)
    values.loaded()
    return Loaded(task, surroundings, setup, SetupOnce(task), file, values, signals)


def loaded(key: str) -> Loaded | None:
    """Give the task of a run where it is loaded, with what modules hold for it."""
    one = _loaded.get(key)
    return None if one is None else load(key, b"", one.renewed)


def _ended() -> list[Loaded]:
    """Take out the tasks of runs that have ended."""
    unknown = [key for key, one in _loaded.items() if one.file is None][:-KEPT]
    gone = [key for key, one in _loaded.items() if one.file and not os.path.exists(one.file)]
    for key in (*unknown, *gone):
        weak_references.forget(key)
    if _latest in gone:
        _loaded[_latest].values.let_go()
    return [_loaded.pop(key) for key in (*unknown, *gone)]


def forget() -> None:
    """Drop the tasks of runs that have ended."""
    with _lock:
        ended = _ended()
    _tear_down(ended)
    ended.clear()


def end() -> None:
    """Drop every task: this process ends."""
    with _lock:
        ended = [*_loaded.values()]
        _loaded.clear()
    _tear_down(ended)


def _tear_down(ended: list[Loaded]) -> None:
    """Call the teardown of tasks that were dropped, where their run could not have it called."""
    for one in ended:
        with contextlib.suppress(Exception):
            value = one.prepared.tear_down()
            if isinstance(value, Coroutine):
                run_to_end(value)


def _watch() -> None:
    """Look from time to time, in a thread, as long as there is something to drop.

    A sub-interpreter may have no such thread: the kernel sends it `FORGET`.
    """
    global _watching
    if not _watching and subinterpreter.daemons():
        _watching = True
        threading.Thread(target=_look, name="nbexec-forget", daemon=True).start()


def _look() -> None:
    global _watching
    while True:
        time.sleep(LOOK)
        with _lock:
            ended = _ended()
            over = not any(one.file is not None for one in _loaded.values())
            _watching = not over
        _tear_down(ended)
        ended.clear()
        if over:
            return
