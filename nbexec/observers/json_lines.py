"""JsonLines: writes the events of runs to a file, a JSON object a line."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import BinaryIO

from ..telemetry.event_rows import rows
from ..telemetry.events import Event, Finished, Retried, RunEnded
from ..telemetry.observer import WatchedRun
from ..telemetry.tries import Tries

_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


class JsonLines:
    """Write each event of a run to a file, as a line of JSON: for ``on_event=``.

    Lines are appended, each whole and at once, so that several runs may write to one file. An
    event of a chunk of items has a line for each item. A line has ``event``, ``run`` (the run's
    id) and ``time`` (ISO 8601, UTC); with ``item``, ``status``, ``seconds``, ``worker``,
    ``error`` (the name of its type) and so on where they apply. No item, value or message of an
    exception is written.

    Parameters
    ----------
    path : str or path
        The file; it is made where there is none.

    Raises
    ------
    OSError
        The file can't be written. Where that happens later, the run goes on without it.

    Examples
    --------
    >>> import json, nbexec, os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "run.jsonl")
    >>> nbexec.map(abs, [-1, 2], on_event=nbexec.JsonLines(path), progress="off")
    [1, 2]
    >>> with open(path, encoding="utf-8") as file:
    ...     lines = [json.loads(line) for line in file]
    >>> [line["item"] for line in lines if line["event"] == "finished"]
    [0, 1]
    """

    __module__ = "nbexec"

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = os.path.abspath(path)
        self._open().close()  # what is wrong with it is said here

    def __repr__(self) -> str:
        return f"JsonLines({self._path!r})"

    def _open(self) -> BinaryIO:
        return open(self._path, "ab", buffering=0)

    def watch(self, run: WatchedRun) -> Callable[[Event], None]:
        """Give what writes the events of this run."""
        return _Lines(run.id, self._open()).write


class _Lines:
    """The lines of one run."""

    def __init__(self, run: str, file: BinaryIO) -> None:
        self._run = run
        self._file = file
        self._tries = Tries()
        self._offset: float | None = None  # Unix time less the run's clock

    def write(self, event: Event) -> None:
        """Write an event's lines in one step, and close the file after the last event."""
        if self._offset is None:
            self._offset = time.time() - event.time
        when = datetime.fromtimestamp(event.time + self._offset, UTC).isoformat()
        about = {"time": when, "run": self._run}
        if isinstance(event, Retried):
            self._tries.add(event)
        tries = self._tries.among(event) if isinstance(event, Finished) else ()
        lines = "".join(_encode(about | row) + "\n" for row in rows(event, tries))
        written = False
        try:
            self._file.write(lines.encode("utf-8", "backslashreplace"))
            written = True
        finally:
            if isinstance(event, RunEnded) or not written:  # who raises is given no further event
                self._file.close()
