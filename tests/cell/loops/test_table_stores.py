"""Loops that store into frames and series of pandas, in the kernel and in their order.

Covers `nbexec.cell.loops.table_stores` and `nbexec.cell.loops.table_rows`.
"""

from __future__ import annotations

import ast

import pytest

from nbexec.cell.execution import ahead
from nbexec.cell.loops.find import find_loop
from nbexec.cell.loops.table_rows import table_rows

from ..both_ways import both, frames, kind, leaving_after, reason

FRAME = """
import numpy as np, pandas as pd
df = pd.DataFrame({"a": [3, 1, 2, 5, 4, 0], "t": list("xyzuvw"), "c": 0}, index=list("klmnop"))
s = pd.Series(range(6), index=list("klmnop"))
wide = pd.DataFrame(np.zeros((6, 3)), index=list("klmnop"))
names = ["k", "l", "m", "n", "o", "p"]
def slow(x): return sum(i * len(str(x)) for i in range(9))
def odd(k): return slow(k) if k < "n" else str(k)
def fails(k): return 1 / (k != "n")
"""

AHEAD = {
    "loc": "for k in names: df.loc[k, 'c'] = slow(k)",
    "over the index": "for k in df.index: df.loc[k, 'c'] = slow(k)",
    "at": "for k in df.index: df.at[k, 'c'] = slow(k)",
    "iloc": "for i in range(6): df.iloc[i, 2] = slow(i)",
    "iat": "for i, k in enumerate(names): df.iat[i, 0] = slow(k)",
    "a series": "for k in s.index: s.loc[k] = slow(k)",
    "a series itself": "for k in names: s[k] = slow(k)",
    "a column": "for k in names: df[k] = slow(k)",
    "a new column": "for k in df.index: df.loc[k, 'new'] = slow(k)",
    "rows that weren't there": "for k in 'abcd': df.loc[k, 'a'] = slow(k)",
    "a row": "for k in 'klab': df.loc[k] = [slow(k), k, 1]",
    "another type": "for k in names:\n    try: df.loc[k, 'c'] = odd(k)\n    except TypeError: s[k] = 0",
    "reads it in order": "for k in names: df.loc[k, 'c'] = slow(k) + df['c'].sum()",
    "raises": "for k in names: df.loc[k, 'a'] = fails(k) == 1",
    "the store raises": "for i in range(9): df.iloc[i, 0] = slow(i)",
    "some": "for k in names:\n    if k < 'n': df.loc[k, 'c'] = slow(k)\n    else: s.at[k] = slow(k)",
    "breaks": "for k in names:\n    df.loc[k, 'c'] = slow(k)\n    if df['c'].sum() > 80: break\nelse: last = k",
}  # fmt: skip
ROWS = {
    "another column": "for k in df.index: df.loc[k, 'c'] = slow(df.loc[k, 't'])",
    "by at": "for k in names: df.at[k, 'c'] = slow(df.at[k, 't'])",
    "two columns": "for k in df.index: df.loc[k, 'c'] = slow(df.loc[k, 't'] * df.loc[k, 'a'])",
    "a new one": "for k in df.index:\n    n = slow(df.loc[k, 't'])\n    df.loc[k, 'new'] = n",
}
STAYS = {
    "reads what it stores": "for k in names: df.loc[k, 'c'] = slow(df.loc[k, 'c'])",
    "reads another row": "for i in range(6): df.iloc[i, 2] = slow(df.iloc[i - 1, 2])",
    "a function reads it": "def look(k): return slow(df['c'].sum())\nfor k in names: df.loc[k, 'c'] = look(k)",
    "the same memory": "view = wide[0].to_numpy()\nother = wide\ndef look(k): return slow(other.loc[k, 0])\nfor k in names: wide.loc[k, 0] = look(k)",
    "rows are added": "for k in ['k', 'a', 'l', 'b']:\n    if k in df.index: df.loc[k, 'c'] = slow(df.loc[k, 'a'])\n    else: df.loc[k, 'c'] = 1",
    "two columns of a name": "df.columns = ['a', 'a', 'c']\nfor k in names: df.loc[k, 'c'] = slow(df.loc[k, 'a'])",
    "the loop's label is bound anew": "for k in names: df.loc[k, 'c'] = slow([df.loc[k, 't'] for k in names[:2]])",
}  # fmt: skip


def test_the_frame_is_what_the_plain_loop_leaves_on_threads():
    for name, source in {**AHEAD, **ROWS, **STAYS}.items():
        left = both(source, "threads", earlier=FRAME)
        if left.report is None:  # it raised
            assert "raises" in name
        elif name in AHEAD or name in ROWS:
            assert kind(left) == "parallel", (name, reason(left))
            assert "computed ahead; the rest of the loop in order" in reason(left), name
        else:
            assert "computed ahead" not in str(left.report), name


def test_on_processes_too():
    for name in ("loc", "over the index", "rows that weren't there", "another type"):
        left = both(AHEAD[name], "processes", earlier=FRAME)
        assert kind(left) == "parallel", (name, reason(left))
    for source in ROWS.values():
        assert kind(both(source, "processes", earlier=FRAME)) == "parallel"


@pytest.mark.plain_first
def test_so_it_is_after_some_items(monkeypatch):
    monkeypatch.setattr(ahead, "ENOUGH", 1e-9)
    monkeypatch.setattr(ahead, "PART", 0.0)
    monkeypatch.setattr(ahead, "GIVEN_UP", 60.0)
    with leaving_after(1):
        for name, source in {**AHEAD, **ROWS, **STAYS}.items():
            left = both(source, "threads", earlier=FRAME)
            if name in ("loc", "another column"):
                assert kind(left) == "parallel", reason(left)


def test_an_exception_of_a_store_has_the_line_of_the_cell():
    left = both("for i in range(9):\n    r = slow(i)\n    df.iloc[i, 0] = r", earlier=FRAME)
    assert left.error is not None
    assert frames(left.error)[0] == ("<cell>", 3, "<module>")


def test_what_is_read_stands_in_the_reason():
    left = both(ROWS["two columns"], earlier=FRAME)
    assert "`slow(df.loc[k, 't'] * df.loc[k, 'a'])`" in reason(left)


NOT_ROWS = [
    "for k in names: df.loc[k, 'c'] = slow(df.loc[k, 't'], df)",
    "for k in names: df.loc[k, 'c'] += df.loc[k, 'a']",
    "for k in names:\n    del df.loc[k, 'a']\n    df.loc[k, 'c'] = df.loc[k, 't']",
    "for k in names:\n    df.loc[k, 'c'] = slow(df.loc[k, 't'])\n    df.loc[k, 't'] = 1",
    "for k in names:\n    df = df.copy()\n    df.loc[k, 'c'] = slow(df.loc[k, 't'])",
]


@pytest.mark.parametrize("source", NOT_ROWS)
def test_a_frame_that_is_used_otherwise_is_not_read_before(source):
    names: dict[str, object] = {}
    exec(FRAME, names)
    assert table_rows(find_loop(ast.parse(source).body[0], names), names) is None
