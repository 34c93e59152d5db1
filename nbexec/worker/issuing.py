"""Issuing: log records and warnings of items go to the kernel, whose handlers take them in.

While items run, an `Issuing` is current in their context.  What their loggers would hand to
their handlers is packed (see `issued`), and reported like output, in the order in which it came.
"""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Callable, Sequence
from contextvars import Context, ContextVar, copy_context
from typing import Any, NamedTuple, Protocol

from . import logging_setup
from .capture import Capture, Report, capturing
from .issued import pack_record, pack_warning
from .logging_setup import NEVER, HandlerSetup, HandlerStandIn, Logging, is_foreign
from .warned import Keeping, Warned

ISSUED = "issued"  # the stream of reports


class Receiver(Protocol):
    """Takes what was packed.

    `thread` is the one that items run in, `before` what context variables were before them.
    """

    @property
    def thread(self) -> int: ...

    @property
    def before(self) -> Context: ...

    def send(self, packed: bytes, /) -> None: ...


current: ContextVar[Receiver | None] = ContextVar("nbexec_issuing", default=None)
_latest: list[Receiver] = []  # of the chunks that run here: for threads that items began


class Issuing:
    """Reports what the items of a chunk log and warn, inside a `with` block.

    Parameters
    ----------
    values : sequence
        The chunk's results so far: its length is the offset of the item that runs.
    report : callable
        Reports for an item.
    setup : Logging
        The kernel's.

    Attributes
    ----------
    count : int
        How many reports there were.
    """

    def __init__(self, values: Sequence[Any], report: Report, setup: Logging) -> None:
        self.count = 0
        self.thread, self.before = threading.get_ident(), copy_context()
        self._values = values
        self._report = report
        self._keeping = Keeping(setup.filters, self)
        self._away = setup.home == getattr(logging_setup.setup_here, "home", None)

    def __enter__(self) -> Issuing:
        if self._away:  # else this is the kernel itself
            self._token = current.set(self)
            _latest.append(self)
            self._keeping.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        if self._away:
            self._keeping.__exit__()
            _latest.remove(self)
            current.reset(self._token)

    def append(self, warned: Warned) -> None:
        """Report a warning."""
        self.send(pack_warning(warned))

    def send(self, packed: bytes) -> None:
        """Report what was packed, after what the item wrote before that."""
        capture = capturing()
        if capture is not None:
            capture.flush()
        self.count += 1
        self._report(len(self._values), ISSUED, packed)


class Into:
    """Hands what is packed to a function, inside a `with` block, in this thread."""

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self.send = send
        self.thread, self.before = threading.get_ident(), copy_context()

    def __enter__(self) -> None:
        self._token = current.set(self)
        _latest.append(self)

    def __exit__(self, *error: object) -> None:
        _latest.remove(self)
        current.reset(self._token)


def log_as(setup: Logging) -> bool:
    """Set logging up as it is in the kernel, and relay records; give False in the kernel itself."""
    if not logging_setup.log_as(setup):
        return False
    manager = logging.root.manager
    if "getLogger" not in vars(manager):
        make = manager.getLogger

        def get(name: str) -> logging.Logger:
            logger = make(name)
            vars(logger).setdefault("handle", functools.partial(relay, logger))
            return logger

        manager.getLogger = get  # type: ignore[method-assign]  # of loggers to come, too
    for _, logger in logging_setup.loggers():
        vars(logger).setdefault("handle", functools.partial(relay, logger))
    return True


class Relayed(NamedTuple):
    """A packed record of an item of a run inside an item, which waits for its turn there."""

    receiver: Receiver
    packed: bytes

    def handle(self, captured: Capture) -> None:
        """Send it to the kernel, or have it wait in the run around that one."""
        if not captured.held(self):
            self.receiver.send(self.packed)


def receiver() -> Receiver | None:
    """Give what takes in what this thread's item logs; None in the kernel."""
    return current.get() or (_latest[-1] if _latest else None)


def relay(logger: logging.Logger, record: logging.LogRecord) -> None:
    """Do what `Logger.handle` does: call the handlers that items added, send to the others."""
    to_kernel = receiver()
    setup = logging_setup.setup_here
    if to_kernel is None or setup is None:
        type(logger).handle(logger, record)
        return
    if logger.disabled:
        return
    passed: Any = logger.filter(record)  # by filters that items added
    if not passed:
        return
    record = passed if isinstance(passed, logging.LogRecord) else record
    reached, others, path = _walk(logger, setup)
    for handler in others:
        if record.levelno >= handler.level:
            handler.handle(record)
    if _wanted(record, reached, bool(others), path, setup):
        way = None if path == _usual(logger, setup) else path
        sent = pack_record(record, way, to_kernel.thread, _set(to_kernel.before))
        around = capturing()
        if around is None or not around.held(Relayed(to_kernel, sent)):
            to_kernel.send(sent)


def _set(before: Context) -> list[tuple[ContextVar[Any], Any]]:
    """Give the context variables that the item has set: filters may look at them."""
    return [
        (variable, value)
        for variable, value in copy_context().items()
        if before.get(variable, before) is not value
        and not variable.name.startswith("nbexec_")
        and variable.name != "decimal_context"
    ]


def _walk(
    logger: logging.Logger, setup: Logging
) -> tuple[list[HandlerSetup], list[logging.Handler], list[str]]:
    """Give stand-ins that a record reaches, other handlers, and the loggers on its way."""
    reached: list[HandlerSetup] = []
    others: list[logging.Handler] = []
    path: list[str] = []
    at: logging.Logger | None = logger
    while at is not None:
        path.append(at.name)
        there = setup.loggers.get(at.name)
        beside = there.handlers if there is not None else ()
        for handler in at.handlers:
            if type(handler) is HandlerStandIn:
                reached.append(handler.setup)
            elif not is_foreign(handler, beside):
                others.append(handler)
        at = at.parent if at.propagate else None
    return reached, others, path


def _usual(logger: logging.Logger, setup: Logging) -> list[str]:
    """Give the loggers on the way of a record in the kernel."""
    path: list[str] = []
    at: logging.Logger | None = logger
    while at is not None:
        path.append(at.name)
        there = setup.loggers.get(at.name)
        at = at.parent if there is None or there.propagate else None
    return path


def _wanted(
    record: logging.LogRecord,
    reached: list[HandlerSetup],
    handled: bool,
    path: list[str],
    setup: Logging,
) -> bool:
    """Whether something in the kernel would take a record in, or look at it."""
    first = setup.loggers.get(path[0])
    if setup.looks or (first is not None and first.looks):
        return True
    if not reached:
        return not handled and record.levelno >= setup.last
    return any(record.levelno >= one.level != NEVER for one in reached)
