"""The plan of a cell, made without running it.

Covers `nbexec.cell.plan_drawing` and `nbexec.cell.steps`.
"""

from __future__ import annotations

from nbexec.cell.plan import plan

from .both_ways import WORK


def test_a_plan_runs_nothing():
    names = {"xs": [1, 2]}
    source = "out = []\nfor x in xs:\n    out.append(x)\n    1 / 0"
    assert str(plan(source, names)) == "lines 2-4: for loop, item by item"
    assert names == {"xs": [1, 2]}
    assert str(plan("for x in xs:\n    xs.append(x)", names)).startswith("line 2: serial: `xs` can")


def test_a_plan_foresees_statements_at_once():
    found = plan(WORK + "a = work(1)\nb = work(2)\nc = work(a)", {})
    assert str(found) == ("line 5: at the same time as line 6\nline 6: at the same time as line 5")
    assert [step.waits for step in found.steps] == [(), (), (3,), (3,), (5,)]
    assert found.svg().count("<rect") == 5
