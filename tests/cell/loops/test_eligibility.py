"""Bodies that can't run item by item.

They carry a value from one iteration to the next, or define a class or function that keeps one.

Covers `nbexec.cell.loops.eligibility`, `nbexec.cell.loops.loop_body` and
`nbexec.cell.loops.accumulator_aliases`.
"""

from __future__ import annotations

import pytest

from ..both_ways import runs_serially

REFUSED = {
    "a read of the loop's own names by a function": (
        "def f():\n    return x\nx = 0\nout = []\nfor x in [1, 2]:\n    out.append(f())",
        "line 6: serial: calls `f`, which reads `x`, which the loop changes",
    ),
    "a carried value": (
        "last = 0\nout = []\nfor x in [1, 2]:\n    out.append(last)\n    last = x",
        "line 4: serial: reads `last` before it is assigned in the same iteration: "
        "it would carry a value from one to the next",
    ),
    "a function in the body that keeps a value": (
        "for x in [1, 2]:\n    def f(y=x): return y",
        "line 2: serial: defines `f`, and not only by its body",
    ),
    "a class in the body": ("for x in [1]:\n    class A: pass", "line 2: serial: defines a class"),
    "an annotation": ("for x in [1, 2]:\n    y: int = x", "line 2: serial: annotates a name"),
}


@pytest.mark.parametrize(("source", "said"), REFUSED.values(), ids=REFUSED)
def test_refused(source, said):
    runs_serially(source, said)
