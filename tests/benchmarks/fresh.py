"""What must be measured in a Python of its own: first calls, and memory."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

LOOK = 0.02  # seconds

# What was installed has been compiled, and so have the peers: our modules are after the first try.
COMPILED = {name: it for name, it in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def python(code: str) -> subprocess.CompletedProcess[str]:
    """Run `code` in a new Python."""
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, env=COMPILED)


def fresh(code: str) -> float:
    """Run `code` in a new Python, and give the number that it prints last."""
    done = python(code)
    if done.returncode:
        raise RuntimeError(f"{code!r} failed: {done.stderr}")
    return float(done.stdout.split()[-1])


def of_workers(sort: str) -> int:
    """Give the bytes of all processes below this one, as smaps_rollup has them.

    "Pss" is all, and of what is shared each has its share; "Pss_Anon" is what no file has.
    """
    import psutil

    return sum(_bytes(sort, process.pid) for process in psutil.Process().children(recursive=True))


def _bytes(sort: str, pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:  # it has ended
        return 0
    return sum(1024 * int(line.split()[1]) for line in lines if line.startswith(f"{sort}:"))


@contextmanager
def peak(read: Callable[[], int]) -> Iterator[list[int]]:
    """Read every now and then; the list has the largest."""
    found, over = [read()], threading.Event()

    def watch() -> None:
        while not over.wait(LOOK):
            found[0] = max(found[0], read())

    watching = threading.Thread(target=watch)
    watching.start()
    yield found
    over.set()
    watching.join()
    found[0] = max(found[0], read())
