"""Capture: output and progress of the items of a chunk, and whether they are still wanted.

A `Capture` stands for one chunk at a worker.  The streams in `streams` write to the one
that is current in their context; it reports their text line by line.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Any

from ..errors import OptionError
from ..system import after_fork

HEAD = 64_000  # characters of an item's output that are reported at once; more floods the kernel
TAIL = 64_000  # characters of its end that are reported when the item has ended
LINE = 4_000  # characters; a longer line is reported in pieces
WORDS = 200  # characters of the text of `progress`

Report = Callable[[int, str, Any], None]  # offset in the chunk, a stream or "progress", content

current: ContextVar[Capture | None] = ContextVar("nbexec_capture", default=None)
_making = threading.Lock()
one_at_a_time = False  # whether this process runs one chunk at a time and nothing else
of_process: Capture | None = None  # then also for threads that a task has started
kept_by_children = False  # whether the reports of a forked child reach the kernel from here


def _forget() -> None:
    """Have a forked child of a kernel belong to no item: nobody takes in its reports."""
    global _making, of_process
    _making = threading.Lock()
    if not kept_by_children:
        of_process = None
        current.set(None)
    capture = capturing()
    while capture is not None:
        capture.after_fork()
        capture = capture.outer


after_fork.add(_forget)


def capturing() -> Capture | None:
    """Give the capture of the item that this code belongs to."""
    return current.get() or of_process


class Clip:
    """Clips output that is very long: its start and its end are kept."""

    __slots__ = ("_dropped", "_kept", "_room", "_tail")

    def __init__(self) -> None:
        self._room = HEAD
        self._tail: deque[tuple[str, str]] = deque()
        self._kept = 0  # characters in that
        self._dropped = 0

    def now(self, stream: str, text: str) -> str:
        """Take in some text; give the part of it to report now."""
        if len(text) <= self._room:
            self._room -= len(text)
            return text
        now, later = text[: self._room], text[self._room :]
        self._room = 0
        self._tail.append((stream, later[-TAIL:]))
        self._kept += len(self._tail[-1][1])
        self._dropped += len(later)
        while self._kept - len(self._tail[0][1]) >= TAIL:
            self._kept -= len(self._tail.popleft()[1])
        return now

    def rest(self) -> list[tuple[str, str]]:
        """Give the text to report at the end: pairs of a stream and a text."""
        left_out = self._dropped - self._kept
        note = [("stderr", f"\n… {left_out:,} characters left out …\n")] if left_out else []
        return [*note, *self._tail]


class Capture:
    """The output and progress of the items of one chunk.

    Parameters
    ----------
    values : sequence
        The chunk's results so far: its length is the offset of the item that runs.
    report : callable
        Called with the offset, "stdout", "stderr" or "progress", and the text (or the
        fraction and the text), from any thread.
    wanted : callable
        Whether the items are still wanted.
    passthrough : bool
        Whether text also goes where it would have gone without nbexec.

    Attributes
    ----------
    wait : callable or None
        Waits for so many seconds at most, or until the item is not wanted; gives whether that is.
    awaits : bool
        Whether the item is a coroutine.
    hold : callable or None
        Called with the offset and a record of the log that is to wait for its item's turn; gives
        whether it does.
    """

    __slots__ = (
        *("_clip", "_lines", "_lock", "_offset", "_report", "_values"),
        *("awaits", "hold", "outer", "passthrough", "wait", "wanted"),
    )

    def __init__(
        self,
        values: Sequence[Any],
        report: Report,
        wanted: Callable[[], bool] = lambda: True,
        passthrough: bool = False,
    ) -> None:
        global of_process
        self.wanted = wanted
        self.wait: Callable[[float], bool] | None = None
        self.awaits = False
        self.passthrough = passthrough
        self.outer = capturing() if passthrough else None  # of the item that runs the run
        if one_at_a_time:
            of_process = self
        self.hold: Callable[[int, Any], bool] | None = None
        self._values = values
        self._report = report
        self._lock: Any = None  # most chunks have no output, and make none
        self._offset = -1

    def after_fork(self) -> None:
        """Have a lock that nobody holds: this is a forked child."""
        self._lock = None

    def held(self, record: Any) -> bool:
        """Have a record of an item wait for its turn, after what the item wrote; or give False."""
        if self.hold is None:
            return False
        self.flush()
        return self.hold(len(self._values), record)

    def within(self) -> Callable[[int, Any], bool] | None:
        """Give what a run inside an item calls to have a record wait for that item's turn."""
        return None if self.hold is None else lambda _, record: self.held(record)

    def _begin(self, offset: int) -> None:
        self.end()
        self._offset = offset
        self._lines: dict[str, str] = {}  # incomplete, by stream
        self._clip = Clip()

    def write(self, stream: str, text: str) -> None:
        """Take in output of an item; whole lines are reported at once."""
        with self._locked():
            offset = len(self._values)
            if offset != self._offset:
                self._begin(offset)
            text = self._lines.pop(stream, "") + text
            end = max(text.rfind("\n"), text.rfind("\r")) + 1
            if len(text) - end > LINE:
                end = len(text)
            if end:
                self._write_out(stream, text[:end])
            if end < len(text):
                self._lines[stream] = text[end:]

    def _locked(self) -> Any:
        if self._lock is None:
            with _making:
                self._lock = self._lock or threading.RLock()
        return self._lock

    def flush(self) -> None:
        """Report incomplete lines, too."""
        if self._offset < 0:
            return
        with self._locked():
            lines, self._lines = self._lines, {}
            for stream, text in lines.items():
                self._write_out(stream, text)

    def _write_out(self, stream: str, text: str) -> None:
        now = self._clip.now(stream, text)
        if now:
            self._report(self._offset, stream, now)

    def begun(self) -> None:
        """Report that the item begins."""
        self._report(len(self._values), "begun", "")

    def progress(self, fraction: float | None, text: str) -> None:
        """Report how far the item is."""
        self._report(len(self._values), "progress", (fraction, text[:WORDS]))

    def end(self) -> None:
        """Report the text that was held back of the item that ended."""
        if self._offset < 0:
            return
        with self._lock:
            self.flush()
            for stream, text in self._clip.rest():
                self._report(self._offset, stream, text)
            self._offset = -1


def progress(fraction: float | None = None, text: str = "") -> None:
    """Show how far the item is that calls this; outside of a task it does nothing.

    Parameters
    ----------
    fraction : float or None
        From 0 to 1; None where it isn't known.
    text : str
        A few words: "epoch 3".

    Raises
    ------
    OptionError
        `fraction` is not a number from 0 to 1.

    Examples
    --------
    >>> import nbexec
    >>> def train(epochs):
    ...     for epoch in range(epochs):
    ...         nbexec.progress(epoch / epochs, f"epoch {epoch}")
    ...     return epochs
    >>> nbexec.map(train, [2, 3], progress="off")
    [2, 3]
    """
    if fraction is not None and not (isinstance(fraction, (int, float)) and 0 <= fraction <= 1):
        raise OptionError(f"progress() takes a fraction from 0 to 1, or None, not {fraction!r}")
    capture = capturing()
    if capture is not None:
        capture.progress(None if fraction is None else float(fraction), str(text))


def cancelled() -> bool:
    """Say whether the item that calls this is no longer wanted, so that it may stop early.

    True once its run was cancelled, interrupted or stopped by a failure or its deadline, and
    for an item that was left behind by a ``timeout``.  What the item gives after that is
    kept if it comes at once.  Outside of a task it is False.

    Examples
    --------
    >>> import nbexec
    >>> def search(limit):
    ...     for n in range(limit):
    ...         if nbexec.cancelled():
    ...             break
    ...     return n
    >>> nbexec.map(search, [3, 5], progress="off")
    [2, 4]
    """
    capture = capturing()
    return capture is not None and not capture.wanted()
