"""All that was measured, as JSON."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from . import facts
from .goals import Result


@dataclass(frozen=True)
class Record:
    """What was measured, on what."""

    began: str = ""
    pairs: int = 0
    quick: bool = False
    machine: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str | None] = field(default_factory=dict)
    results: list[Result] = field(default_factory=list)

    @classmethod
    def here(cls, pairs: int, quick: bool) -> Record:
        """Begin one, on this machine."""
        now = time.strftime("%Y-%m-%d %H:%M")
        return cls(now, pairs, quick, facts.machine(), facts.versions())

    def with_result(self, result: Result) -> Record:
        """Give it with a result, in the place of an earlier one of the same line."""
        others = [one for one in self.results if one.line != result.line]
        return replace(self, results=[*others, result])

    def of(self, result: Result) -> Result | None:
        """Give what it has of the same line, if anything."""
        return next((one for one in self.results if one.line == result.line), None)

    def over(self, earlier: Path) -> Record:
        """Give it with what an earlier one has besides; tiny sizes are not mixed with others."""
        if not earlier.exists():
            return self
        before = Record.read(earlier)
        mine = {one.line for one in self.results}
        others = [one for one in before.results if one.line not in mine]
        kept = others if before.quick == self.quick else []
        versions = dict(self.versions)
        if kept:  # of what is not installed now they tell the version that was measured
            versions |= {name: before.versions.get(name) for name in versions if not versions[name]}
        return replace(self, results=[*kept, *self.results], versions=versions)

    def write(self, path: Path) -> None:
        """Write it; nothing is lost where that can't be done to the end."""
        data = {
            **{name: getattr(self, name) for name in ("began", "pairs", "quick")},
            "machine": self.machine,
            "versions": self.versions,
            "results": [result.as_json() for result in self.results],
        }
        beside = path.with_name(path.name + ".part")
        beside.write_text(_by_line(data) + "\n")
        beside.replace(path)

    @classmethod
    def read(cls, path: Path) -> Record:
        """Undo `write`."""
        data = json.loads(path.read_text())
        return cls(**{**data, "results": [Result.of_json(one) for one in data["results"]]})


def _by_line(data: dict[str, Any]) -> str:
    """Give JSON to read: a line for each result."""
    results = ",\n".join("  " + json.dumps(one, ensure_ascii=False) for one in data["results"])
    head = json.dumps({**data, "results": []}, indent=1, ensure_ascii=False)
    return head.replace('"results": []', f'"results": [\n{results}\n ]') if results else head
