"""How long the analyser takes a cell: ``python -m tests.benchmarks.cells``."""

from __future__ import annotations

import re
import statistics
import time
from pathlib import Path
from typing import Any

from nbexec.cell.plan import plan

GOAL = 0.005  # seconds, the median of a cell

CELLS = Path(__file__).parents[1] / "cells"


def times() -> list[tuple[float, str]]:
    """Plan every cell of the corpus, below what its file begins with, three times each."""
    found = []
    for path in sorted(CELLS.glob("*.txt")):
        parts = re.split(r"^# %% (.*)\n", path.read_text(), flags=re.MULTILINE)
        cells = dict(zip(parts[1::2], parts[2::2], strict=True))
        names: dict[str, Any] = {"base": "http://localhost"}
        exec(compile(cells.pop("prelude"), f"<{path.stem}>", "exec", dont_inherit=True), names)
        for name, cell in cells.items():
            found.append((min(_timed(cell, names) for _ in range(3)), f"{path.stem}: {name}"))
    return sorted(found, reverse=True)


def _timed(cell: str, names: dict[str, Any]) -> float:
    began = time.perf_counter()
    plan(cell, names)
    return time.perf_counter() - began


def row() -> str:
    """Say it in a line."""
    found = times()
    median = statistics.median(seconds for seconds, _ in found)
    slowest, name = found[0]
    verdict = "ok" if median <= GOAL else "TOO SLOW"
    return (
        f"plan of a cell: median {median * 1e3:.2f} ms (goal {GOAL * 1e3:.0f} ms, {verdict}), "
        f"slowest {slowest * 1e3:.1f} ms ({name}), {len(found)} cells"
    )


if __name__ == "__main__":
    print(row())
