"""Issued: log records and warnings as bytes, packed in a worker and unpacked in the kernel."""

from __future__ import annotations

import logging
import pickle
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from typing import Any, NamedTuple

from ..serialize import pickling, returning
from .warned import Warned

_SIMPLE = {str, int, float, bool, bytes, type(None)}
_RECORD = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName", "exc_text"}
_OURS = "/nbexec/worker/"


Variables = Sequence[tuple[ContextVar[Any], Any]]


class LogCall(NamedTuple):
    """A call of a logger.

    Attributes
    ----------
    name : str
        The logger.
    facts : tuple
        Level, file, line, function, time, the stack, the asyncio task and the thread, where
        that isn't the item's.
    said : tuple
        Message, arguments and attributes of its own.
    error : tuple or None
        The exception, and its text where it can't be sent; None for both where one was asked
        for and there was none.
    path : list of str or None
        The loggers whose handlers take it in, where these aren't the usual ones.
    variables : sequence of tuple
        Context variables that the item has set, with their values: filters may look at them.
    """

    name: str
    facts: tuple[Any, ...]
    said: tuple[Any, Any, dict[str, Any]]
    error: tuple[BaseException | None, str | None] | None
    path: list[str] | None
    variables: Variables = ()

    def record(self, thread: tuple[int, str] | None = None) -> logging.LogRecord:
        """Make the record, as if the call had been made here.

        `thread` is the one that a plain loop would run in; None is this one.
        """
        level, file, line, function, created, stack, task, other = self.facts
        message, args, more = self.said
        if isinstance(args, Mapping):
            args = (args,)  # a record takes it out again
        error, text = self.error or (None, "")
        raised: Any = None if error is None else (type(error), error, error.__traceback__)
        if text is None:  # there was none
            raised = (None, None, None)
        make = logging.getLogRecordFactory()
        made = make(self.name, level, file, line, message, args, raised, function, stack)
        made.relativeCreated -= (made.created - created) * 1000
        made.created, made.msecs = created, int((created - int(created)) * 1000) + 0.0
        if task is not None:
            made.taskName = task
        ran_in = other or thread
        if ran_in is not None:
            made.thread, made.threadName = ran_in
        if text and error is None:
            made.exc_text = text
        vars(made).update(more)
        return made


def pack_record(
    record: logging.LogRecord,
    path: list[str] | None,
    thread: int,
    variables: Variables = (),
) -> bytes:
    """Pack a record.

    `path` are the loggers that it came through, where not all above it; `thread` is the item's,
    and so are the `variables`, of which those are left out that can't be sent.
    """
    pairs = [data for data in map(_dumped, variables) if data is not None]
    other = None if record.thread in (thread, None) else (record.thread, record.threadName)
    facts = (
        *(record.levelno, record.pathname, record.lineno, record.funcName, record.created),
        *(_own_frames(record.stack_info), getattr(record, "taskName", None), other),
    )
    more = {name: value for name, value in vars(record).items() if name not in _RECORD}
    said, sent = (record.msg, record.args, more), None
    if not is_simple(record.msg, record.args, more):
        said, sent = _objects(record, more)
    return pickle.dumps(("log", record.name, facts, said, sent, _error(record), path, pairs), 5)


def pack_warning(warned: Warned) -> bytes:
    """Pack a warning."""
    message = warned.message
    category = type(message)
    text = f"{category.__name__}: {message}"
    sent = _dumped(message)
    return pickle.dumps(("warning", sent, text, warned.filename, warned.line), 5)


def unpack(packed: bytes) -> Any:
    """Give what was packed: a `LogCall`, a `Warned`, or what `arithmetic` told."""
    sort, *parts = pickle.loads(packed)
    if sort == "arithmetic":
        return parts[0]
    if sort == "warning":
        sent, text, filename, line = parts
        message = _loaded(sent)
        if not isinstance(message, Warning):
            message = UserWarning(text)
        return Warned(message, filename, line)
    name, facts, (message, args, more), sent, error, path, pairs = parts
    if sent is not None:
        found = _loaded(sent[0])
        message, args = found if found is not None else (message, args)
        more = {**more, **{name: _loaded(data) for name, data in sent[1].items()}}
    if error is not None:
        data, text = error
        error = _exception(data), text
    variables = [pair for pair in map(_loaded, pairs) if pair is not None]
    return LogCall(name, facts, (message, args, more), error, path, variables)


def is_simple(message: Any, args: Any, more: dict[str, Any]) -> bool:
    """Whether a record's message, arguments and attributes are texts and numbers alone."""
    values = args.values() if type(args) is dict else args or ()
    parts = {type(message), *map(type, values), *map(type, more.values())}
    return parts <= _SIMPLE and type(args) in (tuple, dict, type(None))


def _objects(record: logging.LogRecord, more: dict[str, Any]) -> tuple[Any, Any]:
    """Give the text of a record with objects, and these where they can be sent."""
    try:
        text, args = record.getMessage(), None
    except Exception:  # it doesn't suit its arguments, which handlers will say
        text = record.msg if type(record.msg) is str else str(record.msg)
        given = record.args if isinstance(record.args, tuple) else (record.args,)
        args = tuple(map(repr, given))
    attributes, sent = {}, {}
    for name, value in more.items():
        data = None if type(value) in _SIMPLE else _dumped(value)
        if data is not None:
            sent[name] = data
        else:
            attributes[name] = value if type(value) in _SIMPLE else str(value)
    return (text, args, attributes), (_dumped((record.msg, record.args)), sent)


def _dumped(value: Any) -> bytes | None:
    """Pickle what can be, and be unpickled."""
    try:
        data = returning.dumps(value)
        pickling.loads(data)
    except Exception:
        return None
    return data


def _loaded(data: bytes | None) -> Any:
    try:
        return None if data is None else pickling.loads(data)
    except Exception:
        return None


def _error(record: logging.LogRecord) -> tuple[bytes | None, str | None] | None:
    """Pack the exception of a record, if it has one, and its text if that is all there is."""
    info = record.exc_info
    if not info or not isinstance(info, tuple):
        return (None, record.exc_text) if record.exc_text else None
    if info[1] is None:
        return None, None
    data = returning.dumps_error(info[1])
    return data, "" if data is not None else logging.Formatter().formatException(info)


def _exception(data: bytes | None) -> BaseException | None:
    try:
        return None if data is None else returning.loads_error(data)
    except Exception:
        return None


def _own_frames(stack: str | None) -> str | None:
    """Give a stack without the worker's own frames."""
    if stack is None or _OURS not in stack:
        return stack
    first, *lines = stack.split("\n")
    last = max(at for at, line in enumerate(lines) if _OURS in line)
    rest = next((at for at in range(last + 1, len(lines)) if lines[at].startswith("  File")), last)
    return "\n".join((first, *lines[rest:]))
