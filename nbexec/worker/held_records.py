"""Held records: what items log in the kernel's own threads waits for their turn, as elsewhere.

While a run's items are in threads or on an event loop, the handlers that were there when it began
hand records of items to the run, which calls them in the order of the items.  Handlers of standard
output and error, and those that items add, are called at once.
"""

from __future__ import annotations

import contextlib
import copy
import logging
import threading
from collections import Counter
from collections.abc import Iterator
from contextvars import Context, copy_context
from typing import Any, NamedTuple

from ..system import after_fork
from . import capture
from .issued import is_simple
from .logging_setup import HandlerStandIn, loggers, standard_stream

_OWN = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"}
_lock = threading.Lock()
_following: Counter[logging.Handler] = Counter()  # runs that have it
after_fork.renew(_lock)


class HeldRecord(NamedTuple):
    """A record on its way to a handler, and the context that it was logged in."""

    handler: logging.Handler
    record: logging.LogRecord
    context: Context

    def handle(self, captured: capture.Capture) -> None:
        """Have the handler take it in; what that writes belongs to `captured`."""
        self.context.copy().run(self._handle, captured)

    def _handle(self, captured: capture.Capture) -> None:
        capture.current.set(captured)
        self.handler.handle(self.record)  # which hands it on to a run around this one


@contextlib.contextmanager
def holding() -> Iterator[None]:
    """Have handlers hand over the records of items that are to wait, inside a `with` block."""
    found = [
        handler
        for handler in {one for _, logger in loggers() for one in logger.handlers}
        if type(handler) is not HandlerStandIn and not at_once(handler)
    ]
    with _lock:
        for handler in found:
            if not _following[handler] and "handle" not in vars(handler):
                vars(handler)["handle"] = _Hold(handler)
            _following[handler] += 1
    try:
        yield
    finally:
        with _lock:
            for handler in found:
                _following[handler] -= 1
                if not _following[handler]:
                    del _following[handler]
                    if isinstance(vars(handler).get("handle"), _Hold):
                        del vars(handler)["handle"]


def at_once(handler: logging.Handler) -> bool:
    """Whether a handler writes to standard output or error, and sees records in any order."""
    if handler.filters or not isinstance(handler, logging.StreamHandler):
        return False
    return bool(standard_stream(handler.stream))


class _Hold:
    """The method `handle` of a handler, while a run holds records."""

    def __init__(self, handler: logging.Handler) -> None:
        self._handler = handler

    def __call__(self, record: logging.LogRecord) -> Any:
        handler, around = self._handler, capture.current.get()
        if around is not None and around.hold is not None:
            held = HeldRecord(handler, _frozen(record), copy_context())
            if around.held(held):
                return record
        return type(handler).handle(handler, record)

    def __reduce__(self) -> Any:  # of a copy of the handler
        return getattr, (self._handler, "handle")


def _frozen(record: logging.LogRecord) -> logging.LogRecord:
    """Give a record that says what it says now, whatever becomes of its arguments."""
    more = {name: value for name, value in vars(record).items() if name not in _OWN}
    if is_simple(record.msg, record.args, more):
        return record
    made = copy.copy(record)
    try:
        made.msg, made.args = copy.deepcopy((record.msg, record.args))
    except Exception:
        with contextlib.suppress(Exception):  # if it doesn't suit its arguments, handlers say so
            made.msg, made.args = record.getMessage(), None
    for name, value in more.items():
        with contextlib.suppress(Exception):
            vars(made)[name] = copy.deepcopy(value)
    return made
