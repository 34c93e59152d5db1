"""Loops that store into frames and series of pandas, in the kernel and in their order.

Covers `nbexec.cell.loops.table_stores`, `nbexec.cell.loops.table_rows` and
`nbexec.cell.loops.read_before`.
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
held = np.arange(12.0).reshape(6, 2)
of_held = pd.DataFrame(held, index=list("klmnop"), columns=["a", "c"], copy=False)
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
    "its memory is stored into": "v = held[5]\nfor k in names:\n    v[0] = 1e9\n    of_held.loc[k, 'c'] = slow(of_held.loc[k, 'a'])",
    "its memory is added to": "v = held[:, 0]\nfor k in names:\n    v += 1e9\n    of_held.loc[k, 'c'] = slow(of_held.loc[k, 'a'])",
    "an entry has its memory": "d = {'x': held[:, 0]}\nfor k in names:\n    d['x'] += 1e9\n    of_held.loc[k, 'c'] = slow(of_held.loc[k, 'a'])",
    "memory under an extension": "m = pd.array([1] * 6, dtype='Int64')\nf = pd.DataFrame({'a': m, 'c': 0}, index=names, copy=False)\nv = m._data\nfor k in names:\n    v[5] = 1000\n    f.loc[k, 'c'] = slow(f.loc[k, 'a'])",
    "columns overlap": "w = np.lib.stride_tricks.as_strided(np.arange(8.0), (6, 2), (8, 8))\nf = pd.DataFrame(w, index=names, columns=['a', 'c'], copy=False)\nfor k in names: f.loc[k, 'c'] = slow(f.loc[k, 'a']) * 1.5",
    "its labels are added to": "for k in names:\n    df.loc[k, 'c'] = slow(df.loc[k, 't'])\n    if len(names) < 9: names.append('k')",
    "a label is another one": "for k in names:\n    df.loc[k, 'c'] = slow(df.loc[k, 't'])\n    names[5] = 'k'",
    "an entry has the labels": "d = {'x': names}\nfor k in names:\n    df.loc[k, 'c'] = slow(df.loc[k, 't'])\n    if k == 'k': d['x'].append('l')",
    "the values are others": "d = {k: k for k in names}\nfor k in d.values():\n    df.loc[k, 'c'] = slow(df.loc[k, 't'])\n    d['p'] = 'k'",
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


ENDS = {
    "keys are added": "d = dict.fromkeys(names)\nfor k in d:\n    df.loc[k, 'c'] = slow(df.loc[k, 't'])\n    d[k * 2] = 1",
    "keys of a view": "d = dict.fromkeys(names)\nfor k in d.keys():\n    df.loc[k, 'c'] = slow(df.loc[k, 't'])\n    d[k * 2] = 1",
    "1 is True, and no label": "f = pd.DataFrame({'a': ['x', 'yy'], 'c': 0}, index=[True, False])\nfor k in [1, 0]: f.loc[k, 'c'] = slow(f.loc[k, 'a'])",
}  # fmt: skip


def test_a_loop_that_ends_with_an_exception_ends_so():
    for name, source in ENDS.items():
        left = both(source, "threads", earlier=FRAME)
        assert isinstance(left.error, (RuntimeError, KeyError)), name


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


ALIASES = {
    "an entry is another": "for k in d:\n    n = n + slow(d[k]['n'])\n    e['c'] = {'n': 10**9}",
    "items are another": "for i in range(len(rows)):\n    n = n + slow(rows[i]['n'])\n    others[2] = {'n': 10**9}",
    "entries are added": "for k in d:\n    d[k]['x'] = slow(d[k]['n'])\n    e[k * 2] = 1",
    "one holds it": "for k in d:\n    n = n + slow(d[k]['n'])\n    holds['x'].update(c={'n': 10**9})",
}  # fmt: skip
CONTAINERS = """
d = {"a": {"n": 1}, "b": {"n": 2}, "c": {"n": 3}}
rows = [{"n": 1}, {"n": 2}, {"n": 3}]
e, others, holds, n = d, rows, {"x": d}, 0
def slow(x): return sum(i * len(str(x)) for i in range(9))
"""


@pytest.mark.parametrize("name", ALIASES)
def test_entries_are_not_read_before_where_another_name_changes_them(name):
    left = both(ALIASES[name], "threads", earlier=CONTAINERS)
    assert left.report is None or kind(left) == "serial", str(left.report)
    assert (left.error is not None) == (name == "entries are added")
