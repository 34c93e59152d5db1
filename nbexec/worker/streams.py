"""Standard output and error that know which item writes to them."""

from __future__ import annotations

import contextlib
import io
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

from ..system import after_fork
from . import capture as captured
from .capture import Capture, capturing

NAMES = ("stdout", "stderr")

_display: Callable[[Any, str], None] | None = None  # writes to a stream, above what is drawn


class Router(io.TextIOBase):
    """In place of a standard stream: an item's text goes to its capture, other text through."""

    def __init__(self, name: str, original: Any) -> None:
        self._name = name
        self.original = original

    def write(self, text: str) -> int:
        captures, passthrough = _captures()
        if passthrough:
            # raises what is to be raised where it is no text
            if _display is None or not text:
                self.original.write(text)
            else:
                _display(self.original, text)
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        for capture in captures:
            capture.write(self._name, text)
        return len(text)

    def flush(self) -> None:
        captures, passthrough = _captures()
        if passthrough:
            self.original.flush()
        for capture in captures:
            capture.flush()

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return _captures()[1] and bool(self.original.isatty())

    def fileno(self) -> int:
        return int(self.original.fileno())

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return getattr(self.original, "encoding", None) or "utf-8"

    @property
    def errors(self) -> str | None:  # type: ignore[override]
        return getattr(self.original, "errors", None)

    @property
    def buffer(self) -> Any:
        """Where bytes are written."""
        return self.original.buffer if capturing() is None else _Bytes(self)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.original, name)

    def close(self) -> None:
        """Stay open: it is everybody's."""


def _captures() -> tuple[list[Capture], bool]:
    """Give the captures that take this text, and whether it goes to the stream itself, too.

    The output of an item of a serial run goes where it would go without that run: within an
    item of another run, to that item.
    """
    captures: list[Capture] = []
    capture = capturing()
    while capture is not None:
        captures.append(capture)
        if not capture.passthrough:
            return captures, False
        capture = capture.outer
    return captures, True


class _Bytes(io.RawIOBase):
    def __init__(self, router: Router) -> None:
        self._router = router

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._router.write(bytes(data).decode("utf-8", "replace"))
        return len(data)


_lock = threading.Lock()
_users = 0


# Kept after `remove`, and used again: a `print` in another thread may still write to one.  Pythons
# before the mend of CPython's issue 130163 hold no reference to it then, and would crash.
_routers: dict[str, Router] = {}


def _router(name: str, stream: Any) -> Router:
    known = _routers.get(name)
    if known is None or known.original is not stream:
        known = _routers[name] = Router(name, stream)
    return known


def _forget() -> None:
    """Have a forked child of a kernel write where it would have written without us."""
    global _lock, _users, _display
    _lock = threading.Lock()
    if not captured.kept_by_children:
        _users, _display = 0, None
        _put_back()


after_fork.add(_forget)


def install() -> None:
    """Route the standard streams; each call needs its `remove`."""
    global _users
    with _lock:
        _users += 1
        for name in NAMES:
            stream = getattr(sys, name)
            if stream is not None and not isinstance(stream, Router):
                router = _router(name, stream)
                setattr(sys, name, router)
                _redirect(stream, router)


def give_way(display: Callable[[Any, str], None] | None) -> None:
    """Have what goes through written by `display(stream, text)`: it draws in the terminal."""
    global _display
    _display = display


def remove() -> None:
    """Undo an `install`: the last one puts the streams back that were there."""
    global _users
    with _lock:
        _users -= 1
        if not _users:
            _put_back()


def _put_back() -> None:
    for name in NAMES:
        router = getattr(sys, name)
        if isinstance(router, Router):  # else somebody has set another meanwhile
            setattr(sys, name, router.original)
            _redirect(router, router.original)


@contextlib.contextmanager
def routed() -> Iterator[None]:
    """Route the standard streams for a while."""
    install()
    try:
        yield
    finally:
        remove()


def _handlers() -> Iterator[Any]:
    """Give the handlers of all loggers that write to a stream."""
    for logger in (logging.root, *logging.root.manager.loggerDict.values()):
        for handler in getattr(logger, "handlers", ()):  # none where it only holds a place
            if isinstance(handler, logging.StreamHandler) and hasattr(handler, "stream"):
                yield handler


def _redirect(old: Any, new: Any) -> None:
    """Have the logging handlers that write to `old` write to `new`."""
    for handler in _handlers():
        if handler.stream is old:
            handler.setStream(new)
