"""Branches, inner loops, handlers and `break`: which names are bound along every path."""

from __future__ import annotations

import pytest

from ..both_ways import runs_in_parallel, runs_serially

ACCEPTED = {
    "match": """
out = []
for item in [("a", 1), ("b", 2), ("a", 3)]:
    match item:
        case ("a", number) if number > 1:
            out.append(number)
        case (other, _):
            out.append(other)
""",
    "break that is never reached": """
for x in [1, 2, 3]:
    if x > 5:
        break
else:
    done = x
""",
    "break inside try, with and inner loops": """
import contextlib
out = []
for x in range(10):
    for y in range(x):
        if y == 2:
            break
    try:
        with contextlib.nullcontext():
            if x == 6:
                out.append("last")
                break
    finally:
        out.append(x)
""",
}


@pytest.mark.parametrize("source", ACCEPTED.values(), ids=ACCEPTED)
@pytest.mark.parametrize("where", ["threads", "processes"])
def test_accepted(source, where):
    runs_in_parallel(source, where)


REFUSED = {
    "a value that may be carried": (
        "y = 0\nout = []\nfor x in [3, 1]:\n    if x > 2:\n        y = x\n    out.append(y)",
        "line 6: serial: reads `y` before",
    ),
    "a value that an inner loop may not assign": (
        "y = 0\nout = []\nfor x in [[1], []]:\n    for y in x:\n        pass\n    out.append(y)",
        "line 6: serial: reads `y` before",
    ),
    "del of what may not be there": (
        "y = 0\nfor x in [1, 2]:\n    if x > 5:\n        y = x\n    del x",
        "line 5: serial: deletes `x`, which may not be bound in the same iteration",
    ),
    "an exception's name that is there already": (
        "e = 1\nfor x in [1, 0]:\n    try:\n        y = 1 / x\n"
        "    except ZeroDivisionError as e:\n        pass",
        "line 5: serial: `except ... as e` would delete `e`",
    ),
}


@pytest.mark.parametrize(("source", "said"), REFUSED.values(), ids=REFUSED)
def test_refused(source, said):
    runs_serially(source, said)
