"""Where items come from: lists, lazy iterables, iterators, and iterables that raise."""

from __future__ import annotations

import contextlib
import warnings

import pandas as pd
import pytest

from nbexec.cell.execution.loop_items import uncounted

from ..both_ways import both, kind, leaving_after, runs_in_parallel, runs_serially

ACCEPTED = {
    "a lazy iterable": """
def numbers(n):
    for i in range(n):
        yield i

out = []
for x in numbers(6):
    out.append(x)
""",
}


@pytest.mark.parametrize("source", ACCEPTED.values(), ids=ACCEPTED)
@pytest.mark.parametrize("where", ["threads", "processes"])
def test_accepted(source, where):
    runs_in_parallel(source, where)


REFUSED = {
    "a generator with a name": (
        "it = (x for x in [1, 2, 3])\nout = []\nfor x in it:\n    out.append(x)",
        "line 3: serial: takes its items from `it`, an iterator: it would be read too far",
    ),
    "a generator in an object": (
        "d = {'it': (x for x in [1, 2, 3])}\nout = []\nfor x in d['it']:\n    out.append(x)",
        "line 3: serial: takes its items from `d['it']`, an iterator",
    ),
    "a generator that an object gives": (
        "d = {'it': (x for x in [1, 2, 3])}\nout = []\nfor x in d.get('it'):\n    out.append(x)",
        "line 3: serial: takes its items from `d.get('it')`, an iterator",
    ),
    "an iterator with a name": (
        "it, out = iter([1, 2, 3]), []\nfor x, y in zip(it, 'abc'):\n    out.append((x, y))",
        "line 2: serial: takes its items from `it`, an iterator: it would be read too far",
    ),
    "an iterator that an object gives": (
        "d, out = {'it': iter('abc')}, []\nfor x, y in zip([1, 2], d['it']):\n    out.append(x)",
        "line 2: serial: takes its items from `zip([1, 2], d['it'])`, an iterator",
    ),
    "items that are iterators": (
        "its = [iter([1]), iter([2])]\nout = []\nfor it in its:\n    out.append(list(it))",
        "line 3: serial: its items are iterators",
    ),
}


@pytest.mark.parametrize(("source", "said"), REFUSED.values(), ids=REFUSED)
def test_refused(source, said):
    runs_serially(source, said)


RAISING = {
    "an iterator over a list is used up to the item that raised": """
it, out = iter([1, 2, 0, 4, 5]), []
for i, x in enumerate(it):
    out.append(1 / x)
""",
    "a comprehension over an iterator that raises": "it = iter([2, 0, 3])\nout = [1 / x for x in it]",
    "any over an iterator stops in the middle": "it = iter([0, 2, 3])\nout = any(x for x in it)",
    "the iterable": """
def items():
    yield 1
    yield 2
    raise KeyError("no more")

out = []
for x in items():
    out.append(x)
""",
    "zip with strict": "out = []\nfor a, b in zip([1, 2], [3], strict=True):\n    out.append(a)",
    "no iterable at all": "out = []\nfor x in 3:\n    out.append(x)",
    "an iterable with no name": "for x in missing:\n    pass",
}


@pytest.mark.parametrize("source", RAISING.values(), ids=RAISING)
@pytest.mark.parametrize("where", ["threads", "processes"])
def test_exceptions_leave_what_they_leave_serially(source, where):
    both(source, where)


COLUMN = """
import pandas as pd
import numpy as np
held = np.zeros((3, 2))
wide = pd.DataFrame(held, columns=["a", "c"], copy=False)
df = pd.DataFrame({"a": [3, 1, 2, 5], "t": list("wxyz"), "n": pd.array([1, 2, 3, 4], dtype="Int64")})
def put(x):
    df.iloc[3, 0] += x
    return x
def total():
    found = []
    for x in df["a"]:
        found.append(x)
        df.iloc[3, 0] += x
    return found
"""
STORED = {
    "a loop": "for x in df['a']: df.iloc[3, 0] += x",
    "texts": "for x in df['t']: df.iloc[3, 1] += x",
    "of an extension": "for x in df['n']: df.iloc[3, 2] += x",
    "a comprehension": "[put(x) for x in df['a']]",
    "a generator": "sum(put(x) for x in df.a)",
    "in a function": "found = total()",
    "of a map": "list(map(put, df['a']))",
    "held by what calls a key": "found = max(df['a'], key=put), sorted(df['a'], key=put)",
    "in a function, too": "def both(): return max(df['a'], key=put), sorted(df['a'], key=put)\nfound = both()",
    "columns of a part": "for c in wide.iloc[:, :2]: wide.loc[2, c] = 9.0",
}


@pytest.mark.plain_first
@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("source", STORED.values(), ids=STORED)
def test_items_of_a_column_are_what_the_loop_has_stored_in_it(source, first):
    with leaving_after(1) if first else contextlib.nullcontext():
        left = both(source, earlier=COLUMN)
    assert left.report is not None
    assert kind(left) == "serial" or source == STORED["columns of a part"]


SERIES = {
    "integers": pd.Series([1, 2]),
    "floats": pd.Series([1.5]),
    "none": pd.Series([], dtype=bool),
    "texts": pd.Series(["a", "b"]),
    "texts as objects": pd.Series(["a", "b"], dtype=object),
    "times": pd.Series(pd.to_datetime(["2020-01-01"])),
    "categories": pd.Series(pd.Categorical(["a"])),
    "of an extension": pd.Series([1, 2], dtype="Int64"),
}


@pytest.mark.parametrize("series", SERIES.values(), ids=SERIES)
def test_a_series_of_the_same_memory_leaves_what_was_warned_of_as_it_was(series):
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("default")
        for _ in range(2):
            warnings.warn("once", stacklevel=1)
            other = uncounted(series)
    assert len(seen) == 1
    assert other is not series
    pd.testing.assert_series_equal(other, series)
