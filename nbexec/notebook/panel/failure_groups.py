"""FailureGroups: failures by exception type and place, with counts and items."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ...model import Failure
from ...telemetry import wording

GROUPS = 50  # kept apart
ITEMS = 3  # named by a group
LOOKED_AT = 20_000  # failures; the others are only counted
AT_ONCE = 1_000  # failures that are added in one call: some 10 ms
TRACEBACK = 6_000  # characters
TYPE_LIMIT = 50  # characters
ITEM_LIMIT = 80  # characters of an item's repr

_FRAME = re.compile(r'^ *File "(.*)", line (\d+), in (.*)$', re.MULTILINE)
_OURS = re.compile(r"[/\\]nbexec[/\\]worker[/\\]\w+\.py$")
_ROW = dict[str, Any]


@dataclass
class FailureGroup:
    """Failures of one type and one place."""

    type: str
    place: str
    message: str
    traceback: str
    count: int = 0
    items: list[tuple[int, str]] = field(default_factory=list)  # index and repr of the first

    def row(self, run: str) -> _ROW:
        """Give the row to show, as texts."""
        items = ", ".join(
            str(index) if item == str(index) else f"{index:,}: {item}" for index, item in self.items
        )
        return {
            "type": self.type,
            "place": self.place,
            "message": self.message,
            "count": "1 item" if self.count == 1 else f"{self.count:,} items",
            "items": items + (", …" if self.count > len(self.items) else ""),
            "traceback": self.traceback,
            "debug": f"nbexec.attach({run!r}).debug({self.items[0][0]})",
        }


class FailureGroups:
    """Groups a run's failures, some at a time."""

    def __init__(self) -> None:
        self._groups: dict[tuple[str, str], FailureGroup] = {}
        self._seen = 0

    def add(self, failures: Sequence[Failure]) -> bool:
        """Add new `failures`, at most `AT_ONCE`; give whether that was all."""
        stop = min(len(failures), self._seen + AT_ONCE, LOOKED_AT)
        for failure in failures[self._seen : stop]:
            if failure.kind != "cancelled":
                self._add(failure)
        self._seen = max(self._seen, stop)
        return self._seen >= min(len(failures), LOOKED_AT)

    def _add(self, failure: Failure) -> None:
        error = failure.exception
        kind, where = type(error).__name__[:TYPE_LIMIT], place(failure.traceback)
        group = self._groups.get((kind, where))
        if group is None:
            if len(self._groups) >= GROUPS:
                return
            group = FailureGroup(kind, where, wording.message(error), _cut(failure.traceback))
            self._groups[kind, where] = group
        group.count += 1
        if len(group.items) < ITEMS:
            shown = failure.name or wording.safe_repr(failure.item, limit=ITEM_LIMIT)
            group.items.append((failure.index, shown))
            group.items.sort()

    def rows(self, run: str, most: int = GROUPS) -> list[_ROW]:
        """Give a row for each group, the largest first; `run` is the run's id."""
        return [group.row(run) for group in self._largest(most)]

    def more(self, failed: int, shown: int = GROUPS) -> str:
        """Give in words how many of `failed` are in none of the shown groups."""
        left = failed - sum(group.count for group in self._largest(shown))
        return f"and {left:,} more, in .failures" if left > 0 else ""

    def _largest(self, most: int) -> list[FailureGroup]:
        return sorted(self._groups.values(), key=lambda group: -group.count)[:most]


def place(traceback: str) -> str:
    """Give the place where a traceback ends: the function and the line.

    Examples
    --------
    >>> place('  File "tidy.py", line 4, in measure\\n    return 1 / x\\n')
    'measure, tidy.py line 4'
    >>> place('  File "/tmp/ipykernel_7/123.py", line 4, in measure\\n')
    'measure, line 4'

    What `int` raises comes from no line of Python, but from ours that called it:

    >>> place('  File "/lib/nbexec/worker/item_calls.py", line 89, in _call_each\\n')
    ''
    """
    frames = [one for one in _FRAME.findall(traceback) if not _OURS.search(one[0])]
    if not frames:
        return ""
    file, line, name = frames[-1]
    file = re.split(r"[/\\]", file)[-1]
    cell = re.fullmatch(r"\d+\.py|<.*>", file)  # a cell's own file says nothing
    return f"{name}, line {line}" if cell else f"{name}, {file} line {line}"


def _cut(traceback: str) -> str:
    if len(traceback) <= TRACEBACK:
        return traceback
    half = TRACEBACK // 2
    return f"{traceback[:half]}\n…\n{traceback[-half:]}"
