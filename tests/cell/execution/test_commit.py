"""What a loop leaves when it ends: its effects in order, its names, and what it raised.

Covers `nbexec.cell.execution.loop_run`.
"""

from __future__ import annotations

import pytest

from ..both_ways import both, runs_in_parallel

ACCEPTED = {
    "else runs, and sees what the loop left": """
out = []
for x in range(3):
    out.append(x)
else:
    total = sum(out) + x
""",
    "an empty loop binds nothing": """
out = []
for x in []:
    y = x
    out.append(y)
else:
    z = 1
""",
    "names keep their last values": """
big = None
for x in [1, 5, 2]:
    y = [x]
    if x > 3:
        big = x
    x += 1
""",
    "a body name that is a large object": """
out = []
for x in range(4):
    rows = [[x] * 5] * 3
    if x < 2:
        first = rows[0]
    out.append(len(rows))
""",
    "break: nothing past it is seen": """
out, n = [], 0
for x in [3, 2, 1, 0, -1, "x"]:
    y = 6 - x
    out.append(y)
    if x == 1:
        z = "found"
        break
    print(x)
    n += 1 / x
else:
    never = True
""",
    "break of an endless loop": """
import itertools
for n in itertools.count(1):
    if n % 7 == 0 and n % 5 == 0:
        break
""",
    "break out of a range that is too long for a list": """
for n in range(10**30):
    if n > 20:
        break
""",
}


@pytest.mark.parametrize("source", ACCEPTED.values(), ids=ACCEPTED)
@pytest.mark.parametrize("where", ["threads", "processes"])
def test_accepted(source, where):
    runs_in_parallel(source, where)


RAISING = {
    "in the middle of the body": """
out, n = [], 0
for x in [3, 2, 1, 0, 5]:
    n += 1
    y = 6 / x
    out.append(y)
    z = y
""",
    "an unpacking": "out = []\nfor a, (b, c) in [(1, (2, 3)), (4, (5,)), (6, (7, 8))]:\n"
    "    out.append(a + b + c)",
    "an unknown name": "out = []\nfor x in [1, 2]:\n    out.append(x)\n    y = missing",
    "a comprehension": "out = [1 / x for x in [2, 1, 0, 'a']]",
    "sum": "out = sum(1 / x for x in [2, 1, 0])",
    "map": "def f(x):\n    return 1 / x\nout = list(map(f, [2, 1, 0, 3]))",
    "sum of what can't be added": "out = sum(x for x in [1, 'a', None])",
    "any stops before": "out = any(1 / x for x in [2, 0])",
    "before the loop": "out = 1\nout.nothing\nfor x in [1, 2]:\n    pass",
    "in the else": "out = []\nfor x in [1, 2]:\n    out.append(x)\nelse:\n    1 / 0",
    "what the iteration before had bound stays": """
out = []
for x in [1, 2, 0, 3]:
    rows = [x] * 2000
    if x:
        last = rows
    y = 1 / x
    text = str(rows)
    out.append(len(text))
""",
}


@pytest.mark.parametrize("source", RAISING.values(), ids=RAISING)
@pytest.mark.parametrize("where", ["threads", "processes"])
def test_exceptions_leave_what_they_leave_serially(source, where):
    both(source, where)
