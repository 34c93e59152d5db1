"""Items that a loop changes in place: what their values take is computed ahead.

Covers `nbexec.cell.loops.own_items` and `nbexec.cell.loops.entry_rows`.
"""

from __future__ import annotations

import pytest

from ..both_ways import both, kind, reason

EARLIER = """
import contextlib, weakref
from collections import UserDict, defaultdict, namedtuple
Pair = namedtuple("Pair", "k row")
def slow(x): return sum(i * (x or 1) for i in range(20))
def same(x): return x
class Point:
    def __init__(self, n): self.n, self.v = n, None
class Guarded(Point):
    @property
    def size(self): return self.n
    @size.setter
    def size(self, n): self.n = n + 1
class Noting:
    log = []
    def __init__(self, n): self.__dict__["n"] = n
    def __setattr__(self, name, value):
        self.log.append(name)
        self.__dict__[name] = value
rows = [{"n": n} for n in range(12)]
d = {k: {"n": k} for k in range(12)}
ps = [Point(n) for n in range(12)]
"""

AHEAD = {
    "a key": "for row in rows: row['s'] = slow(row['n'])",
    "the same key": "for row in rows: row['n'] = slow(row['n'])",
    "two keys": "for row in rows:\n    row['a'] = slow(row['n'])\n    row['b'] = slow(row['n'] + 1)",
    "of another": "for row in rows:\n    row['a'] = slow(row['n'])\n    row['n'] = slow(row['a'])",
    "after a store": "for row in rows:\n    row['n'] = same(row['n'])\n    row['m'] = slow(row['n'])",
    "enumerate": "for i, row in enumerate(rows): row['s'] = slow(row['n']) + i",
    "zip": "for x, row in zip(range(12), rows): row['s'] = slow(x) + row['n']",
    "items": "for k, v in d.items(): v['s'] = slow(v['n'])",
    "values": "for v in d.values(): v['s'] = slow(v['n'])",
    "nested": "for i, (k, v) in enumerate(d.items()): v['s'] = slow(v['n']) + i",
    "an attribute": "for p in ps: p.v = slow(p.n)",
    "two attributes": "for p in ps:\n    p.v = slow(p.n)\n    p.w = (p.v, p.n)",
    "a name between": "for p in ps:\n    v = slow(p.n)\n    p.v = v",
    "the one before": "last = None\nfor p in ps:\n    p.v = slow(p.n) + (last.v if last else 0)\n    last = p",
    "deleted": "for row in rows:\n    v = slow(row['n'])\n    del row['n']\n    row['m'] = v",
    "in a branch": "for row in rows:\n    if row['n'] % 3: row['s'] = slow(row['n'])\n    else: row['s'] = 0",
    "break": "for row in rows:\n    row['s'] = slow(row['n'])\n    if row['n'] == 7: break",
    "it raises": "for row in rows: row['s'] = slow(row['n']) // (row['n'] - 9)",
    "lists": "table = [[n, 0] for n in range(12)]\nfor r in table: r[1] = slow(r[0])",
    "named tuples": "pairs = [Pair(n, {'n': n}) for n in range(9)]\nfor k, row in pairs: row['s'] = slow(row['n']) + k",
    "changed by a call": "for row in rows:\n    h = [slow(row['n'])]\n    row['a'] = row['b'] = h\n    h.append(1)",
    "changed by a function": "def put(h):\n    h.append(1)\n    return slow(len(h))\nfor row in rows:\n    h = [slow(row['n'])]\n    row['a'] = h\n    row['s'] = put(h)",
    "added to": "for row in rows: row['n'] += slow(row['n'])",
    "added to an attribute": "for p in ps: p.n += slow(p.n)",
    "added to a text": "for row in rows: row['t'] = 'a'\nfor row in rows: row['t'] += str(slow(row['n']))",
    "added to, in order": "t = 0\nfor row in rows:\n    row['n'] += slow(row['n'])\n    t = t * 2 + row['n']",
    "an entry": "for k in d: d[k]['s'] = slow(d[k]['n'])",
    "an entry, whole": "def f(row): return slow(row['n']) + len(row)\nfor k in d: d[k]['s'] = f(d[k])",
    "an entry that is added to": "for k in d: d[k]['n'] += slow(d[k]['n']) + k",
    "entries in an order": "for k in sorted(d): d[k]['s'] = slow(d[k]['n'])",
    "entries of some": "for k in list(d): d[k]['s'] = slow(d[k]['n']) if k % 3 else 0",
    "keys": "for k in d.keys(): d[k]['s'] = slow(d[k]['n'])",
    "places": "for i in range(len(rows)): rows[i]['s'] = slow(rows[i]['n']) + i",
    "attributes of entries": "for i in range(len(ps)): ps[i].v = slow(ps[i].n)",
    "an entry raises": "for k in d: d[k]['s'] = slow(d[k]['n']) // (k - 9)",
    "an entry breaks": "for k in d:\n    d[k]['s'] = slow(d[k]['n'])\n    if k == 7: break\nelse: d = 1",
    "an entry is kept": "seen = []\nfor k in d:\n    d[k]['s'] = slow(d[k]['n'])\n    seen.append(d[k])",
    "kept": "seen = []\nfor row in rows:\n    row['s'] = slow(row['n'])\n    seen.append(row)",
}  # fmt: skip

SERIAL = {
    "a list is added to": "for row in rows: row['l'] = [1]\nfor row in rows: row['l'] += [slow(row['n'])]",
    "one list is added to": "l = []\nfor row in rows: row['l'] = l\nfor row in rows: row['l'] += [slow(row['n'] + len(l))]",
    "added to twice": "for row in rows:\n    row['n'] += 1\n    row['n'] += slow(row['n'])",
    "the entry before": "for k in d: d[k]['n'] = slow(d[max(k - 1, 0)]['n'])",
    "entries are one": "d = dict.fromkeys(range(9), {'n': 1})\nfor k in d: d[k]['n'] = slow(d[k]['n'])",
    "an entry is bound anew": "for k in list(d):\n    d[k] = {'n': slow(d[k]['n'])}\n    d[k]['n'] += slow(d[0]['n'])",
    "a function looks up entries": "def f(k): return slow(d[k - 1]['n'] if k else 1)\nfor k in d: d[k]['n'] = f(k)",
    "the places of another": "more = rows[::-1]\nfor i in range(len(rows)): rows[i]['n'] = slow(more[i]['n'])",
    "twice": "rows += rows[:3]\nfor row in rows: row['n'] = slow(row['n'])",
    "the next one": "for a, b in zip(rows, rows[1:]): b['n'] = slow(a['n'])",
    "itself": "for row in rows: row['me'] = row\nfor row in rows: row['n'] = slow(row['me']['n'])",
    "linked": "for p, q in zip(ps, ps[1:]): q.v = p\nfor p in ps: p.n = slow(p.v.n if p.v else 1)",
    "another by name": "for p in ps: p.v = slow(p.n + (ps[0].v or 0))",
    "by a function": "def f(n): return slow(n + (ps[0].v or 0))\nfor p in ps: p.v = f(p.n)",
    "changed first": "for row in rows:\n    row['n'] += 1\n    row['s'] = slow(row['n'])",
    "shared inside": "log = []\nfor row in rows: row['log'] = log\nfor row in rows:\n    row['n'] = slow(len(row['log']))\n    row['log'].append(1)",
    "a setter": "gs = [Guarded(n) for n in range(9)]\nfor g in gs: g.size = slow(g.size)",
    "__setattr__": "ns = [Noting(n) for n in range(9)]\nfor n in ns: n.v = slow(n.n)",
    "one dict for all": "class Borg:\n    shared = {}\n    def __init__(self, n): self.__dict__ = self.shared; self.n = n\nbs = [Borg(n) for n in range(9)]\nfor b in bs: b.n = slow(b.n)",
    "the dict of one": "one = vars(ps[0])\nfor p in ps: p.v = slow(p.n + (one['v'] or 0))",
    "a weak dictionary": "weak = weakref.WeakValueDictionary({0: ps[0]})\nfor p in ps: p.v = slow(p.n + (weak[0].v or 0))",
    "a weak set": "def f(n, weak=weakref.WeakSet(ps[:1])): return slow(n + sum(p.v or 0 for p in weak))\nfor p in ps: p.v = f(p.n)",
    "a method of one": "get = rows[0].get\nfor row in rows: row['s'] = slow(row['n'] + get('s', 0))",
    "an attribute of a function": "def f(n): return slow(n + (f.first.v or 0))\nf.first = ps[0]\nfor p in ps: p.v = f(p.n)",
    "twice in named tuples": "pairs = [Pair(n, rows[0]) for n in range(9)]\nfor k, row in pairs: row['n'] = slow(row['n']) + k",
    "twice before a star": "triples = [(rows[0], n, n) for n in range(9)]\nfor row, *more in triples: row['n'] = slow(row['n']) + more[0]",
    "twice in keys": "pairs = [{ps[0]: 1, n: 1} for n in range(9)]\nfor p, n in pairs: p.n = slow(p.n) + n",
    "set by a loop": "for row in rows:\n    for row['n'] in range(3): pass\n    row['s'] = slow(row['n'])",
    "set by a with": "for row in rows:\n    with contextlib.nullcontext(5) as row['n']: pass\n    row['s'] = slow(row['n'])",
    "set by a comprehension": "for row in rows: row['s'] = [0 for row['n'] in (5,)][0] + slow(row['n'])",
    "classes": "class Meta(type): pass\nclass A(metaclass=Meta): n = 1\nclass B(A): pass\nfor kind in [A, B]: kind.n = slow(kind.n)",
    "wrapped dicts": "class D(UserDict): pass\nds = [D() for n in range(9)]\nfor one in ds: one.data = ds[0].data\nfor one in ds: one['n'] = slow(one.get('n', 1))",
    "views": "import numpy as np\nm = np.arange(9.0)\nvs = [m[i:i + 2] for i in range(8)]\nfor v in vs: v[1] = slow(v[0])",
}  # fmt: skip


@pytest.mark.parametrize("backend", ["threads", "processes"])
@pytest.mark.parametrize("cell", AHEAD)
def test_what_they_take_is_computed_ahead(cell: str, backend: str) -> None:
    left = both(AHEAD[cell], backend, earlier=EARLIER)
    if left.report is None:
        assert left.error is not None
        return
    assert any("computed ahead" in step.reason for step in left.report.steps), str(left.report)


@pytest.mark.parametrize("backend", ["threads", "processes"])
@pytest.mark.parametrize("cell", SERIAL)
def test_what_others_may_read_is_done_in_order(cell: str, backend: str) -> None:
    left = both(SERIAL[cell], backend, earlier=EARLIER)
    assert left.report is not None
    assert not any("slow" in step.what for step in left.report.steps), str(left.report)


def test_a_key_that_an_inner_loop_binds_is_another_one():
    source = "for k in d: d[k]['n'] = size([d[k] for k in 'ab'])"
    earlier = (
        "d = {k: {'x': k} for k in 'abc'}\ndef size(rows): return ''.join(r['x'] for r in rows)"
    )
    both(source, earlier=earlier)


OWN = """
class P:
    def __init__(self, n): self.n, self.log = n, []
    def step(self): self.n = sum(i * self.n for i in range(9)) % 7
    def run(self):
        self.log.append(self.n)
        return self.n * 2
    def after(self): return sum(i * self.n for i in range(9)) % 7
parts = [P(i) for i in range(9)]
"""


@pytest.mark.parametrize("cell", ["for p in parts: p.step()", "out = [p.run() for p in parts]"])
def test_a_method_that_changes_its_object_is_told_with_what_would_do(cell: str) -> None:
    left = both(cell, earlier=OWN)
    assert kind(left) == "serial"
    assert "`p.x = p.f()` of an `f` that only computes would do" in reason(left)


def test_what_is_told_would_do() -> None:
    left = both("for p in parts: p.n = p.after()", earlier=OWN)
    assert "computed ahead" in reason(left)
