"""Child processes of items: multiprocessing in a worker, as it is in the kernel.

A worker is itself a child of multiprocessing, started in a way that its own children would
take for theirs.  And the functions and classes of the user's script or notebook, which a
worker has by value, can't be imported by the children: they get them by value, too.
"""

from __future__ import annotations

import contextlib
import sys
import types
from collections.abc import Iterator
from typing import Any


def start_method() -> str | None:
    """Give what the user has set as the way to start processes; None where nothing was."""
    context = sys.modules.get("multiprocessing.context")  # where it isn't loaded, nothing was
    return context._default_context.get_start_method(allow_none=True) if context else None


def allow(method: str | None) -> None:
    """Have multiprocessing start children by `method`, and send them what can't be imported."""
    import multiprocessing

    multiprocessing.set_start_method(method, force=True)
    _send_by_value()


@contextlib.contextmanager
def permitted() -> Iterator[None]:
    """Let a daemon of multiprocessing start processes, which are no daemons themselves.

    It may not, since it is killed without a word, and leaves its children behind.  Ours see
    when it is gone, and end.
    """
    from multiprocessing import process

    config: dict[str, Any] = process.current_process()._config  # type: ignore[attr-defined]
    daemon = config.pop("daemon", None)
    try:
        yield
    finally:
        if daemon is not None:
            config["daemon"] = daemon


def _send_by_value() -> None:
    from multiprocessing import reduction

    reduction.ForkingPickler.reducer_override = _reduce  # type: ignore[method-assign]


def _reduce(pickler: object, thing: Any) -> Any:
    """Reduce a function or class of the user's that children would not find by its name."""
    if not isinstance(thing, type | types.FunctionType) or _found(thing):
        return NotImplemented
    import cloudpickle

    return _arrived, (cloudpickle.dumps(thing),)


def _found(thing: Any) -> bool:
    """Whether `thing` is found by its name, or would not be in a plain loop either."""
    found: Any = sys.modules.get(thing.__module__)
    if found is not None and thing.__module__ != "__main__":
        return True
    for name in thing.__qualname__.split("."):
        if name.startswith("<"):
            return True
        found = getattr(found, name, None)
    return found is thing


def _arrived(packed: bytes) -> Any:
    """Unpack it in a child, which sends such things back in the same way."""
    import cloudpickle

    _send_by_value()
    return cloudpickle.loads(packed)
