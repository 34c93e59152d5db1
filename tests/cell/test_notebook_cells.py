"""Cells of real notebooks, from `tests/cell/notebooks`: what runs in parallel, and what doesn't.

Each says after ``=>`` what it expects: ``parallel``, ``parallel in f`` where the loop is in a
function that the cell calls, ``serial`` and words of the reason, or ``either``.  Items are taken to be worth
leaving after the first.  Over all of them it is counted how much of what would take long runs in
parallel: a line of Python is taken to last 1 ms, and what takes less than 50 ms isn't counted.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from nbexec.cell.own_functions.entering import Entering
from nbexec.cell.own_functions.function_loop import FunctionLoop

from .both_ways import Left, both, leaving_after, run
from .test_cells import read

pytestmark = pytest.mark.plain_first

HERE = Path(__file__).parent / "notebooks"
CELLS = {}
for path in sorted(HERE.glob("*.txt")):
    for name, cell in read(path).items():
        name, _, expected = name.partition(" => ")
        CELLS[name] = (*cell, expected)
LONG = 50  # lines: of 1 ms each

counted: dict[str, Counter[str]] = {"threads": Counter(), "processes": Counter()}


def steps_of(left: Left) -> list[Any]:
    assert left.report is not None
    return [step for step in left.report.steps if step.kind in ("parallel", "together", "serial")]


def lines_of_steps(prelude: str, cell: str) -> Counter[int]:
    """Give how many lines of Python ran for each line of a cell, with those of what it calls."""
    ran: Counter[int] = Counter()
    at = 0

    def trace(frame: FrameType, event: str, arg: Any) -> Any:
        nonlocal at
        if event == "line":
            if frame.f_code.co_filename == "<cell>" and frame.f_code.co_name == "<module>":
                at = frame.f_lineno
            ran[at] += 1
        return trace

    def how(source: str, names: dict[str, Any]) -> None:
        code = compile(source, "<cell>", "exec", dont_inherit=True)
        before = sys.gettrace()
        sys.settrace(trace)
        try:
            exec(code, names)
        finally:
            sys.settrace(before)

    run(how, cell, prelude)
    return ran


@pytest.mark.one_in(2)
@pytest.mark.parametrize("where", ["threads", "processes"])
@pytest.mark.parametrize("name", CELLS)
def test_a_cell_runs_where_it_says(name, where, monkeypatch):
    prelude, cell, expected = CELLS[name]
    for library in ("matplotlib", "scipy", "sklearn"):
        if library in prelude + cell:
            pytest.importorskip(library)
    functions: set[str] = set()  # those with a loop that went to workers
    ran = Entering.ran

    def note(entering: Entering, loop: FunctionLoop) -> None:
        functions.add(loop.site.function.rpartition(".")[2])
        ran(entering, loop)

    monkeypatch.setattr(Entering, "ran", note)
    with leaving_after(1):
        left = both(cell, where, earlier=prelude, workers=2)
    if left.report is None:  # it raises
        assert left.error is not None
        return
    steps = steps_of(left)
    lasted = lines_of_steps(prelude, cell)
    for step in steps:
        lines = sum(n for at, n in lasted.items() if step.first <= at <= step.last)
        if lines >= LONG:
            counted[where].update(["long", step.kind])
    kinds = {step.kind for step in steps}
    said = str(left.report)
    how, _, more = expected.partition(" in " if expected.startswith("parallel") else ", ")
    if how == "parallel":
        assert how in kinds, said
        assert not more or more in functions, said
    elif how == "serial":
        assert "parallel" not in {step.kind for step in steps if not more or more in step.reason}, (
            said
        )
        assert more in said, said


def test_most_of_what_takes_long_runs_in_parallel():
    assert len(CELLS) >= 80
    assert sum("def " in cell for _, cell, _ in CELLS.values()) >= 40
    for where, found in counted.items():
        if found["long"] < len(CELLS) / 4:  # one in two is in a quick run
            pytest.skip("only some of the cells were run")
        share = (found["parallel"] + found["together"]) / found["long"]
        sys.stdout.write(f"{where}: {share:.0%} of {found['long']} long steps ran in parallel\n")
        assert share > 0.7


def test_each_says_what_it_expects():
    for name, (_, _, expected) in CELLS.items():
        assert re.match(r"parallel( in \w+)?$|serial(, .+)?$|either$", expected), name
