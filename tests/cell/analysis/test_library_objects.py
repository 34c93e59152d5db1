"""Loops over objects of pandas and NumPy: what reads them, and what only seems to.

Covers `nbexec.cell.analysis.library_kinds`, `nbexec.cell.analysis.library_values` and
`nbexec.cell.analysis.tables`.
"""

from __future__ import annotations

import textwrap

import pytest

from ..both_ways import both, kind, reason

PRELUDE = """
import numpy as np, pandas as pd
df = pd.DataFrame({"k": list("abcabc"), "x": np.arange(6.0), "n": [3, 1, 2, 3, 1, 2]})
s = pd.Series([3.0, 1.0, np.nan, 2.0], index=list("abcd"))
objects = pd.DataFrame({"lists": [[1], [2], [3]], "x": [1, 2, 3]})
grouped = df.groupby("k")
ts = pd.Series(np.arange(8.0), index=pd.date_range("2024-01-01", periods=8))
arr = np.arange(12.0).reshape(4, 3)
buffer = np.zeros(3)
seen = []
def noted(part):
    seen.append(len(part))
    return part
def doubled(part):
    return part * 2
def show(thing):
    return thing.to_csv() if hasattr(thing, "to_csv") else repr(thing)
"""
ACCEPTED = {
    "set_index": "out = [show(df.set_index(k)) for k in ['k', 'n']]",
    "a chain": """
        out = []
        for how in ["mean", "sum"]:
            table = df.groupby("k")["x"].agg(how).reset_index().sort_values("x")
            out.append(show(table.rename(columns={"x": how})))
        """,
    "rows of a mask": """
        out = []
        for n in range(4):
            rows = df[(df["n"] == n) & (df.x > 0)].copy()
            rows["z"] = rows["x"] * 2
            rows.loc[rows["z"] > 4, "z"] = 0
            out.append(show(rows))
        """,
    "a query": "out = [len(df.query(f'n == {n}')) for n in range(4)]",
    "columns": "out = {c: float(df[c].describe()['mean']) for c in ['x', 'n']}",
    "loc": "out = [float(df.loc[df['k'] == k, 'x'].mean()) for k in 'abc']",
    "windows": "out = [show(ts.rolling(w).mean().dropna()) for w in (2, 3)]",
    "resampled": "out = [show(ts.resample(w).sum()) for w in ('2D', '3D')]",
    "groups": """
        out = {}
        for name, part in df.groupby("k"):
            part = part.assign(share=part.x / part.x.sum())
            part["w"] = 1
            out[name] = show(part)
        """,
    "an outer group-by": "out = [float(grouped.get_group(k)['x'].sum()) for k in 'abc']",
    "rows": "out = [row['x'] + row.n for _, row in df.iterrows()]",
    "tuples": "out = [row.x * row.n for row in df.itertuples()]",
    "texts": "out = [int(df['k'].str.upper().str.contains(c).sum()) for c in 'ABX']",
    "a function of one's own": "out = [show(df[c].apply(doubled)) for c in ['x', 'n']]",
    "merged": "out = [show(df.merge(df.groupby('k')[c].mean().rename('m'), on='k')) for c in ['x', 'n']]",
    "joined": "out = [show(pd.concat([df, df[df.n == i]]).reset_index(drop=True)) for i in range(3)]",
    "timestamps": "out = [t.replace(month=3).strftime('%Y-%m') for t in ts.index]",
    "times": "out = [pd.Timestamp('2024-01-31').replace(day=d).day_name() for d in range(1, 4)]",
    "objects": "out = [len(objects.sort_values('x').head(n)) for n in range(3)]",
    "arrays": "out = [float(np.sqrt(arr[i]).mean()) for i in range(4)]",
    "array arithmetic": "out = [((arr[:, j] - arr[:, j].mean()) / arr[:, j].std()).round(3).tolist() for j in range(3)]",
    "a new array": """
        out = []
        for i in range(4):
            made = np.zeros_like(arr)
            made[i] = arr[i]
            made.sort(axis=0)
            out.append(made.tolist())
        """,
    "ufuncs": "out = [np.add.outer(arr[i], arr[i]).trace().item() for i in range(4)]",
    "draws of one's own": """
        out = []
        for seed in range(4):
            rng = np.random.default_rng(seed)
            out.append(rng.choice(arr[:, 0], size=3).mean().item())
        """,
    "an output of one's own": """
        out = []
        for i in range(4):
            place = np.zeros(3)
            arr[: i + 1].sum(axis=0, out=place)
            place[0] = -1
            out.append(place.tolist())
        """,
    "functions in a list": "out = [float(f(arr)) for f in [np.mean, np.std, np.ptp]]",
    "functions of one's own in a list": "out = [f(arr).tolist() for f in (doubled, doubled)]",
    "a function of one's own on each number": """
        each = np.vectorize(lambda x: x * 2)
        out = [each(arr[i]).tolist() for i in range(4)]
        """,
    "fields of named tuples": """
        from collections import namedtuple
        from itertools import combinations
        P = namedtuple("P", "a b")
        points = [P(i, i * i) for i in range(4)]
        out = [p.a * q.b for p, q in combinations(points, 2)]
        """,
    "a class beside one that can't be changed": """
        from dataclasses import dataclass
        @dataclass(frozen=True)
        class Card:
            rank: int
        class Square:
            def __init__(self, rows):
                self.rows = rows
        out = [len(Square([i]).rows) for i in range(4)]
        """,
    "a class whose hash is that of its parts": """
        class Point:
            def __init__(self, a):
                self.a = a
            def __hash__(self):
                return hash((self.a, 1))
            def __eq__(self, other):
                return self.a == other.a
        points = [Point(i) for i in range(4)]
        out = [len({p, points[0]}) for p in points]
        """,
}
REFUSED = {
    "in place": ("for k in range(3):\n    df.drop(k, inplace=True)", "inplace"),
    "in place by a flag": (
        "flag = True\nfor k in range(3):\n    df.drop(index=k, inplace=flag)",
        "inplace",
    ),
    "in place by keywords": (
        "kw = {'inplace': True}\nfor k in range(3):\n    df.drop(index=k, **kw)",
        "inplace",
    ),
    "a column that is added": ("for k in range(3):\n    df.insert(0, f'c{k}', 1)", "`assign`"),
    "a column that is taken": ("for k in ['x', 'n']:\n    df.pop(k)", "`drop` gives a new one"),
    "a column that is added by the class": (
        "for k in range(3):\n    pd.DataFrame.insert(df, 0, f'c{k}', 1)",
        "`assign`",
    ),
    "a column that is set": ("for k in ['x', 'n']:\n    df[k] = 1", "in place"),
    "a function that notes": ("out = [len(df.apply(noted)) for i in range(3)]", "`noted`"),
    "a function of groups that notes": (
        "out = [len(grouped['x'].apply(noted)) for i in range(3)]",
        "`noted`",
    ),
    "a function that is piped": ("out = [len(df.pipe(noted)) for i in range(3)]", "`noted`"),
    "a function that transforms": ("out = [len(s.transform(noted)) for i in range(3)]", ""),
    "a sample": (
        "np.random.seed(1)\nout = [df.sample(2).index[0] for i in range(3)]",
        "random_state",
    ),
    "a list in a copy": (
        "for i in range(3):\n    t = objects.copy()\n    t['lists'].iloc[0].append(i)",
        "may change it",
    ),
    "a list that is the greatest": (
        "for i in range(3):\n    objects['lists'].max().append(i)",
        "may change it",
    ),
    "the name of an index that is shared": (
        "for i in range(3):\n    t = df.add_prefix('a')\n    t.index.name = str(i)",
        "in place",
    ),
    "a series that drop gives back": (
        "for i in range(3):\n    t = s.drop(columns='z')\n    t[f'n{i}'] = i",
        "in place",
    ),
    "values": ("for i in range(3):\n    v = arr[:, i]\n    v[0] = -1", "in place"),
    "a view": ("for i in range(3):\n    v = arr.reshape(-1)\n    v[i] = -1", "in place"),
    "a view of a function": (
        "for i in range(3):\n    v = np.ravel(arr)\n    v[i] = -1",
        "in place",
    ),
    "a name in a query": (
        "m = 1\nout = [len(df.query(f'n > @m and x > {i}')) for i in range(3)]",
        "`@`",
    ),
    "a name in a query that is an item": (
        "m = 1\nout = [len(df.query(q)) for q in ['n > @m', 'n < 2']]",
        "`@`",
    ),
    "a name in a query of a function": (
        "m = 1\ndef f(q):\n    return len(df.query(q))\nout = [f('n > @m') for q in ['n < 2', 'n < 3']]",
        "`@`",
    ),
    "a name in a query of a loop inside": (
        "m = 1\nqs = ['n > @m']\nout = [[len(df.query(q)) for q in qs] for q in ['n < 2', 'n < 3']]",
        "`@`",
    ),
    "an output": ("out = [arr.sum(axis=0, out=buffer)[0] for i in range(3)]", "from outside"),
    "an output by place": ("out = [arr.sum(0, None, buffer)[0] for i in range(3)]", "from outside"),
    "an output of a function": (
        "out = [np.cumsum(arr[:, 0], 0, None, arr[:, 1])[0] for i in range(3)]",
        "from outside",
    ),
    "an output of a ufunc's method": (
        "out = [np.add.reduce(arr, 0, None, buffer)[0] for i in range(3)]",
        "from outside",
    ),
    "an input that is overwritten": (
        "out = [np.median(arr[:, i], overwrite_input=True) for i in range(3)]",
        "overwrite_input",
    ),
    "what is no number": ("out = [np.nan_to_num(arr, copy=False)[0, 0] for i in range(3)]", "copy"),
    "an array that is sorted": ("for i in range(3):\n    arr.sort()", "np.sort"),
    "a file": ("for i in range(3):\n    df.to_csv('/dev/null')", "files"),
    "a function that isn't known": (
        "class Box: pass\nbox = Box()\nbox.f = noted\nboxes = [[box]]\nout = [list(map(b[0].f, [[1]])) for b in boxes]",
        "",
    ),
    "a function of a list that notes": (
        "fs = [noted]\nout = [list(map(f, [[1], [2]])) for f in fs]",
        "`noted`",
    ),
    "a function of a list by its place": (
        "fs = [noted]\nout = [sorted([[2], [1]], key=fs[0]) for i in range(2)]",
        "`noted`",
    ),
    "a function on each number that notes": (
        "each = np.vectorize(lambda x: seen.append(x))\nout = [each(arr[i]).size for i in range(4)]",
        "seen",
    ),
    "a hash that counts": (
        "class P:\n    n = 0\n    def __hash__(self):\n        P.n += 1\n        return hash(P.n)\nps = [P(), P()]\nout = [len({p}) for p in ps]",
        "",
    ),
    "a hash that is asked for": (
        "class P:\n    def __hash__(self):\n        return hash('a')\nps = [P(), P()]\nout = [p.__hash__() for p in ps]",
        "process",
    ),
    "settings of an outer group-by": (
        "g = df.groupby('k', as_index=False)\nout = [len(g.agg({'x': how})) for how in ['sum', 'mean']]",
        "for a moment",
    ),
}


@pytest.mark.parametrize("source", ACCEPTED.values(), ids=ACCEPTED)
@pytest.mark.parametrize("where", ["threads", "processes"])
def test_accepted(source, where):
    left = both(textwrap.dedent(source), where, earlier=PRELUDE)
    assert left.report is not None
    assert [one.reason for one in left.report.steps if one.reason] == []
    assert "parallel" in [one.kind for one in left.report.steps]


@pytest.mark.filterwarnings("ignore")  # newer versions warn of `inplace`
@pytest.mark.parametrize(("source", "said"), REFUSED.values(), ids=REFUSED)
def test_refused(source, said):
    left = both(source, earlier=PRELUDE)
    assert kind(left) == "serial"
    assert said in reason(left)
