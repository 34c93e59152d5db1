"""Calls with hidden state: a body that counts by one of them runs serially.

The counter is behind an operator, a property, a descriptor, a closure, or a callback of library
code, where the body alone doesn't show it.

Covers `nbexec.cell.analysis.arguments`, `nbexec.cell.analysis.expressions`, `nbexec.cell.analysis.functions` and
`nbexec.cell.analysis.library_calls`.
"""

from __future__ import annotations

import textwrap

import pytest

from ..both_ways import both

PRELUDE = """\
import functools, itertools, operator, contextvars, os, types, collections, weakref
import string, copy, json, re
n = [0]
def tick():
    n[0] += 1
    return n[0]
class Call:
    def __call__(self): return tick()
class S:
    def __str__(self): return str(tick())
    def __repr__(self): return str(tick())
    def __format__(self, f): return str(tick())
    def __bool__(self): return tick() > 2
    def __len__(self): return tick()
    def __contains__(self, x): return tick() > 2
    def __eq__(self, o): return tick() > 2
    def __hash__(self): return tick()
    def __int__(self): return tick()
    def __index__(self): return tick()
    def __float__(self): return float(tick())
    def __iter__(self): yield tick()
    def __lt__(self, o): return tick() > 2
    def __getattr__(self, a): return tick()
    def __getitem__(self, i): return tick()
    def __setitem__(self, i, v): tick()
    def __delitem__(self, i): tick()
    def __enter__(self): return tick()
    def __exit__(self, *a): tick()
    def __neg__(self): return tick()
    def __radd__(self, o): return tick()
    def __iadd__(self, o): tick(); return self
    def __matmul__(self, o): return tick()
    def __reversed__(self): return [tick()]
    def __round__(self, *a): return tick()
    def __abs__(self): return tick()
    def __divmod__(self, o): return tick()
    def __complex__(self): return complex(tick())
    def __bytes__(self): return bytes([tick()])
    def __call__(self): return tick()
    def __copy__(self): tick(); return self
    def __fspath__(self): return str(tick())
    @property
    def prop(self): return tick()
    @prop.setter
    def prop(self, v): tick()
    @functools.cached_property
    def cp(self): return tick()
    @classmethod
    def c(cls): return tick()
    @staticmethod
    def s(): return tick()
class Slots:
    __slots__ = ("a",)
    def __setattr__(self, k, v): tick()
class New:
    def __new__(cls): tick(); return super().__new__(cls)
class Init:
    def __init__(self): self.k = tick()
class Sub0:
    def __init_subclass__(cls): tick()
class Desc:
    def __get__(self, o, t=None): return tick()
    def __set__(self, o, v): tick()
class HasDesc:
    d = Desc()
class Meta(type):
    def __call__(cls): return tick()
    def __getattr__(cls, n): return tick()
class WithMeta(metaclass=Meta): pass
class Count:
    n = 0
    def up(self): type(self).n += 1; return self.n
    @classmethod
    def cup(cls): cls.n += 1; return cls.n
    def kup(self): self.__class__.n += 1; return Count.n
class Del:
    def __del__(self): tick()
def deco(f):
    @functools.wraps(f)
    def inner(*a):
        tick(); return f(*a)
    return inner
@deco
def deced(x): return n[0]
def counter():
    k = 0
    def inner():
        nonlocal k
        k += 1
        return k
    return inner
cnt = counter()
gen = (i for i in range(100))
it = itertools.count()
cv = contextvars.ContextVar("cv", default=0)
def cvup(): cv.set(cv.get() + 1); return cv.get()
def fattr(): fattr.k = getattr(fattr, "k", 0) + 1; return fattr.k
def glob():
    global G
    G = globals().get("G", 0) + 1
    return G
ns = types.SimpleNamespace(k=0)
def nsup(): ns.k += 1; return ns.k
dq = collections.deque(range(50))
st = {1,2,3,4,5}
dd = collections.defaultdict(itertools.count().__next__)
buf = bytearray(b"abc")
key = functools.cmp_to_key(lambda a, b: tick())
s0 = S()
part = functools.partial(tick)
lam = lambda: tick()
table = {"t": tick}
lst=[tick]
meth = s0.c
ch = collections.ChainMap({}, {"a": [0]})
"""

WAYS = """\
out.append(tick())
---
out.append(Call()())
---
out.append(str(s0))
---
out.append(repr(s0))
---
out.append(f'{s0}')
---
out.append(f'{s0!r}')
---
out.append('%s' % s0)
---
out.append('{}'.format(s0))
---
out.append(bool(s0))
---
out.append(1 if s0 else 2)
---
out.append(not s0)
---
out.append(len(s0))
---
out.append(3 in s0)
---
out.append(s0 == 3)
---
out.append(s0 != 3)
---
out.append({s0: 1} and n[0])
---
out.append(int(s0))
---
out.append([0,1,2,3,4,5,6][s0])
---
out.append(float(s0))
---
out.append(list(s0))
---
out.append([*s0])
---
out.append(sorted([s0, S()]) and n[0])
---
out.append(s0 < 3)
---
out.append(s0 > 3)
---
out.append(s0.foo)
---
out.append(getattr(s0, 'foo'))
---
out.append(getattr(s0, 'fo' + 'o'))
---
out.append(hasattr(s0, 'foo') and n[0])
---
out.append(s0[0])
---
out.append(-s0)
---
out.append(1 + s0)
---
out.append(sum([s0]))
---
out.append(s0 @ 1)
---
out.append(list(reversed(s0)))
---
out.append(round(s0))
---
out.append(abs(s0))
---
out.append(divmod(s0, 1))
---
out.append(complex(s0))
---
out.append(bytes(s0))
---
out.append(s0())
---
out.append(copy.copy(s0) and n[0])
---
out.append(os.fspath(s0))
---
out.append(s0.prop)
---
out.append(s0.cp)
---
out.append(s0.c())
---
out.append(S.c())
---
out.append(s0.s())
---
out.append(New() and n[0])
---
out.append(Init().k)
---
out.append(HasDesc().d)
---
out.append(HasDesc.d)
---
out.append(WithMeta())
---
out.append(WithMeta.foo)
---
out.append(Count().up())
---
out.append(Count.cup())
---
out.append(Count().cup())
---
out.append(Count().kup())
---
out.append(deced(x))
---
out.append(cnt())
---
out.append(next(gen))
---
out.append(next(it))
---
out.append(it.__next__())
---
out.append(cvup())
---
out.append(fattr())
---
out.append(glob())
---
out.append(nsup())
---
out.append(dq.pop())
---
out.append(dq.popleft())
---
out.append(dq.rotate(1) or dq[0])
---
out.append(st.pop())
---
out.append(dd[x % 2 + tick()])
---
out.append(buf.append(1) or len(buf))
---
out.append(sorted([1,2,3], key=key) and n[0])
---
out.append(part())
---
out.append(lam())
---
out.append(table['t']())
---
out.append(lst[0]())
---
out.append(meth())
---
out.append([f() for f in lst])
---
out.append(list(map(lambda f: f(), lst)))
---
out.append(operator.call(tick) if hasattr(operator, 'call') else tick())
---
out.append(operator.methodcaller('c')(s0))
---
out.append(operator.attrgetter('prop')(s0))
---
out.append(functools.reduce(lambda a, b: tick(), [1,2,3]))
---
out.append(list(filter(lambda a: tick() > 2, [1])))
---
out.append(list(itertools.takewhile(lambda a: tick() < 3, [1,2])))
---
out.append(list(itertools.starmap(lambda a: tick(), [(1,)])))
---
out.append(re.sub('a', lambda m: str(tick()), 'a'))
---
out.append(json.dumps(1, default=lambda o: tick()) and tick())
---
out.append(json.dumps(S2 if False else [1], cls=None) and tick())
---
out.append(any(tick() > 5 for i in [1]))
---
out.append((lambda k=tick(): k)())
---
out.append({tick() for i in [1]})
---
out.append(eval('tick()'))
---
out.append(exec('tick()') or n[0])
---
out.append(vars()['tick']())
---
out.append(globals()['tick']())
---
out.append(locals()['tick']())
---
out.append(ch['a'].append(1) or len(ch['a']))
---
out.append(ch.maps[1]['a'].append(1) or len(ch['a']))
---
out.append(min([3, 4], key=lambda v: tick()))
---
out.append(string.Template('$a').substitute(a=s0))
---
out.append(print(s0) or 1)
---
out.append('a'.join([str(s0)]))
---
out.append(sum((tick() for i in [1]), 0))
---
out.append(dict(a=s0)['a'].prop)
---
out.append([s0][0].prop)
---
out.append((s0, 1)[0].prop)
---
out.append(list({1: s0}.values())[0].prop)
---
out.append(next(iter([s0])).prop)
---
out.append((s0 or 1) and n[0])
---
out.append(__import__('random').random() and 0)
---
out.append(type('T', (Sub0,), {}) and n[0])
---
out.append(setattr(ns, 'k', ns.k + 1) or ns.k)
---
out.append(operator.setitem(n, 0, n[0] + 1) or n[0])
---
out.append(operator.iadd(n, [1]) and len(n))
---
out.append(n.__setitem__(0, n[0]+1) or n[0])
---
out.append(n.__iadd__([1]) and len(n))
---
out.append(list.append(n, 1) or len(n))
---
out.append(getattr(n, 'append')(1) or len(n))
---
out.append(type(n).append(n, 1) or len(n))
---
out.append(functools.partial(n.append, 1)() or len(n))
---
out.append((n.append)(1) or len(n))
---
out.append([n.append(i) for i in [1]] and len(n))
---
out.append(list(map(n.append, [1])) and len(n))
---
out.append(sorted([1], key=n.append) and len(n))
---
out.append(n.sort(key=lambda v: -v) or n[0] + tick())
---
s0[0] = 1; out.append(n[0])
---
del s0[0]; out.append(n[0])
---
with s0 as q: out.append(q)
---
q = s0; q += 1; out.append(n[0])
---
s0.prop = 1; out.append(n[0])
---
Slots().a = 1; out.append(n[0])
---
h = HasDesc(); h.d = 1; out.append(n[0])
---
d = Del(); del d; out.append(n[0])
---
class T(Sub0): pass
out.append(n[0])
---
n[0], q = n[0] + 1, 2; out.append(n[0])
---
for n[0] in [n[0] + 1]: pass
out.append(n[0])
---
[n[0]] = [n[0] + 1]; out.append(n[0])
---
assert tick(); out.append(n[0])
---
match s0:
    case S(prop=p): out.append(p)
---
try:
    raise ValueError(tick())
except ValueError as e: out.append(e.args[0])
---
raise_ = 1 if s0 else 2; out.append(raise_)
---
while s0: break
out.append(n[0])
---
q = n; q += [1]; out.append(len(n))
---
q = n; q *= 2; out.append(len(n))
---
ns.k += 1; out.append(ns.k)
---
ns.__dict__['k'] += 1; out.append(ns.k)
---
vars(ns)['k'] += 1; out.append(ns.k)
---
w = weakref.ref(s0); out.append(w().prop)
---
q = [n]; q[0].append(1); out.append(len(n))
---
q = {'a': n}; q['a'].append(1); out.append(len(n))
---
def f(): return tick()
out.append(f())
---
f = lambda: n.append(1); f(); out.append(len(n))
---
print(tick()); out.append(1)
"""

LOOP = """
out = []
for x in range(4):
{}
out = [repr(one) for one in out]
left = n[0]
del s0, h0, d, q, p, key, gen, it, dq, buf
"""
KEPT = "d = h0 = q = p = 0\n"


@pytest.mark.one_in(2)
@pytest.mark.parametrize("way", WAYS.split("\n---\n"))
@pytest.mark.parametrize("name", ["", "__name__ = '__main__'\n"], ids=["script", "notebook"])
def test_what_counts_somewhere_counts_in_order(way, name):
    cell = LOOP.format(textwrap.indent(way.strip(), "    "))
    if name:  # the notebook's functions and classes are of an earlier cell
        left, loop = both(cell, earlier=name + PRELUDE + KEPT), 3
    else:
        left, loop = both(PRELUDE + KEPT + cell), PRELUDE.count("\n") + 4
    if left.report is not None:
        (step,) = [step for step in left.report.steps if step.first == loop]
        assert step.kind == "serial"


FIELDS = """
from dataclasses import dataclass, field
import attrs
log = []
def count(*given):
    log.append(1)
    return len(log)
@dataclass
class Plain:
    t: int = 0
class Above(Plain):
    def __init__(self, t):
        super().__init__(t)
@dataclass
class Made:
    t: int = field(default_factory=count)
@attrs.define
class Factory:
    t: int = attrs.field(factory=count)
@attrs.define
class Converter:
    t: int = attrs.field(default=0, converter=attrs.converters.optional(count))
@attrs.define
class Validator:
    t: int = attrs.field(default=0, validator=[attrs.validators.instance_of(int), count])
plain, above = Plain(), Above(0)
"""
GENERATED = {
    "__init__ called again": "plain.__init__(plain.t + i)\nout.append(plain.t)",
    "__init__ of the class": "Plain.__init__(plain, plain.t + i)\nout.append(plain.t)",
    "__init__ of a class above": "above.__init__(above.t + i)\nout.append(above.t)",
    "__setattr__": "plain.__setattr__('t', i)\nout.append(plain.t)",
    "what a dataclass keeps": "one = Plain(log)\none.t.append(i)\nout.append(len(log))",
    "what the class above keeps": "one = Above(log)\none.t.append(i)\nout.append(len(log))",
    "a factory of a dataclass": "out.append(Made().t)",
    "a factory of attrs": "out.append(Factory().t)",
    "a converter of attrs": "out.append(Converter(i).t)",
    "a validator of attrs": "out.append((Validator(i).t, len(log)))",
}


@pytest.mark.parametrize("what", GENERATED)
def test_what_a_generated_method_changes_or_calls_counts_in_order(what):
    body = textwrap.indent(GENERATED[what], "    ")
    cell = f"out = []\ndef step(i):\n{body}\n    return out[-1]\n"
    for loop in (
        f"out = []\nfor i in range(9):\n{body}\n",
        f"{cell}found = [step(i) for i in range(9)]",
    ):
        left = both(loop + "\none = None", earlier=FIELDS)
        assert left.report is not None
        assert not [step for step in left.report.steps if step.kind == "parallel"]
