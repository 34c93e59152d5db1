"""Functions and modules that can't be imported: how they arrive, and return as themselves.

A worker gets such a thing by value.  When it gives it back, the kernel gets its own one, not
a copy, and nothing of it is changed: each has a name that both sides know.
"""

from __future__ import annotations

import itertools
import pickle
import threading
import uuid
import weakref
from collections.abc import Callable
from typing import Any

from ..system import after_fork

_process = uuid.uuid4().hex
_numbers = itertools.count()
_lock = threading.RLock()

_sent: weakref.WeakValueDictionary[str, Any] = weakref.WeakValueDictionary()  # from here
_sent_names: weakref.WeakKeyDictionary[Any, str] = weakref.WeakKeyDictionary()
_came: weakref.WeakKeyDictionary[Any, str] = weakref.WeakKeyDictionary()  # copies, and of what

# What came, by the run and the name: each run has copies of its own, with its own globals.
_of_runs: weakref.WeakValueDictionary[tuple[str, str], Any] = weakref.WeakValueDictionary()


def _forget() -> None:
    """Have what a forked child sends have names of its own."""
    global _process, _lock
    _process, _lock = uuid.uuid4().hex, threading.RLock()


after_fork.add(_forget)


def by_value(thing: Any, reduced: tuple[Any, ...], run: str, known: set[str]) -> tuple[Any, ...]:
    """Give the reduction of a function, a module or the like that is sent to a worker.

    Parameters
    ----------
    thing : function or module
        The thing.
    reduced : tuple
        How cloudpickle would reduce it.
    run : str
        The run that it is sent for; "" for none.
    known : set of str
        Names of what the worker has by then.
    """
    name = thing_name(thing)
    if name in known:
        return thing_of_run, (run, name)
    make, arguments, *rest = reduced
    return _arrived, (run, name, make, arguments), *rest


def once_by_value(
    thing: Any, reduced: tuple[Any, ...], run: str, known: set[str]
) -> tuple[Any, ...]:
    """Do as `by_value` for a thing that is made of others which may refer to it.

    A recursive function under a cache is made of the function, which has the cache among its
    globals: pickle meets the cache again before it is made, and has it made twice.
    """
    make, arguments, *rest = by_value(thing, reduced, run, known)
    return (_arrived_once if make is _arrived else make), arguments, *rest


def is_importable(thing: Any) -> bool:
    """Whether a worker finds a thing by its name, in a module that it imports."""
    from cloudpickle import cloudpickle

    name = getattr(thing, "__qualname__", None) or getattr(thing, "__name__", None)
    if not isinstance(name, str):
        return False
    found = cloudpickle._lookup_module_and_qualname(thing, name=name)
    return found is not None and not cloudpickle._is_registered_pickle_by_value(found[0])


def back(thing: Any) -> tuple[Any, ...] | None:
    """Give the reduction of a function, or the like, on its way back; None for one made here."""
    name = _came.get(thing)
    return None if name is None else (thing_of_name, (name,))


def thing_name(thing: Any) -> str:
    """Give the name of a function or a module that is sent by value."""
    with _lock:
        name = _came.get(thing) or _sent_names.get(thing)
        if name is None:
            name = _sent_names[thing] = f"{_process}-{next(_numbers)}"
        _sent[name] = thing
        return name


def _arrived(run: str, name: str, make: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    thing = make(*arguments)
    with _lock:
        _came[thing] = name
        if run:
            _of_runs[run, name] = thing
    return thing


def _arrived_once(run: str, name: str, make: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    with _lock:
        found = _of_runs.get((run, name))
        return _arrived(run, name, make, arguments) if found is None else found


def thing_of_run(run: str, name: str) -> Any:
    """Give the function or the module that came with the task of a run."""
    found = _of_runs.get((run, name))
    if found is None:
        raise pickle.UnpicklingError("a function that came with the task is not there any more")
    return found


def thing_of_name(name: str) -> Any:
    """Give the function or the module itself."""
    found = _sent.get(name)
    if found is None:
        raise pickle.UnpicklingError("a function that it refers to is not there any more")
    return found
