"""The report of a cell: what ran how."""

from __future__ import annotations

from .both_ways import both


def test_the_report_says_what_ran_how():
    left = both("import math\nout = []\n\n\nfor x in range(3):\n    out.append(math.sqrt(x))")
    report = left.report
    assert [(one.first, one.last, one.kind) for one in report.steps] == [
        (1, 1, "serial"),
        (2, 2, "serial"),
        (5, 6, "parallel"),
    ]
    assert all(one.seconds >= 0 for one in report.steps)
    assert report.stats.done == 3
    first, second = str(report).splitlines()
    assert first.startswith("lines 5-6: for loop, 3 items on threads × 2, ")
    assert second.startswith("lines 1-2: in order, ")
    assert not report.has_value
