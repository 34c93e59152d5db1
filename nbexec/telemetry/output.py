"""Outputs: the output of a run's items, by item."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping

from .events import Output

KEPT = 20_000_000  # characters a run; the rest is only counted


class Outputs(Mapping[int, str]):
    """Output of each item: text by the item's index, in the order of the items.

    It has a task's prints, logging and warnings, and the output of C code and child processes
    if the task runs in a process of its own.  Of very long output the start and the end are
    kept.  Where several items travelled together, output from C is under the first of them.

    Attributes
    ----------
    left_out : int
        Characters that were dropped, since the run wrote too much.

    Examples
    --------
    >>> import nbexec
    >>> run = nbexec.map(lambda x: print("got", x), [7, 8], backend="serial", progress="off").run
    got 7
    got 8
    >>> run.output[1]
    'got 8\\n'
    >>> print(run.output, end="")
    got 7
    got 8
    """

    __module__ = "nbexec"

    def __init__(self) -> None:
        self.left_out = 0
        self._texts: dict[int, list[str]] = {}
        self._earlier: dict[int, int] = {}  # how many of these are of earlier attempts
        self._room = KEPT
        self._lock = threading.Lock()

    def add(self, output: Output) -> None:
        """Add an item's output."""
        text = output.text[: self._room]
        with self._lock:
            self._room -= len(text)
            self.left_out += len(output.text) - len(text)
            if text:
                self._texts.setdefault(output.first, []).append(text)

    def keep(self, index: int) -> None:
        """Note that an item is tried again: what it wrote so far stays."""
        self._earlier[index] = len(self._texts.get(index, ()))

    def forget(self, index: int) -> None:
        """Drop what an item wrote in its latest attempt, which doesn't count."""
        with self._lock:
            texts, kept = self._texts.get(index, []), self._earlier.get(index, 0)
            self._room += sum(map(len, texts[kept:]))
            del texts[kept:]
            if not texts:
                self._texts.pop(index, None)

    def __getitem__(self, index: int) -> str:
        with self._lock:
            return "".join(self._texts[index])

    def __iter__(self) -> Iterator[int]:
        with self._lock:
            return iter(sorted(self._texts))

    def __len__(self) -> int:
        return len(self._texts)

    def __str__(self) -> str:
        """Give all of it, in the order of the items."""
        texts = [self[index] for index in self]
        if self.left_out:
            texts.append(f"… {self.left_out:,} characters more were not kept …\n")
        return "".join(texts)

    def __repr__(self) -> str:
        return f"<Outputs of {len(self):,} items>"
