"""Reads of an accumulator by another way than its name: such a body runs serially.

It is reached through a view, a closure, a class, a default argument, or an object that holds it.

Covers `nbexec.cell.analysis.names`.
"""

from __future__ import annotations

import textwrap

import pytest

from ..both_ways import both, kind, reason, runs_serially

PRELUDE = """\
import functools, itertools, operator, collections, copy, types, weakref
import numpy as np
class Box:
    def __init__(self, o): self.o = o
    def __len__(self): return len(self.o)
    def __iter__(self): return iter(self.o)
    @property
    def size(self): return len(self.o)
    def __call__(self): return len(self.o)
    def __str__(self): return str(len(self.o))
out = []
total = 0
d = {}
s = set()
arr = np.zeros(4)
view = arr[1:]
b = Box(out)
other = [out]
nested = {"o": {"p": out}}
part = functools.partial(len, out)
it = iter(out)
meth = out.__len__
dv = d.keys()
dvals = d.values()
mp = types.MappingProxyType(d)
ch = collections.ChainMap(d)
def size(): return len(out)
lam = lambda: len(out)
def dflt(o=out): return len(o)
def clos():
    o = out
    def inner(): return len(o)
    return inner
inner = clos()
mv = memoryview(arr)
ud = collections.UserDict(); ud.data = d
ul = collections.UserList(); ul.data = out
ns = types.SimpleNamespace(o=out)
gen = (len(out) for i in range(100))
wr = weakref.ref(s)
cyc = itertools.cycle(out)
dq = collections.deque([out])
class K:
    o = out
    @classmethod
    def c(cls): return len(cls.o)
"""

WAYS = """\
res.append(len(dflt.__defaults__[0])); out.append(x)
---
res.append(len(inner.__closure__[0].cell_contents)); out.append(x)
---
res.append(len(size.__globals__['out'])); out.append(x)
---
res.append(len(K.__dict__['o'])); out.append(x)
---
res.append(len(vars(K)['o'])); out.append(x)
---
res.append(len(K().__class__.o)); out.append(x)
---
res.append(len(type(K()).o)); out.append(x)
---
res.append(len(b.__dict__['o'])); out.append(x)
---
res.append(len(vars(b)['o'])); out.append(x)
---
res.append(len(meth.__self__)); out.append(x)
---
res.append(len(part.args[0])); out.append(x)
---
res.append(len(getattr(K,'o'))); out.append(x)
---
res.append(len(operator.attrgetter('o')(b))); out.append(x)
---
res.append(len(operator.attrgetter('o')(K))); out.append(x)
---
res.append(len(list(map(operator.attrgetter('o'), [K]))[0])); out.append(x)
---
res.append(len(sum([K], start=None) if 0 else K.o)); out.append(x)
---
res.append(len(max([K], key=id).o)); out.append(x)
---
res.append(len([K][0].o)); out.append(x)
---
res.append(len((lambda k: k.o)(K))); out.append(x)
---
res.append(len({1: K}[1].o)); out.append(x)
---
res.append(len({1: size}[1].__globals__['out'])); out.append(x)
---
res.append([f() for f in [size]]); out.append(x)
---
res.append(list(map(len, other))); out.append(x)
---
res.append(sum(map(len, other))); out.append(x)
---
res.append(functools.reduce(lambda a, o: a + len(o), other, 0)); out.append(x)
---
res.append(len(wr.__class__.__name__) + len(wr() or ())); s.add(x)
---
res.append(len(copy.copy(b).o)); out.append(x)
---
res.append(len(next(iter(other)))); out.append(x)
---
res.append(len(other.copy()[0])); out.append(x)
---
res.append(len({**nested}['o']['p'])); out.append(x)
---
res.append(len(list(nested.values())[0]['p'])); out.append(x)
---
k, *r = other; res.append(len(k)); out.append(x)
---
match nested:
    case {'o': {'p': p}}: res.append(len(p))
out.append(x)
---
match b:
    case Box(o=p): res.append(len(p))
out.append(x)
---
with __import__('contextlib').nullcontext(other) as q: res.append(len(q[0]))
out.append(x)
---
try:
    raise ValueError(other)
except ValueError as e: res.append(len(e.args[0][0]))
out.append(x)
---
res.append(len(out)); out.append(x)
---
res.append(len(b)); out.append(x)
---
res.append(list(b)); out.append(x)
---
res.append(b.size); out.append(x)
---
res.append(b()); out.append(x)
---
res.append(str(b)); out.append(x)
---
res.append(f'{b}'); out.append(x)
---
res.append(len(other[0])); out.append(x)
---
res.append(len(nested['o']['p'])); out.append(x)
---
res.append(part()); out.append(x)
---
res.append(next(it, None)); out.append(x)
---
res.append(meth()); out.append(x)
---
res.append(list(dv)); d[x] = x
---
res.append(len(dv)); d[x] = x
---
res.append(list(dvals)); d[x] = x
---
res.append(len(mp)); d[x] = x
---
res.append(x in mp); d[x + 1] = x
---
res.append(len(ch)); d[x] = x
---
res.append(size()); out.append(x)
---
res.append(lam()); out.append(x)
---
res.append(dflt()); out.append(x)
---
res.append(inner()); out.append(x)
---
res.append(float(view.sum())); arr[x] = 1
---
res.append(float(arr.sum())); view[0] += 1
---
res.append(bytes(mv)); arr[x] = 1
---
res.append(mv.tolist()); arr[x] = 1
---
res.append(len(ud)); d[x] = x
---
res.append(len(ul)); out.append(x)
---
res.append(len(ns.o)); out.append(x)
---
res.append(next(gen)); out.append(x)
---
res.append(len(wr())); s.add(x)
---
res.append(next(cyc, 0)); out.append(x)
---
res.append(len(dq[0])); out.append(x)
---
res.append(K.c()); out.append(x)
---
res.append(len(K.o)); out.append(x)
---
res.append(len(K().o)); out.append(x)
---
res.append(str(other)); out.append(x)
---
res.append(repr(nested)); out.append(x)
---
res.append(copy.copy(out)); out.append(x)
---
res.append(copy.deepcopy(other)); out.append(x)
---
out.append(res); res.append(x)
---
out.append(x); res.append(out)
---
out.append(out)
---
d[x] = d
---
d['k'] = x; res.append(d.get('k'))
---
total += len(res); res.append(total)
---
total += x; res.append(f'{total}')
---
total += x; y = total
---
y = total; total += x
---
d[len(d)] = x
---
arr[int(arr.sum())] += 1
---
out.append(x) if not out else None
---
res.append(x) or out.append(len(res))
---
out += out or [x]
---
out.extend(out or [x])
---
d.update(d, k=x); d[x] = len(d)
---
s |= {len(s)}
---
s.add(len(s))
---
d.setdefault(x % 2, []).append(len(d))
---
total = max(total, total + x)
---
res.append(other.index(out)); out.append(x)
---
res.append(out == []); out.append(x)
---
res.append(bool(out)); out.append(x)
---
res.append(3 in out); out.append(x + 1)
---
res.append([*out]); out.append(x)
---
res.append(out[:]); out.append(x)
---
res.append(out * 1); out.append(x)
---
res.append(any(out)); out.append(x)
---
q = out; q.append(x); res.append(len(out))
---
q = other[0]; q.append(x); res.append(1)
---
(lambda o: o.append(x))(out); res.append(len(out))
---
res.append(locals().get('out') and 1); out.append(x)
---
view[x - 1 if x else 0] += 1; res.append(float(arr[1]))
---
arr += view.sum(); res.append(1)
---
arr[x] = view.sum()
---
np.add(arr, 1, out=arr); res.append(float(arr[0]))
---
arr.sort(); res.append(float(arr[0])); arr[0] = 5 - x
---
arr.fill(x); res.append(float(arr[0]))
---
arr.flat[x] = 1; res.append(float(arr.sum()))
---
arr.T[x] = 1; res.append(float(arr.sum()))
---
arr.real[x] = 1; res.append(float(arr.sum()))
---
arr.reshape(2,2)[0] += 1; res.append(float(arr.sum()))
---
arr.ravel()[x] = 1; res.append(float(arr.sum()))
---
np.asarray(arr)[x] = 1; res.append(float(arr.sum()))
---
np.atleast_1d(arr)[x] = 1; res.append(float(arr.sum()))
---
arr[...][x] = 1; res.append(float(arr.sum()))
---
arr[:][x] = 1; res.append(float(arr.sum()))
---
np.split(arr, 2)[0][0] += 1; res.append(float(arr.sum()))
---
mv[0:1]; memoryview(arr)[x] = 1.0; res.append(float(arr.sum()))
---
np.put(arr, x, 1); res.append(float(arr.sum()))
---
for i, v in enumerate(arr): arr[i] = v + 1
res.append(float(arr.sum()))
---
np.cumsum(arr, out=arr); res.append(1)
---
arr.cumsum(out=arr); res.append(float(arr.sum())); arr[0] = x
---
a, arr[x] = 1, arr.sum() + 1
---
arr[x], y = arr.sum() + 1, 2
"""

LOOP = """
res = []
for x in range(4):
{}
left = [repr(one) for one in (res, out, total, d, s, arr)]
del it, gen, cyc, mv, wr, dv, dvals, mp, ch, ud, ul, nested, other, b, dq, ns
"""


@pytest.mark.one_in(2)
@pytest.mark.parametrize("way", WAYS.split("\n---\n"))
@pytest.mark.parametrize("name", ["", "__name__ = '__main__'\n"], ids=["script", "notebook"])
def test_what_is_read_is_what_was_there(way, name):
    cell = LOOP.format(textwrap.indent(way.strip(), "    "))
    if name:  # the notebook's functions and classes are of an earlier cell
        left, loop = both(cell, earlier=name + PRELUDE), 3
    else:
        left, loop = both(PRELUDE + cell), PRELUDE.count("\n") + 3
    if left.report is not None:
        (step,) = [step for step in left.report.steps if step.first == loop]
        assert step.kind == "serial"


REFUSED = {
    "an iterator inside something": (
        "d = {'it': iter([1, 2, 3])}\nout = []\nfor x in [1, 2]:\n    out.append(sum(d['it']))",
        "line 4: serial: uses something that holds a list_iterator, which reading changes",
    ),
    "an iterator inside an item": (
        "row = {'it': iter([1, 2])}\nrows = [row, row]\nout = [sum(r['it']) for r in rows]",
        "line 3: serial: uses something that holds a list_iterator, which reading changes",
    ),
    "an entry that is made by looking it up": (
        "from collections import defaultdict\ndd = defaultdict(list)\n"
        "out = [len(dd[x]) for x in [2, 1]]",
        "line 3: serial: looks up an entry of a `defaultdict`, which may make one",
    ),
    "an entry inside something": (
        "from collections import defaultdict\nd = {'a': defaultdict(int)}\n"
        "def f(x):\n    return d['a'][x]\nout = [f(x) for x in [2, 1]]",
        "line 5: serial: calls `f`, which looks up an entry of a `defaultdict`",
    ),
}


@pytest.mark.parametrize(("source", "said"), REFUSED.values(), ids=REFUSED)
def test_refused(source, said):
    runs_serially(source, said)


def test_what_a_library_was_given_is_the_notebooks(monkeypatch):
    monkeypatch.setattr("string.of_the_notebook", None, raising=False)
    earlier = "import string\nout = string.of_the_notebook = []\n"
    earlier += "def seen(x): return x + len(string.of_the_notebook)\nn = 0\n"
    left = both("for x in range(6):\n    n = n + seen(x)\n    out.append(n)", earlier=earlier)
    assert kind(left) == "serial", reason(left)
