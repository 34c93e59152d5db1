"""Flags that a kernel raises for its workers: files, or messages where the files can't be seen."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable

MOST = 10_000  # messages that are kept; each is about a chunk or a run of some time ago

_told: dict[str, str] = {}  # by the path of the file that is not there


def raise_flag(path: str, text: str = "") -> None:
    """Make the file; whoever sees it sees the whole text."""
    begun = f"{path}.begun"
    with open(begun, "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(begun, path)


def tell(paths: Iterable[str], text: str = "") -> None:
    """Raise flags in this process alone: it is what a message has it do."""
    for path in paths:
        _told[path] = text
    with contextlib.suppress(KeyError, RuntimeError):  # another thread does the same
        while len(_told) > MOST:
            del _told[next(iter(_told))]


def is_raised(path: str) -> bool:
    """Whether a flag is raised.

    Examples
    --------
    >>> tell(["/nowhere/flag"], "no time")
    >>> is_raised("/nowhere/flag"), is_raised("/nowhere/other"), text_of("/nowhere/flag")
    (True, False, 'no time')
    """
    return path in _told or os.path.exists(path)


def text_of(path: str) -> str:
    """Give what a raised flag says; "" where it was taken down meanwhile."""
    if path in _told:
        return _told[path]
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError:
        return ""
