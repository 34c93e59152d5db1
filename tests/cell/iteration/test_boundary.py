"""Objects that cross to a worker process and back: they are the very objects afterwards.

Where that can't be, the items run in the kernel.
"""

from __future__ import annotations

import pytest

from ..both_ways import both, kind, reason, runs_in_parallel

ACCEPTED = {
    "objects that are shared inside an iteration stay shared": """
a, b = [], []
for x in range(3):
    row = {"x": x}
    a.append(row)
    b.append((row, [row]))
""",
    "items that are kept are the very items": """
rows = [{"n": 1}, {"n": 5}, {"n": 7}]
kept, ranked = [], []
for row in rows:
    if row["n"] > 2:
        kept.append(row)
        ranked.append((row["n"], row))
""",
    "outer objects that are kept are the very objects": """
labels = {"a": [1], "b": [2]}
out = []
for x in "abc":
    out.append(labels)
""",
    "items of a comprehension are the very items": """
rows = [{"n": 1}, {"n": 5}]
big = [row for row in rows if row["n"] > 2]
""",
    "identity of items and captured names": """
rows = [{"n": 1}, {"n": 5}]
chosen = rows[1]
same = [row is chosen for row in rows]
""",
    "objects as keys by identity": """
class Node:
    pass

nodes = [Node(), Node(), Node()]
degree = {node: i for i, node in enumerate(nodes)}
out = []
for node in nodes:
    out.append(degree[node])
""",
}


@pytest.mark.parametrize("source", ACCEPTED.values(), ids=ACCEPTED)
@pytest.mark.parametrize("where", ["threads", "processes"])
def test_accepted(source, where):
    runs_in_parallel(source, where)


def test_what_cant_be_sent_back_is_run_in_the_kernel():
    left = both("import threading\nout = []\nfor x in [1, 2]:\n    out.append(x)\n"
                "    made = threading.Event()\nelse:\n    made = made.is_set()", "processes")  # fmt: skip
    assert kind(left) == "parallel"
    left = both("out = []\nfor x in [1, 2]:\n    out.append((i for i in ()))\nelse:\n"
                "    out = [list(one) for one in out]", "processes")  # fmt: skip
    assert kind(left) == "serial"


def test_part_of_an_item_is_not_a_copy():
    left = both(
        "rows = [{'a': [1]}, {'a': [2]}]\nout = []\nfor row in rows:\n    out.append(row['a'])",
        "processes",
    )
    assert "from item 0 on in the kernel" in reason(left)
    assert left.names["out"][0] is left.names["rows"][0]["a"]


def test_a_result_that_cant_be_pickled():
    left = both("import threading\nout = []\nfor x in [1, 2, 3]:\n    out.append("
                "threading.Lock() if x > 1 else x)\nelse:\n    out = len(out)", "processes")  # fmt: skip
    assert "from item 1 on in the kernel" in reason(left)


NANS = """
import math
import numpy as np
from numpy import nan
own = float("nan")
def pick(i):
    return np.nan if i % 2 else math.nan
"""
WITH_NANS = {
    "of modules": (
        "rows = [pick(i) for i in range(6)]",
        "np.nan in rows, rows.count(math.nan), [x is nan for x in rows]",
    ),
    "in dicts": (
        "rows = []\nfor i in range(6):\n    rows.append({'a': pick(i)})",
        "[x['a'] is nan for x in rows]",
    ),
    "in a set": ("rows = {pick(i) for i in range(6)}", "len(rows)"),
    "of the notebook": (
        "rows = [own if i % 2 else 1.0 for i in range(6)]",
        "rows.count(own), len(set(rows))",
    ),
    "items": ("rows = [x for x in [own, 1.0, nan, own]]", "rows.count(own), rows.count(nan)"),
    "in items": (
        "rows = [(y, x) for x, y in [(own, 1.0), (own, 2.0), (nan, 1.0)]]",
        "rows[0][1] is own, rows[1][1] is own, rows[2][1] is nan",
    ),
    "items that are looked at": ("rows = [x is nan for x in [own, 1.0, nan]]", "rows"),
    "new ones": ("rows = [float('nan') for i in range(6)]", "len(set(rows)), own in rows"),
}


@pytest.mark.parametrize(("source", "probe"), WITH_NANS.values(), ids=WITH_NANS)
def test_nans_are_the_same_objects(source, probe, backend):
    source = f"{source}\nprobe = repr(({probe}))\nrows = None"
    both(source, backend, earlier=NANS)
