"""Functions that the suites have called in workers, which import them from here by name."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

from ..worker.capture import cancelled

LONGEST = 60.0  # seconds until a call that waits for a file gives up

_of_this_thread = threading.local()
_of_this_process: list[object] = []


class Complaint(Exception):
    """An exception with arguments, an attribute and a note."""


class Argument:
    """An argument that may be referred to weakly."""


def given(*args: Any, **kwargs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Give what it was called with."""
    return args, kwargs


def square(x: int) -> int:
    """Give the square of a number."""
    return x * x


def fail(text: str) -> None:
    """Raise."""
    error = Complaint(text, 7)
    error.code = 42  # type: ignore[attr-defined]
    error.add_note("a note of the function's")
    raise error


def fail_on_odd(x: int) -> int:
    """Raise for odd numbers, and give even ones."""
    if x % 2:
        raise ValueError(f"odd: {x}")
    return x


def throw(error: BaseException) -> None:
    """Raise an exception that was made elsewhere."""
    raise error


def give(value: Any) -> Any:
    """Give the value."""
    return value


def kind_of(value: object) -> str:
    """Name its type."""
    return type(value).__name__


def once(folder: Path, name: object) -> object:
    """Give `name`; a second call for the same name raises FileExistsError."""
    (folder / str(name)).open("x").close()
    return name


def wait_for(path: Path) -> str:
    """Wait until there is a file, and give its name."""
    due = time.monotonic() + LONGEST
    while not path.exists():
        if time.monotonic() > due:
            raise TimeoutError(f"nobody made {path.name} within {LONGEST:g} s")
        time.sleep(0.005)
    return path.name


def wait_while_wanted(path: Path) -> str:
    """Do the same, but end where the item is not wanted any more."""
    while not (path.exists() or cancelled()):
        time.sleep(0.005)
    return path.name


def begin_and_wait(begun: Path, go: Path) -> str:
    """Say that it began, by a file, and wait for another one."""
    begun.touch()
    return begun.name if wait_for(go) else ""


def meet(own: Path, others: Path) -> str:
    """Wait for another call that waits for this one."""
    return begin_and_wait(own, others)


def note(path: Path, line: object) -> None:
    """Append a line to a file."""
    with path.open("a") as file:
        file.write(f"{line}\n")


def span(_: object) -> tuple[float, float]:
    """Give when it began and ended, by the clock of this machine."""
    begun = time.monotonic()
    time.sleep(0.002)
    return begun, time.monotonic()


def most_at_once(spans: list[tuple[float, float]]) -> int:
    """Give how many of the spans overlapped at most."""
    edges = sorted([(begin, 1) for begin, _ in spans] + [(end, -1) for _, end in spans])
    now = most = 0
    for _, step in edges:
        now += step
        most = max(most, now)
    return most


def die() -> None:
    """End this process without a word."""
    if hasattr(signal, "SIGKILL"):
        os.kill(os.getpid(), signal.SIGKILL)
    os._exit(3)


def prepare_worker(value: object) -> None:
    """Be an initializer."""
    _of_this_thread.prepared = [*getattr(_of_this_thread, "prepared", []), value]
    _of_this_process.append(value)


def prepared(value: object) -> int:
    """Give how many initializers had this value in this process."""
    return _of_this_process.count(value)


def prepared_thread() -> list[object]:
    """Give the values that initializers had in this thread."""
    return getattr(_of_this_thread, "prepared", [])


async def awaited(x: int) -> int:
    """Be a coroutine function."""
    import asyncio

    await asyncio.sleep(0)
    return 2 * x
