"""NumPy arrays as accumulators: stores, views, and arrays that can't be stored in."""

from __future__ import annotations

import pytest

from ..both_ways import both, runs_in_parallel, runs_serially

ACCEPTED = {
    "stores in a list and in arrays": """
import numpy as np
xs, a, b, m = [None] * 4, np.zeros(4), np.zeros((3, 4)), np.zeros((2, 2), dtype=np.uint8)
total = np.zeros(4)
for i in range(3):
    row = np.arange(4.0) * i
    xs[i] = i * i
    xs[-1] = row.sum()
    a[i] = row[1]
    b[i] = row
    b[i, 0] += 0.1
    total += row
    m[:, i % 2] = [i, i]
    row[0] = 7
else:
    a, b, m, total, row = a.tolist(), b.tolist(), m.tolist(), total.tolist(), row.tolist()
""",
}


@pytest.mark.parametrize("source", ACCEPTED.values(), ids=ACCEPTED)
@pytest.mark.parametrize("where", ["threads", "processes"])
def test_accepted(source, where):
    runs_in_parallel(source, where)


REFUSED = {
    "an array with another name": (
        "import numpy as np\na = np.zeros(4)\nb = a[1:]\nfor i in range(2):\n"
        "    a[i] = b[0] + 1\nelse:\n    a, b = list(a), list(b)",
        "line 5: serial: `a` can also be reached through `b`",
    ),
}


@pytest.mark.parametrize(("source", "said"), REFUSED.values(), ids=REFUSED)
def test_refused(source, said):
    runs_serially(source, said)


RAISING = {
    "an array that can't be written": """
import numpy as np
a, n = np.zeros(3), 0
a.flags.writeable = False
try:
    for i in range(3):
        n += 1
        a[i] = i
finally:
    a = a.tolist()
""",
    "an array that doesn't fit": """
import numpy as np
a, n = np.zeros((2, 3)), 0
try:
    for i in range(3):
        n += 1
        a[i] = [i] * 3
        a[i] = np.ones(i + 3)
finally:
    a = a.tolist()
""",
}


@pytest.mark.parametrize("source", RAISING.values(), ids=RAISING)
@pytest.mark.parametrize("where", ["threads", "processes"])
def test_exceptions_leave_what_they_leave_serially(source, where):
    both(source, where)
