"""``xs[i] = f(xs[i])``: each iteration reads and writes an entry of its own, or runs in order."""

from __future__ import annotations

import pytest

from ..both_ways import runs_in_parallel, runs_serially

ACCEPTED = {
    "each item has its place": """
import numpy as np
xs, d, e, a = [3, 1, 2], {"a": 1, "b": 2}, {"k": [1]}, np.arange(4.0)
for i in range(len(xs)):
    xs[i] = xs[i] * 10 + i
for i, x in enumerate(xs):
    xs[i] = str(x) + str(xs[i])
for k in d:
    d[k] = d[k] + 1
for k, v in d.items():
    d[k] = (v, [d[k]])
for k in e:
    e[k] = [*e[k], 2]
for i in range(4):
    a[i] = a[i] / 3
else:
    a = a.tolist()
for k in ["x", "y"]:
    d[k] = len(k)
for k in ["x", "y"]:
    d[k] = d[k] + 1
for i in range(2):
    big = [i] * 2000
    xs[i] = (xs[i], len(big))
""",
    "entries that are there": """
from collections import defaultdict
groups = defaultdict(list, a=[1, 2], b=[3])
out = []
for name in groups:
    out.append(sum(groups[name]))
for name, members in groups.items():
    out.append(len(groups[name]) + len(members))
""",
}


@pytest.mark.parametrize("source", ACCEPTED.values(), ids=ACCEPTED)
@pytest.mark.parametrize("where", ["threads", "processes"])
def test_accepted(source, where):
    runs_in_parallel(source, where)


REFUSED = {
    "places that are written twice": (
        "xs = [1, 2]\nfor i in [0, 0]:\n    xs[i] = xs[i] + 1",
        "line 3: serial: reads `xs`, which the loop changes",
    ),
    "places that are read before their turn": (
        "xs = [1, 2, 3, 4]\nfor i, x in enumerate(xs, 1):\n    if i < 4:\n        xs[i] = x + 1",
        "line 4: serial: `xs` can also be reached through `enumerate(xs, 1)`",
    ),
    "places that are read again": (
        "xs = [1, 2]\nfor i in range(2):\n    xs[i] = 5\n    y = xs[i]",
        "line 4: serial: reads `xs`, which the loop changes",
    ),
    "places in an inner loop": (
        "xs = [1, 2]\nfor i in range(2):\n    for j in range(3):\n        xs[i] = xs[i] + j",
        "line 4: serial: reads `xs`, which the loop changes",
    ),
    "an entry of one's own": (
        "from collections import defaultdict\ndd = defaultdict(int)\n"
        "for k in 'ba':\n    dd[k] = dd[k] + 1",
        "line 4: serial: looks up `dd[k]`, which may make an entry",
    ),
}


@pytest.mark.parametrize(("source", "said"), REFUSED.values(), ids=REFUSED)
def test_refused(source, said):
    runs_serially(source, said)
