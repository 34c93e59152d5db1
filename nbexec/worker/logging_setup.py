"""Logging setup: how logging and warnings are set up in the kernel, which a worker takes on.

A worker has no handler of the kernel's but a stand-in for each, so that code that looks for
handlers finds them.  What items log goes to the kernel (see `issuing`), but for records that
nothing there would take in: levels are the kernel's, of loggers and of handlers.
"""

from __future__ import annotations

import contextlib
import logging
import operator
import sys
import threading
from collections.abc import Iterator
from types import FunctionType
from typing import Any, NamedTuple
from weakref import WeakSet

from ..system import subinterpreter
from .warned import Filters, filters_here

NEVER = sys.maxsize  # the level of a handler that does nothing
_OF_PYTHON = ("logging", "string", "warnings", "io", "os", "traceback", "re")
_OWN = {
    *("name", "level", "parent", "propagate", "handlers", "disabled", "filters", "manager"),
    *("root", "handle", "_cache"),
}


class HandlerSetup(NamedTuple):
    """A handler of the kernel's."""

    level: int
    sort: str  # the class in `logging` that it is of
    standard: bool  # whether it writes to standard output or error


class LoggerSetup(NamedTuple):
    """What is special about a logger of the kernel's."""

    level: int
    propagate: bool
    disabled: bool
    handlers: tuple[HandlerSetup, ...]
    looks: bool  # whether it has filters, or methods of its own, that see each record
    kind: type | None  # its class, where that isn't `logging.Logger`
    more: dict[str, Any]  # attributes of its own


_PLAIN = LoggerSetup(logging.NOTSET, True, False, (), False, None, {})


class Logging(NamedTuple):
    """How logging and warnings are set up in the kernel."""

    home: str  # the process
    disabled: int
    levels: dict[int, str]  # their names
    last: int  # level of the handler where there is no other
    looks: bool  # whether records are made by a function of the user's
    kind: type | None  # of loggers to come
    loggers: dict[str, LoggerSetup]
    filters: Filters
    methods: dict[str, Any]  # functions of the user's that `logging.Logger` was given
    functions: dict[str, Any]  # and those that `logging` was
    raises: bool = True  # whether handlers print what goes wrong in them


def logging_here() -> Logging:
    """Give how this process has logging and warnings set up."""
    found = {name: _setup_of(logger) for name, logger in loggers()}
    last, kind = logging.lastResort, logging.getLoggerClass()
    return Logging(
        _here(),
        logging.root.manager.disable,
        dict(logging._levelToName),
        NEVER if last is None else last.level,
        logging.getLogRecordFactory() is not logging.LogRecord,
        None if kind is logging.Logger else kind,
        {name: setup for name, setup in found.items() if setup != _PLAIN},
        filters_here(),
        _added(logging.Logger),
        _added(logging),
        logging.raiseExceptions,
    )


def without_objects(setup: Logging) -> Logging:
    """Give the same without what is the user's own, and may not be sent."""
    plain = {
        name: one._replace(kind=None, more={}, looks=one.looks or one.kind is not None)
        for name, one in setup.loggers.items()
    }
    return setup._replace(kind=None, loggers=plain, methods={}, functions={})


def has_objects(setup: Logging) -> bool:
    """Whether there is something of the user's own in it."""
    own = setup.kind is not None or bool(setup.methods or setup.functions)
    return own or any(one.kind or one.more for one in setup.loggers.values())


def loggers() -> Iterator[tuple[str, logging.Logger]]:
    """Give all loggers by name."""
    yield "root", logging.root
    for name, logger in [*logging.root.manager.loggerDict.items()]:
        if isinstance(logger, logging.Logger):  # else it only holds a place
            yield name, logger


def standard_stream(stream: Any) -> str:
    """Say which standard stream this is, "stdout" or "stderr"; "" for none."""
    for name in ("stdout", "stderr"):
        ours = getattr(sys, name)
        if ours is not None and stream in (ours, getattr(ours, "original", ours)):
            return name
    return ""


def looks(logger: logging.Logger) -> bool:
    """Whether a logger has filters, or methods of its own, that see each record."""
    kind = type(logger)
    own = {kind.handle.__module__, kind.callHandlers.__module__} != {logging.__name__}
    return bool(logger.filters) or own or "handle" in vars(logger)


_last_added: dict[int, tuple[list[str], list[Any], dict[str, Any]]] = {}


def _added(to: Any) -> dict[str, Any]:
    """Give the functions of the user's that a class or module was given, as for more levels.

    What makes records, and what hands them to handlers, is called in the kernel.
    """
    held = vars(to)
    names, values = [*held], [*held.values()]
    last = _last_added.get(id(to))
    if last is not None and last[0] == names and all(map(operator.is_, last[1], values)):
        return last[2]
    found = {
        name: value
        for name, value in zip(names, values, strict=True)
        if isinstance(value, FunctionType)
        and value.__module__ not in _OF_PYTHON
        and name not in ("handle", "callHandlers", "_logRecordFactory")
    }
    _last_added[id(to)] = names, values, found
    return found


def _setup_of(logger: logging.Logger) -> LoggerSetup:
    kind = type(logger)
    return LoggerSetup(
        logger.level,
        bool(logger.propagate),
        bool(logger.disabled),
        tuple(map(_handler_setup, logger.handlers)),
        looks(logger),
        None if kind in (logging.Logger, logging.RootLogger) else kind,
        {name: value for name, value in vars(logger).items() if name not in _OWN},
    )


def _handler_setup(handler: logging.Handler) -> HandlerSetup:
    bases = [one.__name__ for one in type(handler).__mro__ if one.__module__ == "logging"]
    level = NEVER if isinstance(handler, logging.NullHandler) else handler.level
    stream = getattr(handler, "stream", None)
    return HandlerSetup(level, bases[0] if bases else "Handler", bool(standard_stream(stream)))


def _here() -> str:
    return subinterpreter.worker()


# ---------------------------------------------------------------- in a worker


class HandlerStandIn(logging.Handler):
    """Stands for a handler of the kernel's: code that looks for it finds its like."""

    def __init__(self, setup: HandlerSetup) -> None:
        super().__init__(setup.level)
        self.setup = setup

    @property  # type: ignore[misc]  # what `isinstance` asks for
    def __class__(self) -> Any:
        return getattr(logging, self.setup.sort, HandlerStandIn)

    def handle(self, record: logging.LogRecord) -> bool:
        """Do nothing: the record goes to the kernel."""
        return True


setup_here: Logging | None = None  # taken on last; None in a kernel
_named: set[str] = set()  # loggers that were set up
_levels: dict[str, tuple[int, bool, bool]] = {}  # of all loggers then
_foreign: WeakSet[logging.Handler] = WeakSet()  # the worker's own, which aren't for items
_known: WeakSet[logging.Handler] = WeakSet()  # those, and handlers that items have added
_lock = threading.Lock()


def before_loading() -> None:
    """Note that handlers which are new by now were added by items."""
    for handler in _handlers():
        if setup_here is None:
            _foreign.add(handler)
        _known.add(handler)


def log_as(setup: Logging) -> bool:
    """Set logging up as it is in the kernel; in the kernel itself nothing is done: give False."""
    global setup_here
    if setup.home == _here():
        return False
    for handler in _handlers():  # of modules that were loaded for this run, in the kernel too
        if handler not in _known:
            _foreign.add(handler)
    _known.update(_foreign)
    with _lock:
        setup_here = setup
        _put_back_levels()
        logging.disable(setup.disabled)
        logging.raiseExceptions = setup.raises
        for level, name in setup.levels.items():
            logging.addLevelName(level, name)
        logging.setLoggerClass(setup.kind or logging.Logger)
        for name, value in setup.methods.items():
            setattr(logging.Logger, name, value)
        vars(logging).update(setup.functions)
        for name in _named - setup.loggers.keys():
            _take_on(name, _PLAIN)
        for name, one in setup.loggers.items():
            _take_on(name, one)
        _named.clear()
        _named.update(setup.loggers)
        _levels.clear()
        _levels.update((name, _level_of(logger)) for name, logger in loggers())
    return True


def _put_back_levels() -> None:
    """Undo what items have set of loggers since."""
    for name, logger in loggers():
        before = _levels.get(name)
        if before is not None and before != _level_of(logger):
            logger.setLevel(before[0])
            logger.disabled, logger.propagate = before[1:]


def _level_of(logger: logging.Logger) -> tuple[int, bool, bool]:
    return logger.level, logger.disabled, logger.propagate


def is_foreign(handler: logging.Handler, beside: tuple[HandlerSetup, ...]) -> bool:
    """Whether a handler is not for items: the worker's, or one that the kernel has, `beside` it."""
    if handler in _foreign:
        return True
    if handler in _known or not standard_stream(getattr(handler, "stream", None)):
        return False
    return any(one.standard for one in beside)  # of a module that an item imported


def _handlers() -> list[logging.Handler]:
    found = [handler for _, logger in loggers() for handler in logger.handlers]
    return [one for one in found if type(one) is not HandlerStandIn]


def _take_on(name: str, setup: LoggerSetup) -> None:
    logger = logging.getLogger(name)
    if setup.kind is not None and type(logger) is not setup.kind:
        with contextlib.suppress(TypeError):  # another layout
            logger.__class__ = setup.kind
    vars(logger).update(setup.more)
    logger.setLevel(setup.level)
    logger.propagate, logger.disabled = setup.propagate, setup.disabled
    others = [one for one in logger.handlers if type(one) is not HandlerStandIn]
    logger.handlers[:] = [*map(HandlerStandIn, setup.handlers), *others]
