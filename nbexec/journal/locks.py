"""Locks: two runs of one function never write to a journal at once."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import threading
import time
from pathlib import Path

from ..errors import JournalError
from ..system import after_fork
from .code_fingerprint import differences

FAR = 60.0  # seconds without a heartbeat, after which a run on another machine counts as dead

going: set[str] = set()  # runs of this process that write a journal now
starting = threading.Lock()
after_fork.renew(starting)
after_fork.add(going.clear)


def refuse_second(do: sqlite3.Connection, path: Path, function: bytes) -> None:
    """Raise a `JournalError` if another run of the same function is writing to the file."""
    others = do.execute(
        "SELECT id, name, began, seen, host, pid, born FROM runs "
        "WHERE function = ? AND ended IS NULL",
        (function,),
    ).fetchall()
    for id, name, began, seen, host, pid, born in others:
        if is_going(id, seen, host, pid, born):
            where = "this kernel" if pid == os.getpid() else f"process {pid} on {host}"
            raise JournalError(
                f"{path} is in use: {where} has been running `{name}` since "
                f"{clock(began)}. Wait until that has ended, or give checkpoint= another path"
            )


def changed_parts(
    do: sqlite3.Connection, name: str, parts: dict[str, str]
) -> tuple[list[str], float] | None:
    """Give what changed of a function since it last ran, and when that was; None if it didn't."""
    last = do.execute(
        "SELECT functions.parts, runs.began FROM runs JOIN functions "
        "ON runs.function = functions.digest WHERE runs.name = ? "
        "ORDER BY runs.began DESC LIMIT 1",
        (name,),
    ).fetchone()
    return None if last is None else (differences(json.loads(last[0]), parts), last[1])


def what_changed(do: sqlite3.Connection, name: str, parts: dict[str, str]) -> str:
    """Say which parts of a function changed since it last ran; "" if it never did."""
    found = changed_parts(do, name, parts)
    if found is None:
        return ""
    changed, began = found
    if name == "<lambda>" and "its code" in changed:
        return ""  # another one, more likely
    what = ", ".join(changed[:3]) or "Python's version"
    more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
    return f"`{name}` changed since {clock(began)}, so all of it runs: {what}{more}"


def is_going(id: str, seen: float, host: str, pid: int, born: float) -> bool:
    """Whether the process of a run without an end is alive."""
    if host != socket.gethostname():
        return time.time() - seen < FAR
    if pid == os.getpid():
        return id in going
    import psutil

    try:
        return bool(abs(psutil.Process(pid).create_time() - born) < 2.0)
    except psutil.Error:
        return False


def here() -> tuple[str, int, float]:
    """Identify this process: host, pid, and the time it began."""
    import psutil

    return socket.gethostname(), os.getpid(), psutil.Process().create_time()


def clock(moment: float) -> str:
    """Format a moment: the time, and the day if it was not today."""
    then = time.localtime(moment)
    today = time.localtime()[:3] == then[:3]
    return time.strftime("%H:%M" if today else "%d %b %Y %H:%M", then)
