"""Functions and classes that a cell defined: an item finds them as the plain loop does.

Each program defines `work`, and `items` where they are not numbers.  It runs as a cell does: its
names are of no module that could be imported.

Covers `nbexec.serialize.standard_objects` and `nbexec.serialize.dispatchers`.
"""

from __future__ import annotations

import asyncio
import importlib.util
import inspect
import os
import subprocess
import sys
from typing import Any

import pytest

import nbexec
from nbexec.journal.code_fingerprint import Codes

PROGRAMS: dict[str, str] = {}

PROGRAMS["caches"] = """
import functools
@functools.cache
def base(n): return n * 10
@functools.lru_cache(maxsize=7, typed=True)
def sized(n):
    'doc'
    return n * 10
sized.extra = 5
def work(x):
    return (base(x % 3), sized(x), base.cache_parameters(), sized.cache_parameters(), sized.extra,
            sized.__doc__, sized.__qualname__, sized.__module__, base.__wrapped__(2))
"""

PROGRAMS["recursion through a cache"] = """
import functools
@functools.cache
def fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)
def outer():
    @functools.cache
    def inner(n): return n if n < 2 else inner(n - 1) + inner(n - 2)
    return inner
inner = outer()
@functools.cache
def even(n): return n == 0 or odd(n - 1)
@functools.cache
def odd(n): return n != 0 and even(n - 1)
def work(x): return fib(60 + x), inner(60 + x), even(x), fib.cache_info().currsize > 60
"""

PROGRAMS["the function is a cache"] = """
import functools
@functools.cache
def work(n): return n if n < 2 else work(n - 1) + work(n - 2)
"""

PROGRAMS["caches in a class"] = """
import functools
@functools.cache
def slow(n): return n * 3
class A:
    def __init__(self, k):
        self.k = k
        self.get = functools.lru_cache(maxsize=8)(self._get)
    @functools.lru_cache(maxsize=3)
    def m(self, x): return self.k * x
    @staticmethod
    @functools.cache
    def s(x): return x * 2
    @classmethod
    @functools.cache
    def c(cls, x): return cls.__name__, x
    @property
    @functools.cache
    def p(self): return self.k + 1
    def uses(self, x): return slow(x)
    def _get(self, x): return x + 1
a = A(4)
def work(x):
    return (a.m(x), A.s(x), A.c(x), a.p, A(3).m(x), A.m.cache_info().maxsize, a.get(x), a.uses(x),
            a.get.cache_parameters())
"""

PROGRAMS["a cached method is the function"] = """
import functools
class A:
    def __init__(self, k): self.k = k
    @functools.lru_cache
    def m(self, x): return self.k * x
work = A(3).m
"""

PROGRAMS["caches of what is no function of the cell's"] = """
import functools, math
root = functools.lru_cache(math.sqrt)
power = functools.lru_cache(functools.partial(pow, 2))
@functools.cache
class C:
    def __init__(self, x): self.x = x
def deco(f):
    @functools.wraps(f)
    def inner(*args): return 'd', f(*args)
    return inner
@deco
@functools.cache
def one(x): return x
@functools.cache
@deco
def two(x): return x
def work(x): return root(x), power(x), C(x).x, C(x) is C(x), one(x), two(x)
"""

PROGRAMS["one object stays one"] = """
import functools
@functools.cache
def base(n): return n
class H: pass
held = H(); held.f = base
two = [base, base]
def work(x, b=base): return b is base is held.f is two[0] is two[1], {base: 1}[base]
"""

PROGRAMS["the kernel's own comes back"] = """
import functools
@functools.cache
def base(n): return n
@functools.singledispatch
def show(x): return x
def work(x): return base, show
"""

PROGRAMS["items are caches"] = """
import functools
@functools.cache
def base(n): return n
items = [base] * 12
def work(f): return f(3), f is base
"""

PROGRAMS["single dispatch"] = """
import collections.abc, functools, numbers
class K:
    v = 7
@functools.singledispatch
def show(x): return 'obj', x
show.extra = 3
@show.register
def _(x: numbers.Integral): return 'int', x
@show.register(str)
def _(x): return 'str', x
@show.register
def _(x: list | tuple): return [show(y) for y in x]
@show.register
def _(x: K): return 'K', x.v
def work(x):
    return (show(x), show(str(x)), show([x, str(x), (2.5, [x])]), show(K()), show.extra, show(True),
            show.dispatch(bool) is show.dispatch(int), show.__name__, show.__wrapped__(x),
            sorted(kind.__name__ for kind in show.registry))
"""

PROGRAMS["the function dispatches"] = """
import functools
@functools.singledispatch
def work(x): return 'obj', x
@work.register
def _(x: int): return 'int', x
items = [1, 'a', 2.5, True]
"""

PROGRAMS["single dispatch and caches"] = """
import functools
@functools.cache
@functools.singledispatch
def show(x): return 'obj', x
@show.register
def _(x: float): return 'float', x
@functools.singledispatch
@functools.cache
def other(x): return 'obj', x
@other.register(int)
@functools.cache
def _(x): return 'int', x, other('a')
def work(x): return show(x), show(1.5), other(x), other('s')
"""

PROGRAMS["methods"] = """
import functools, operator, types
class A:
    def __init__(self, k): self.k = k
    @functools.singledispatchmethod
    def m(self, x): return 'o', x
    @m.register
    def _(self, x: int): return 'i', x
    @functools.singledispatchmethod
    @classmethod
    def c(cls, x): return cls.__name__, x
    @c.register
    @classmethod
    def _(cls, x: int): return 'I', x
    @functools.cached_property
    def v(self):
        'doc'
        return self.k * 2
    def two(self, a, b=1): return a, b
    five = functools.partialmethod(two, 5)
a = A(4)
computed = A(5); computed.v
def free(it, x): return it, x
bound = types.MethodType(free, 11)
caller = operator.methodcaller('two', 3, b=4)
def work(x):
    return (a.m(x), a.m(str(x)), A.c(x), A.c('s'), a.v, computed.v, A(x).v, A.v.__doc__,
            vars(A)['v'].attrname, a.five(), a.five(x), bound(x), caller(a))
"""

PROGRAMS["context managers and decorators"] = """
import contextlib, functools
@contextlib.contextmanager
def ctx(a): yield a + 1
@ctx(3)
def inside(x): return x
class Own(contextlib.ContextDecorator):
    def __enter__(self): return 5
    def __exit__(self, *error): return False
class Count:
    def __init__(self, f):
        functools.update_wrapper(self, f)
        self.f = f
    def __call__(self, *args): return 'c', self.f(*args)
    def __get__(self, it, kind=None): return self if it is None else functools.partial(self, it)
class A:
    @Count
    def m(self, x): return x + 1
@Own()
@Count
def doubled(x): return x * 2
def work(x):
    with ctx(x) as y, Own() as o, contextlib.ExitStack() as stack:
        return y, o, stack.enter_context(ctx(y)), inside(x), doubled(x), A().m(x)
"""

PROGRAMS["data classes and enums"] = """
import dataclasses, enum, functools
from dataclasses import dataclass, field
@dataclass(frozen=True, slots=True, order=True)
class P:
    a: int
    b: list = field(default_factory=list, compare=False)
@dataclass(slots=True)
class Q:
    c: dict = field(default_factory=lambda: {'k': 1}, metadata={'m': 1})
class Color(enum.Enum):
    RED = 1
    BLUE = 'b'
    @functools.cached_property
    def low(self): return self.name.lower()
class Flag(enum.Flag):
    A = enum.auto()
    B = enum.auto()
def work(x):
    return (P(x), P(x) < P(x + 1), Q(), dataclasses.replace(P(x), a=3), Color('b').low,
            Color.RED is Color(1), Flag.A | Flag.B, dataclasses.fields(Q)[0].metadata['m'])
"""

PROGRAMS["typing"] = """
import collections, typing
from typing import Generic, ParamSpec, Protocol, TypeVar, TypeVarTuple, runtime_checkable
T = TypeVar('T'); PS = ParamSpec('PS'); TS = TypeVarTuple('TS')
UserId = typing.NewType('UserId', int)
class Box(Generic[T]):
    def __init__(self, v: T): self.v = v
    def get(self) -> T: return self.v
class IntBox(Box[int]): pass
class Calls(Generic[PS, T]): pass
class Many(Generic[typing.Unpack[TS]]): pass
@runtime_checkable
class HasGet(Protocol):
    def get(self) -> int: ...
class NT(typing.NamedTuple):
    a: int
    b: str = 'z'
class TD(typing.TypedDict, total=False):
    a: int
    b: typing.Required[str]
def work(x):
    return (Box[int](x).get(), isinstance(IntBox(x), HasGet),
            isinstance(3, HasGet), Calls.__parameters__[0] is PS, NT(x), TD(a=1, b='s'),
            Many.__parameters__[0] is TS, UserId(x), UserId.__name__, UserId.__supertype__,
            TD.__required_keys__, Box.__parameters__[0] is T)
"""

PROGRAMS["metaclasses and descriptors"] = """
registry = {}
class Meta(type):
    def __init__(cls, name, bases, names, **given):
        super().__init__(name, bases, names)
        registry[name] = cls
    def __new__(meta, name, bases, names, tag=''):
        made = super().__new__(meta, name, bases, names)
        made.tag = tag
        return made
    def __iter__(cls): return iter([1, 2])
class D:
    def __set_name__(self, owner, name): self.name, self.owner = name, owner
    def __get__(self, it, kind=None): return self if it is None else vars(it)['_' + self.name]
    def __set__(self, it, value): vars(it)['_' + self.name] = value * 2
class A(metaclass=Meta, tag='t'):
    x = D()
    def __init__(self, v): self.x = v
class B(A):
    y = D()
    def m(self): return super().__init__(3), __class__
def work(x):
    b = B(x)
    b.y = x
    return (A.tag, list(B), sorted(registry), registry['A'] is A, b.x, b.y, B.y.owner is B,
            b.m()[1] is B)
"""

PROGRAMS["weak registries"] = """
import weakref
class A:
    pass
kept = []
items = range(2)  # a collection takes long in a kernel that holds much
def new():
    kept.append(A())
    return kept[-1]
by_key = weakref.WeakKeyDictionary({A: 1, new(): 2, new(): 3})
by_name = weakref.WeakValueDictionary(q=new())
some = weakref.WeakSet([new(), A])
there, gone, proxy = weakref.ref(new()), weakref.ref(A()), weakref.proxy(new())
class Base:
    kinds = weakref.WeakSet()
    def __init_subclass__(cls): Base.kinds.add(cls)
class One(Base): pass
class Two(Base): pass
def work(x):
    import gc
    gc.collect()
    return (by_key[A], sorted(by_key.values()), len(by_name), A in some, len(some), gone(),
            there().__class__ is A, proxy.__class__ is A,
            sorted(one.__name__ for one in Base.kinds))
"""

PROGRAMS["closures and names"] = """
import collections as np
def outer():
    n = 3
    def a(x): return x if x <= 0 else b(x - 1) + n
    def b(x): return x if x <= 0 else a(x - 1) * 2
    return a, lambda x, f=lambda y: y + 1: f(x) + a(x)
a, c = outer()
def even(n): return n == 0 or odd(n - 1)
def odd(n): return n != 0 and even(n - 1)
def kw(x, *, k=5, **more): return x + k
def gen(n): yield from range(n)
json = {'a': 1}
math = lambda x: x + 1
class random:
    @staticmethod
    def random(): return 4
def list(x): return [x, 'mine']
def work(x, *, z=(lambda: 4)):
    return (a(x), c(x), even(x), kw(x), kw.__kwdefaults__, sum(gen(x)), z(), json['a'], math(x),
            random.random(), list(x), np.OrderedDict.__name__)
"""

PROGRAMS["an object is the function"] = """
class Add:
    def __init__(self, n): self.n = n
    def __call__(self, x): return x + self.n
work = Add(5)
"""

PROGRAMS["a bound method is the function"] = """
class Add:
    def __init__(self, n): self.n = n
    def go(self, x): return x + self.n
work = Add(5).go
"""

PROGRAMS["coroutines"] = """
import contextlib, functools
@functools.cache
def base(x): return x * 2
@contextlib.asynccontextmanager
async def actx(v): yield v + 1
class A:
    async def m(self, x): return base(x)
    async def gen(self, n):
        for i in range(n): yield i
async def work(x):
    async with actx(x) as y:
        return y, await A().m(x), [i async for i in A().gen(x)]
"""

PROGRAMS["attrs"] = """
import attrs
@attrs.define
class A:
    x: int
    y: list = attrs.field(factory=list)
    z: int = attrs.field(default=4, converter=int)
@attrs.define
class B(A):
    k: str = attrs.field(default='s', metadata={'m': 1})
    def m(self): return super().__repr__(), __class__
@attrs.frozen
class F:
    a: int = 1
a = A(3)
def work(x):
    return (A(x), a, F(x), B(x), attrs.asdict(B(x)), attrs.fields(B).k.metadata['m'],
            B(1).m()[1] is B)
"""

PROGRAMS["pydantic"] = """
import pydantic
class M(pydantic.BaseModel):
    x: int
    y: list[int] = pydantic.Field(default_factory=list)
    @pydantic.field_validator('x')
    @classmethod
    def check(cls, v): return v + 1
class Sub(M):
    inner: M | None = None
m = M(x=3)
def work(x): return M(x=x).model_dump(), m, Sub(x=1, inner=m), M.model_validate({'x': '4'}).x
"""

if sys.version_info >= (3, 12):
    PROGRAMS["type parameters"] = """
import functools
type Pair[A] = tuple[A, A]
type Tree = int | list[Tree]
class Many[*Ts, **P]: pass
class Box[T: int]:
    def __init__(self, v: T): self.v = v
    def get[U](self, u: U) -> tuple[T, U]: return self.v, u
@functools.cache
def cached[T](x: T) -> T: return x
def ident[T](x: T) -> T: return x
def work(x):
    return (Box(x).get(3), cached(x), ident(x), Pair.__name__, Pair[int].__args__, Tree.__module__,
            Tree.__value__.__args__[1].__args__[0] is Tree, ident.__type_params__[0].__name__,
            [one.__name__ for one in Many.__type_params__], Box.__type_params__[0].__bound__,
            Box.get.__type_params__[0].__name__, Box.__parameters__[0] is Box.__type_params__[0])
"""


def cell(source: str) -> dict[str, Any]:
    """Give the names that a cell leaves."""
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(source, "<cell>", "exec", dont_inherit=True), names)
    return names


def plain(work: Any, items: Any) -> list[Any]:
    """Call it in a loop."""
    values = [work(item) for item in items]
    if not all(map(inspect.isawaitable, values)):
        return values

    async def all_of_them() -> list[Any]:
        return [await value for value in values]

    return asyncio.run(all_of_them())


@pytest.mark.one_in(3)
@pytest.mark.parametrize("program", PROGRAMS)
def test_items_find_them_as_the_plain_loop_does(program, backend):
    if backend == "interpreters" and program in ("attrs", "pydantic"):
        pytest.skip("it may not be loaded there")
    if program in ("attrs", "pydantic"):
        pytest.importorskip(program)
    names = cell(PROGRAMS[program])
    items = names.get("items", range(12))
    expected = plain(names["work"], items)
    assert nbexec.map(names["work"], items, backend=backend) == expected


@pytest.mark.parametrize("program", ["caches", "recursion through a cache", "single dispatch"])
def test_an_executor_and_a_cell_find_them_too(program, sent):
    names = cell(PROGRAMS[program])
    expected = plain(names["work"], range(6))
    with nbexec.Executor(sent) as executor:
        futures = [executor.submit(names["work"], x) for x in range(6)]
        assert [future.result() for future in futures] == expected
    source = "found = []\nfor x in range(6):\n    found.append(work(x))"
    nbexec.parallel(source, names, backend=sent)
    assert names["found"] == expected


def test_a_cache_is_empty_in_a_worker_and_caches_there():
    names = cell(
        "import functools, os\n"
        "calls = []\n"
        "@functools.cache\n"
        "def slow(x): calls.append(x); return x\n"
        "slow(1)\n"
        "def work(x): return slow(1), slow(1), slow.cache_info().hits, len(calls), os.getpid()\n"
    )
    found = nbexec.map(names["work"], range(20), backend="processes", chunk=1)
    for process in {row[-1] for row in found}:
        rows = sorted(row[2:4] for row in found if row[-1] == process)
        # `calls` came with the call that the kernel made
        assert rows == [(2 * at + 1, 2) for at in range(len(rows))]
    assert names["slow"].cache_info()[:2] == (0, 1)  # the kernel's own is as it was


def test_one_cache_for_all_items_that_name_it():
    names = cell(
        "import functools\n"
        "@functools.cache\n"
        "def slow(x): return object()\n"
        "def work(f): return f is slow, f(1) is slow(1)\n"
    )
    found = nbexec.map(names["work"], [names["slow"]] * 9, backend="processes", chunk=2)
    assert found == [(True, True)] * 9


def test_a_cell_leaves_what_it_computed_in_a_cache_of_a_library_function():
    source = "found = []\nfor x in range(6):\n    found.append(root(x))"
    both = []
    for run in (exec, lambda *given: nbexec.parallel(*given, backend="threads")):
        names = cell("import functools, math\nroot = functools.cache(math.sqrt)")
        run(source, names)
        both.append((names["found"], names["root"].cache_info()))
    assert both[0] == both[1]


def test_what_a_worker_made_comes_back_and_works():
    names = cell(
        "import functools\n"
        "def work(x):\n"
        "    @functools.lru_cache(maxsize=3)\n"
        "    def times(n): return n * x\n"
        "    @functools.singledispatch\n"
        "    def show(n): return 'o', x\n"
        "    show.register(int, lambda n: ('i', x))\n"
        "    times(2)\n"
        "    return times, show\n"
    )
    for x, (times, show) in enumerate(nbexec.map(names["work"], range(4), backend="processes")):
        assert (times(5), times.cache_parameters()["maxsize"]) == (5 * x, 3)
        assert (show("a"), show(1)) == (("o", x), ("i", x))


def test_fingerprints_are_the_same_in_another_process():
    programs = [
        program
        for program in PROGRAMS
        if program not in ("attrs", "pydantic") or importlib.util.find_spec(program)
    ]
    script = (
        "import sys, tests.fidelity.test_cell_definitions as here\n"
        "from nbexec.journal.code_fingerprint import Codes\n"
        "for program in sys.argv[1:]:\n"
        "    work = here.cell(here.PROGRAMS[program])['work']\n"
        "    print(program, Codes().function(work).digest.hex())"
    )
    command = [sys.executable, "-c", script]
    # the one in the other order: what a program leaves in its process changes nothing either
    one, two = (
        subprocess.run(
            [*command, *order],
            env={**os.environ, "PYTHONHASHSEED": seed},
            stdout=subprocess.PIPE,
            check=True,
            text=True,
        )
        for seed, order in (("1", programs), ("2", programs[::-1]))
    )
    assert sorted(one.stdout.splitlines()) == sorted(two.stdout.splitlines())
    assert len(one.stdout.splitlines()) == len(programs)


@pytest.mark.parametrize(
    "program", ["caches", "recursion through a cache", "single dispatch and caches"]
)
def test_a_call_that_fills_a_cache_changes_no_fingerprint(program):
    work = cell(PROGRAMS[program])["work"]
    before = Codes().function(work).digest
    work(3)
    assert Codes().function(work).digest == before


def test_what_a_cached_or_a_registered_function_does_counts_in_a_fingerprint():
    digests = set()
    for cached, registered in ((1, 1), (2, 1), (1, 2)):
        names = cell(
            "import functools\n"
            "@functools.cache\n"
            f"def base(n): return n + {cached}\n"
            "@functools.singledispatch\n"
            "def show(n): return n\n"
            f"show.register(int, lambda n: n * {registered})\n"
            "def work(x): return base(x), show(x)\n"
        )
        digests.add(Codes().function(names["work"]).digest)
    assert len(digests) == 3


def test_a_weak_reference_with_a_callback_is_refused_before_anything_runs():
    names = cell(
        "import weakref\n"
        "class A: pass\n"
        "a = A()\n"
        "watched = weakref.ref(a, print)\n"
        "def work(x): return watched()\n"
    )
    with pytest.raises(nbexec.PickleError, match="'watched'"):
        nbexec.map(names["work"], range(3), backend="processes")
