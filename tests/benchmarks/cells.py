"""How long the analyser takes a cell."""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nbexec.cell.plan import plan

from .catalog import Setting, benchmark
from .goals import value
from .measure import Sides, timed

CELLS = Path(__file__).parents[1] / "cell" / "cells"


@benchmark("plan", "the plan of a cell, median of the corpus", {"": value(5, "ms")})
def planning(setting: Setting) -> Iterator[Sides]:
    cells = list(corpus())[:: setting.size(1, 20)]
    times: dict[str, float] = {}

    def median() -> float:
        for name, cell, names in cells:
            times[name] = timed(lambda cell=cell, names=names: plan(cell, names))()
        return statistics.median(times.values()) * 1e3

    median()
    slowest = max(times, key=times.__getitem__)
    took = f"{times[slowest] * 1e3:.0f} ms"
    yield Sides(median, note=f"{len(cells)} cells, the slowest {took} ({slowest})")


def corpus() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Give every cell of the tests' corpus: its name, itself, and what its file begins with."""
    for path in sorted(CELLS.glob("*.txt")):
        parts = re.split(r"^# %% (.*)\n", path.read_text(), flags=re.MULTILINE)
        cells = dict(zip(parts[1::2], parts[2::2], strict=True))
        names: dict[str, Any] = {"base": "http://localhost"}
        exec(compile(cells.pop("prelude"), f"<{path.stem}>", "exec", dont_inherit=True), names)
        for name, cell in cells.items():
            yield f"{path.stem}: {name}", cell, names
