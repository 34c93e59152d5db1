"""How far a value reaches: a body that changes an object from outside runs serially.

Each way reaches `rows` by another expression. One that the analysis missed would give a wrong
answer.

Covers `nbexec.cell.analysis.heap`, `nbexec.cell.analysis.new_values` and
`nbexec.cell.analysis.object_facts`.
"""

from __future__ import annotations

import pytest

from ..both_ways import both, runs_in_parallel, runs_serially

PRELUDE = """\
import enum
from dataclasses import dataclass, field
rows = [{"n": 0}, {"n": 1}]
class E(enum.Enum):
    A = rows
class K:
    def __class_getitem__(cls, i): return rows
    kept = rows
    def me(self): return self
    @property
    def p(self): return rows
    @staticmethod
    def s(): return rows
    @classmethod
    def c(cls): return cls.kept
    def __call__(self): return rows
    def gen(self):
        yield from rows
    def __hash__(self): return 1
    def __eq__(self, o): return rows
@dataclass
class D:
    a: list = field(default_factory=lambda: rows)
def deco(f):
    return lambda *a: rows
@deco
def deced(x): return 1
def closure():
    r = rows
    def inner(): return r
    return inner
inner = closure()
def dflt(r=rows): return r
class Sub(list):
    def __getitem__(self, i): return rows[0]
class M(dict):
    def __missing__(self, k): return rows[0]
holder = {"f": lambda: rows}
def kw(**k): return k
def va(*a): return a
def ret2(x): return x, rows
class C2:
    def __init__(self): self.z = [rows]
import functools, itertools, operator, copy
class Bag:  # gives what it holds
    def __init__(self, rows): self.rows = rows
    def __iter__(self): return iter(self.rows)
    def __getitem__(self, i): return self.rows[i]
    def __enter__(self): return self.rows
    def __exit__(self, *a): pass
    def __neg__(self): return self.rows
    def __add__(self, o): return self.rows
class Far:  # gives what it does not hold
    def __init__(self, r): self.k = r
    def __iter__(self): return iter(rows)
    def __getitem__(self, i): return [rows[i]]
    def __enter__(self): return rows
    def __exit__(self, *a): pass
    def __neg__(self): return rows
    def __lt__(self, o): return rows
    def __getattr__(self, n): return rows
    def __add__(self, o): yield rows[0]
"""

LOOP = """
out = []
for x in range(3):
    {}
    out.append(rows[0]["n"])
"""

WAYS = """\
for row in Bag(rows): row["n"] += 1
r = Bag(rows)[0]; r["n"] += 1
b, c = Bag(rows); b["n"] += 1
b = [*Bag(rows)][0]; b["n"] += 1
b = list(Bag(rows))[0]; b["n"] += 1
(-Bag(rows))[0]["n"] += 1
(Bag(rows)+1)[0]["n"] += 1
b = next(iter(Bag(rows))); b["n"] += 1
for i, row in enumerate(Bag(rows)): row["n"] += 1
for row in [r for r in Bag(rows)]: row["n"] += 1
with Bag(rows) as q: q[0]['n'] += 1
for row in Far(rows): row["n"] += 1
r = Far(x)[0][0]; r["n"] += 1
b, c = Far(x); b["n"] += 1
b = [*Far(x)][0]; b["n"] += 1
b = list(Far(x))[0]; b["n"] += 1
(-Far(x))[0]["n"] += 1
for r in (Far(x)+1): r["n"] += 1
b = next(iter(Far(x))); b["n"] += 1
for i, row in enumerate(Far(x)): row["n"] += 1
for row in [r for r in Far(x)]: row["n"] += 1
with Far(x) as q: q[0]['n'] += 1
(Far(x) < 3)[0]['n'] += 1
Far(x).foo[0]['n'] += 1
sorted(Far(x), key=str)[0]['n'] += 1
max(Far(x), key=str)['n'] += 1
dict(enumerate(Far(x)))[0]['n'] += 1
{1: Far(x)}[1][0][0]['n'] += 1
E['A'].value[0]['n'] += 1
E.A.value[0]['n'] += 1
E(rows).value[0]['n'] += 1
for e in E: e.value[0]['n'] += 1
K[3][0]['n'] += 1
K().kept[0]['n'] += 1
K().me().kept[0]['n'] += 1
K().p[0]['n'] += 1
K.s()[0]['n'] += 1
K.c()[0]['n'] += 1
K().c()[0]['n'] += 1
K()()[0]['n'] += 1
next(K().gen())['n'] += 1
(K()==1)[0]['n'] += 1
D().a[0]['n'] += 1
D(a=rows).a[0]['n'] += 1
deced(1)[0]['n'] += 1
inner()[0]['n'] += 1
dflt()[0]['n'] += 1
Sub([1])[0]['n'] += 1
M()[0]['n'] += 1
holder['f']()[0]['n'] += 1
kw(a=rows)['a'][0]['n'] += 1
va(rows)[0][0]['n'] += 1
ret2(1)[1][0]['n'] += 1
C2().z[0][0]['n'] += 1
functools.reduce(lambda a, b: a, [rows, 1])[0]['n'] += 1
list(itertools.chain(rows))[0]['n'] += 1
operator.itemgetter(0)(rows)['n'] += 1
copy.copy(rows)[0]['n'] += 1
[*rows][0]['n'] += 1
{**{'a': rows}}['a'][0]['n'] += 1
(lambda: rows)()[0]['n'] += 1
list(map(lambda r: r, rows))[0]['n'] += 1
list(zip(rows))[0][0]['n'] += 1
dict(a=rows)['a'][0]['n'] += 1
a, *b = rows; b[0]['n'] += 1; a['n'] += 1
(a := rows[0])['n'] += 1
next(iter(rows))['n'] += 1
vars(C2())['z'][0][0]['n'] += 1
getattr(C2(), 'z')[0][0]['n'] += 1
C2().__dict__['z'][0][0]['n'] += 1
list(reversed(rows))[1]['n'] += 1
rows.__iter__().__next__()['n'] += 1
max(rows, key=str)['n'] += 1
''.join('a').__class__; sum([rows], [])[0]['n'] += 1
([] + rows)[0]['n'] += 1
(rows * 1)[0]['n'] += 1
rows[:][0]['n'] += 1
rows.copy()[0]['n'] += 1
{1: rows}.get(1)[0]['n'] += 1
{1: rows}.pop(1)[0]['n'] += 1
q = []; q.extend(rows); q[0]['n'] += 1
q = []; q += rows; q[0]['n'] += 1
q = [0]; q[0] = rows; q[0][0]['n'] += 1
q = C2(); q.w = rows; q.w[0]['n'] += 1
q = {}; q.setdefault(1, rows)[0]['n'] += 1
q = {}; q.update(a=rows); q['a'][0]['n'] += 1
q = {}; q.update({'a': rows}); q['a'][0]['n'] += 1
q = {} | {'a': rows}; q['a'][0]['n'] += 1
f = rows[0].__setitem__; f('n', x + 1)
f = rows[0].update; f(n=x + 1)
rows[0].update(n=x+1)
setattr(K, 'kept', rows); rows[0]['n'] += 1
q = K; q.kept[0]['n'] += 1
type(K()).kept[0]['n'] += 1
K().__class__.kept[0]['n'] += 1
match_ = rows[0]; match_ |= {'n': x + 1}
functools.partial(dflt)()[0]['n'] += 1
functools.partial(lambda r: r, rows)()[0]['n'] += 1
max([rows[0]], default=rows[0])['n'] += 1
any_ = all_ = rows[0]; all_['n'] += 1
globals_ = K.me(K()); globals_.kept[0]['n'] += 1
super(K, K()).__init__(); rows[0]['n'] += 1
"""


@pytest.mark.parametrize("way", WAYS.splitlines())
def test_what_is_reached_from_outside_is_not_changed_beside_others(way):
    cell = LOOP.format(way)
    notebook = "__name__ = '__main__'\n" + PRELUDE  # its classes are of an earlier cell
    for left in (both(PRELUDE + cell), both(cell, earlier=notebook)):
        assert left.error is None
        assert left.report.steps[-1].kind == "serial"


ACCEPTED = {
    "a copy may be changed": """
rows = [{"a": 1}, {"a": 2}]
out = []
for row in rows:
    row = dict(row)
    row["b"] = row["a"] + 1
    out.append(row)
""",
}


@pytest.mark.parametrize("source", ACCEPTED.values(), ids=ACCEPTED)
@pytest.mark.parametrize("where", ["threads", "processes"])
def test_accepted(source, where):
    runs_in_parallel(source, where)


REFUSED = {
    "a store in an outer attribute": (
        "import types\na = types.SimpleNamespace()\nfor i in range(2):\n    a.b = i",
        "line 4: serial: changes `a` in place",
    ),
    "an item that is changed": (
        "rows = [{}, {}]\nfor row in rows:\n    row['a'] = 1",
        "line 3: serial: changes `row` in place",
    ),
    "part of an item that is changed": (
        "rows = [{'a': []}]\nfor row in rows:\n    part = row['a']\n    part.append(1)",
        "line 4: serial: calls `part.append()`, which may change it",
    ),
    "an item that is changed through a copy of the list": (
        "rows = [[1], [2]]\nfor i in range(2):\n    mine = list(rows)\n    mine[i].append(1)",
        "line 4: serial: calls `mine[i].append()`, which may change it",
    ),
    "an item that is changed through a fresh list": (
        "rows = [[1], [2]]\nfor r in rows:\n    a = []\n    b = a\n    b.append(r)\n"
        "    a[0].append(1)",
        "line 6: serial: calls `a[0].append()`, which may change it",
    ),
    "something that may be changed in place": (
        "rows = [[[1]], [[2]]]\nfor r in rows:\n    x = r[0]\n    x += [1]",
        "line 4: serial: does `x += [1]`, which may change something from outside in place",
    ),
    "a method of an outer object": (
        "import array\na = array.array('i')\nfor x in [1, 2]:\n    a.append(x)",
        "line 4: serial: calls `a.append()`, which may change it",
    ),
}


@pytest.mark.parametrize(("source", "said"), REFUSED.values(), ids=REFUSED)
def test_refused(source, said):
    runs_serially(source, said)
