"""Kernel handlers: what items logged and warned elsewhere goes through this process's own set-up.

Its loggers, filters and handlers, its warning filters and its record of what was shown decide
what becomes of it, as if the items had run here.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import sys
import types
import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple

from ..worker.arithmetic import Told
from ..worker.held_records import at_once
from ..worker.issued import LogCall, Variables
from ..worker.logging_setup import looks
from ..worker.warned import Warned


class Heard(NamedTuple):
    """A record that handlers of standard output and error have had."""

    record: logging.LogRecord
    variables: Variables = ()


Issued = LogCall | Warned | Heard | Told


def hear(call: LogCall, thread: tuple[int, str]) -> Issued | None:
    """Have the handlers of standard output and error take in a call; give what is left to do.

    None where that was all.  They aren't called where filters, or a record factory, must see
    records in order: then all of it is left.  `thread` is the one that a plain loop runs in.
    """
    logger = logging.getLogger(call.name)
    made_plainly = logging.getLogRecordFactory() is logging.LogRecord
    if call.path is not None or not made_plainly or looks(logger):
        return call
    if logger.disabled:
        return None
    handlers = _handlers(logger)
    record = call.record(thread)
    if not handlers:
        _call([logging.lastResort] if logging.lastResort is not None else [], record)
        return None
    now = [one for one in handlers if at_once(one)]
    with _having(call.variables):
        _call(now, record)
    return Heard(record, call.variables) if len(now) < len(handlers) else None


def handle(
    issued: Issued,
    namespace: dict[str, Any] | None = None,
    thread: tuple[int, str] | None = None,
) -> None:
    """Log, or warn, as the item would have done here.

    Parameters
    ----------
    issued : LogCall, Warned, Heard or Told
        What it logged or warned.
    namespace : dict or None
        The names of the code that isn't in a module, one of which is the registry of warnings
        that were shown; None for those of ``__main__``.
    thread : tuple or None
        The number and name of the thread that a plain loop would run in; None for this one.
    """
    if isinstance(issued, Warned):
        _warn(issued, vars(sys.modules["__main__"]) if namespace is None else namespace)
    elif isinstance(issued, Told):
        issued.take()
    elif isinstance(issued, Heard):
        logger = logging.getLogger(issued.record.name)
        with _having(issued.variables):
            _call([one for one in _handlers(logger) if not at_once(one)], issued.record)
    else:
        with _having(issued.variables):
            _log(issued, thread)


@contextlib.contextmanager
def _having(variables: Variables) -> Iterator[None]:
    """Have context variables be what the item has set them to."""
    tokens = [(variable, variable.set(value)) for variable, value in variables]
    try:
        yield
    finally:
        for variable, token in reversed(tokens):
            variable.reset(token)


def _log(call: LogCall, thread: tuple[int, str] | None) -> None:
    logger, record = logging.getLogger(call.name), call.record(thread)
    if call.path is None:
        logger.handle(record)
        return
    passed: Any = logger.filter(record)
    if passed and not logger.disabled:
        record = passed if isinstance(passed, logging.LogRecord) else record
        _call([one for name in call.path for one in logging.getLogger(name).handlers], record)


def _handlers(logger: logging.Logger) -> list[logging.Handler]:
    """Give the handlers that a record of this logger reaches."""
    found: list[logging.Handler] = []
    at: logging.Logger | None = logger
    while at is not None:
        found += at.handlers
        at = at.parent if at.propagate else None
    return found


def _call(handlers: list[logging.Handler], record: logging.LogRecord) -> None:
    for one in handlers:
        if record.levelno >= one.level:
            one.handle(record)


def _warn(warned: Warned, namespace: dict[str, Any]) -> None:
    scope = _scope(warned.filename, namespace)
    registry = scope.setdefault("__warningregistry__", {})
    name = scope.get("__name__") or "<string>"
    message = warned.message
    warnings.warn_explicit(message, type(message), warned.filename, warned.line, name, registry)


def _scope(filename: str, namespace: dict[str, Any]) -> dict[str, Any]:
    name = _module_of(filename, len(sys.modules))
    module = sys.modules.get(name) if name else None
    return namespace if module is None else vars(module)


@functools.lru_cache(256)
def _module_of(filename: str, modules: int) -> str:
    """Give the name of the module with that file, of so many that are loaded; "" for none."""
    for name, module in [*sys.modules.items()]:
        known = name != "__main__" and isinstance(module, types.ModuleType)
        if known and vars(module).get("__file__") == filename:
            return name
    return ""
