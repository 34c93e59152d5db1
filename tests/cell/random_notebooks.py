"""Random notebooks of three cells, each made from a number: what the last leaves is compared.

The first has data, classes, caches and helpers, and is the same in all of them; the second
defines functions that call one another, and a class; the third has loops, calls of those, work
lists and tables.  `notebook(seed)` gives the three.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace

DATA = """\
import asyncio, contextlib, functools, heapq, itertools, math, random, re, string, warnings
from collections import Counter, defaultdict, deque, namedtuple, OrderedDict
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache, reduce
import numpy as np
import pandas as pd
from tqdm import tqdm
xs = [3, 1, 4, 1, 5, 9, 2, 6]
words = ["pear", "fig", "apple", "", "kiwi", "fig"]
rows = [{"n": 1, "w": ["p"]}, {"n": 0, "w": []}, {"n": 2, "w": ["q", "r"]}]
grid = [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
out, more, found, counts, table = [], [], set(), Counter(), {}
groups, deep, places, recent = defaultdict(list), defaultdict(int), [0] * 8, deque(maxlen=5)
total, best, product, text, last = 0, 0, 1, "", None
arr, mat = np.arange(8), np.arange(12.0).reshape(3, 4)
view = arr[2:5]
df = pd.DataFrame({"g": list("abab"), "v": [1, 2, 3, 4], "w": [0.5, 1.5, 2.5, 3.5]})
graph = {0: [1, 2], 1: [3], 2: [3, 4], 3: [5], 4: [], 5: [0]}
cache, calls, registry, kept_rows = {}, 0, {}, {}
rng = random.Random(5)
NOTHING = object()
class Color(Enum):
    RED = 1
    BLUE = 2
Point = namedtuple("Point", "x y")
@dataclass
class Pair:
    a: int
    b: list = field(default_factory=list)
    def grown(self, n): return Pair(self.a + n, [*self.b, n])
    def grow(self, n):
        self.b.append(n)
        return len(self.b)
@dataclass(frozen=True)
class Key:
    k: int
class Node:
    kept, made = [], 0
    def __init__(self, v, below=()):
        self.v, self.below = v, list(below)
    def __eq__(self, other): return isinstance(other, Node) and self.v == other.v
    def __hash__(self): return hash(("Node", self.v))
    def __lt__(self, other): return self.v < other.v
    def height(self): return 1 + max((one.height() for one in self.below), default=0)
    def sum(self): return self.v + sum(one.sum() for one in self.below)
    def keep(self):
        Node.kept.append(self)
        return len(Node.kept)
    @classmethod
    def fresh(cls, v):
        cls.made += 1
        return cls(v)
    @property
    def twice(self): return self.v * 2
    @staticmethod
    def plus(a, b): return a + b
class Slotted:
    __slots__ = ("v",)
    def __init__(self, v): self.v = v
leaf = Node(2)
tree = Node(1, [leaf, Node(3, [leaf])])
nodes = [leaf, tree, Node(7)]
pairs = [Pair(1), Pair(2, [5]), Pair(1)]
shared = [nodes[0], pairs[0], rows[0], grid[0], Color.RED, Key(1), NOTHING, arr, (1, [2])]
@lru_cache(maxsize=None)
def fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)
def memo(n):
    if n not in cache:
        cache[n] = n * n % 31
    return cache[n]
def tried(n):
    try: return cache[n, 1]
    except KeyError:
        cache[n, 1] = known = strict(n) % 29
        return known
def once(n, known={}):
    if n not in known: known[n] = plain(n) + len(words)
    return known[n]
def rowed(n): return kept_rows.setdefault(n % 5, {"n": n, "k": [n]})
def last(n):
    cache["last"] = (n + cache.get("last", 0)) % 50
    return cache["last"]
def memoize(function):
    results = {}
    def wrapper(*args):
        if args not in results: results[args] = function(*args)
        return results[args]
    return wrapper
@memoize
def steps(n): return 0 if n < 2 else 1 + steps(n // 2 if n % 2 == 0 else n - 1)
class Lookup:
    def __init__(self): self.seen, self.k = {}, 3
    def of(self, n):
        if n in self.seen: return self.seen[n]
        self.seen[n] = found = Node(n * self.k)
        return found
lookup = Lookup()
inside = [once.__defaults__, [one.cell_contents for one in steps.__closure__ if one.cell_contents is not steps]]
def counted(n):
    global calls
    calls += 1
    return n + calls
def plain(n): return (n * 7 + 3) % 23
def strict(n):
    if n % 13 == 12: raise ValueError(f"no {n}")
    return n
def warn(n):
    if n % 3 == 0: warnings.warn(f"odd {n % 2}", stacklevel=1 + n % 2)
    return n
def shout(n):
    print("shout", n)
    return n
def items(n):
    for i in range(n % 7): yield i * n
def pick(n): return shared[n % len(shared)]
def fill(n, into=[]):
    into.append(n)
    return len(into)
def adder(k):
    def add(n): return n + k
    return add
add3 = adder(3)
def counter():
    n = 0
    def step(by):
        nonlocal n
        n += by
        return n
    return step
step = counter()
def changed(row):
    row = {**row, "n": row.get("n", 0) + 1}
    return row
def mark(row):
    row["seen"] = True
    return row
"""


@dataclass
class Scope:
    """What may be named where code is written."""

    numbers: list[str] = field(default_factory=list)
    lists: list[str] = field(default_factory=list)
    dicts: list[str] = field(default_factory=list)
    sets: list[str] = field(default_factory=list)
    arrays: list[str] = field(default_factory=list)
    totals: list[str] = field(default_factory=list)
    functions: list[str] = field(default_factory=list)
    methods: list[str] = field(default_factory=list)
    is_function: bool = False
    in_loop: bool = False

    def within(self, *names: str) -> Scope:
        """Give the scope of a loop's body that binds those names to numbers."""
        return replace(self, numbers=[*names * 3, *self.numbers], in_loop=True)


def indented(lines: list[str]) -> list[str]:
    return ["    " + line for line in lines]


class Writer:
    """Writes random code; whatever is random comes from one generator."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.used = 0
        self.odd = self.rng.choice([0.0, 0.02, 0.1])  # how often something odd is written

    def one(self, *choices):
        chosen = self.rng.choice(choices)
        return chosen() if callable(chosen) else chosen

    def oddly(self) -> bool:
        return self.rng.random() < self.odd

    def name(self, of: str = "v") -> str:
        self.used += 1
        return f"{of}{self.used}"

    # ------------------------------------------------------------ expressions

    def number(self, scope: Scope, depth: int = 2) -> str:
        """Write an expression that gives an int."""
        if depth <= 0 or self.rng.random() < 0.3:
            return self.one(*scope.numbers, *scope.numbers, "1", "2", "len(words)")
        n = lambda: self.number(scope, depth - 1)
        if self.oddly():
            return self.one(
                lambda: f"counted({n()})",
                lambda: f"step({n()})",
                lambda: f"fill({n()})",
                lambda: f"rng.randrange(1 + abs({n()}))",
                lambda: "random.randrange(9)",
                lambda: f"Node.fresh({n()}).keep()",
                lambda: f"pairs[0].grow({n()})",
                lambda: f"len({self.one(*scope.lists)})",
                lambda: f"{self.one(*scope.totals)} + 1",
                lambda: f"10 // ({n()})",
                lambda: f"hash(Node({n()})) % 7",
                lambda: f"next(iter({self.one(*scope.sets)}), 0)",
                lambda: f"list(set(words))[{n()} % 5] and 1",
            )
        return self.one(
            lambda: f"({n()} + {n()})",
            lambda: f"({n()} * {n()}) % 97",
            lambda: f"abs({n()} - {n()})",
            lambda: f"plain({n()})",
            lambda: f"plain({n()})",
            lambda: f"strict(plain({n()}))",
            lambda: f"memo({n()})",
            lambda: self.kept(n()),
            lambda: self.kept(n()),
            lambda: f"fib(abs({n()}) % 12)",
            lambda: f"warn({n()})",
            lambda: f"add3({n()})",
            lambda: f"sum(plain(k) for k in range(abs({n()}) % 5))",
            lambda: f"len([k for k in xs if k > {n()}])",
            lambda: f"max({n()}, {n()})",
            lambda: f"(1 if {self.truth(scope, depth - 1)} else {n()})",
            lambda: f"reduce(lambda a, b: (a * 3 + b) % 101, xs, {n()})",
            lambda: f"sorted(xs, key=lambda k: (k * {n()}) % 7)[0]",
            lambda: f"grid[{n()} % 3][1]",
            lambda: f"int(arr[{n()} % 8])",
            lambda: f"Node({n()}).twice",
            lambda: f"tree.sum() + {n()}",
            lambda: f"Pair({n()}).grown({n()}).a",
            lambda: f"Node.plus({n()}, {n()})",
            lambda: f"sum(items({n()}))",
            lambda: f"math.gcd({n()}, {n()})",
            lambda: f"random.Random({n()}).randrange(50)",
            lambda: self.call(scope, depth - 1),
            lambda: self.call(scope, depth - 1),
            lambda: self.call(scope, depth - 1),
        )

    def kept(self, n: str) -> str:
        """Write a call of a function that keeps what it has computed."""
        return self.one(
            f"tried({n})",
            f"once({n})",
            f"rowed({n})['n']",
            f"len(rowed({n})['k'])",
            f"steps(abs({n}) % 20)",
            f"lookup.of({n}).v",
            f"last({n})" if self.rng.random() < 0.3 else f"memo({n})",
        )

    def call(self, scope: Scope, depth: int) -> str:
        if not scope.functions or (scope.is_function and self.rng.random() < 0.7):
            return f"plain({self.number(scope, depth)})"  # else some would call millions of times
        return f"{self.one(*scope.functions)}({self.number(scope, depth)})"

    def truth(self, scope: Scope, depth: int = 1) -> str:
        n = lambda: self.number(scope, depth)
        return self.one(
            lambda: f"{n()} % 3 == 1",
            lambda: f"{n()} > {n()}",
            lambda: f"any(k == {n()} for k in xs)",
            lambda: f"all(plain(k) > {n()} for k in range(3))",
            lambda: f"{n()} in {{1, 2, 3, {n()}}}",
            lambda: f"pick({n()}) is NOTHING",
        )

    def value(self, scope: Scope) -> str:
        """Write an expression that gives anything."""
        n = lambda: self.number(scope, 1)
        if self.oddly():
            return self.one("shared", "out", "arr", "view", "nodes[0]", "rows[1]", "df")
        return self.one(
            n,
            n,
            n,
            lambda: f"str({n()})",
            lambda: f"({n()}, {n()})",
            lambda: f"[{n()}, [{n()}]]",
            lambda: f"{{'k': {n()}}}",
            lambda: f"Pair({n()}, [{n()}])",
            lambda: f"Point({n()}, [{n()}])",
            lambda: f"Node({n()}, [Node(1)])",
            lambda: f"Slotted({n()})",
            lambda: f"Key({n()})",
            lambda: f"pick({n()})",
            lambda: f"rowed({n()})",
            lambda: f"lookup.of({n()})",
            lambda: f"[leaf, {n()}]",
            lambda: f"words[{n()} % 6]",
            lambda: f"changed(rows[{n()} % 3])",
            lambda: f"np.arange({n()} % 5) * 2",
            lambda: f"mat[{n()} % 3]",
            lambda: f"mat[{n()} % 3].copy()",
            lambda: f"mat.T[{n()} % 4] + 1",
            lambda: f"(np.ones(2)[::-1], {n()})",
            lambda: f"float(mat[:, {n()} % 4].sum())",
            lambda: f"set(range({n()} % 40, 40, 7))",
            lambda: f"set(words[:{n()} % 6])",
            lambda: f"{{w: len(w) for w in sorted(words)[:{n()} % 5]}}",
            lambda: f"df[df.v > {n()} % 5]",
            lambda: f"df.groupby('g').v.sum() + {n()}",
            lambda: f"df.v.iloc[{n()} % 4]",
            lambda: f"Counter(words[{n()} % 6])",
            lambda: f"[Color.RED, Color.BLUE][{n()} % 2]",
            lambda: f"deque([{n()}], maxlen=2)",
            lambda: f"list(items({n()}))",
            lambda: f"items({n()})",
            lambda: f"adder({n()})(1)",
            lambda: f"adder({n()})" if self.oddly() else n(),
            lambda: f"mark(rows[{n()} % 3])" if self.oddly() else n(),
            lambda: f"shout({n()})" if self.oddly() else n(),
            lambda: f"f'{{{n()}:>3}}'",
            lambda: f"heapq.nsmallest(2, [plain(k + {n()}) for k in xs])",
        )

    def source(self, scope: Scope) -> str:
        """Write an iterable of numbers."""
        n = lambda: self.number(scope, 1)
        return self.one(
            "range(6)",
            "range(9)",
            "xs",
            "xs",
            lambda: f"range(abs({n()}) % 8)",
            "arr",
            "arr.tolist()",
            "sorted(xs)",
            "reversed(xs)",
            "{72, 8, 96, 34}",
            "set(xs)",
            "tqdm(xs)",
            "tqdm(range(7), desc='go', leave=False)",
            "(k * 2 for k in xs)",
            "map(plain, xs)",
            "filter(None, xs)",
            "items(5)",
            "iter(xs)",
            "graph",
            "df.v",
            "[k for row in grid for k in row]",
            "itertools.chain(xs, [1, 2])",
            "itertools.islice(itertools.count(), 6)",
            "(lambda: xs)()",
        )

    # ------------------------------------------------------------ statements

    def head(self, scope: Scope) -> tuple[str, Scope]:
        """Write the first line of a loop; give the scope of its body."""
        x, i = self.name("x"), self.name("i")
        source = self.source(scope)
        return self.one(
            (f"for {x} in {source}:", scope.within(x)),
            (f"for {x} in {source}:", scope.within(x)),
            (f"for {i}, {x} in enumerate({source}):", scope.within(x, i)),
            (f"for {x}, {i} in zip(xs, {source}):", scope.within(x, i)),
            (f"for {i}, ({x}, *_) in enumerate(grid):", scope.within(x, i)),
            (f"for {x}, {i} in itertools.product(range(2), range(3)):", scope.within(x, i)),
        )

    def loop(self, scope: Scope, depth: int) -> list[str]:
        head, inner = self.head(scope)
        body = self.body(inner, depth, self.rng.randint(1, 4))
        end = self.one([], [], [], ["else:", *indented(self.body(scope, 0, 1))])
        return [head, *indented(body), *end]

    def body(self, scope: Scope, depth: int, count: int) -> list[str]:
        lines, scope = [], replace(scope, numbers=list(scope.numbers))
        for _ in range(count):
            lines += self.statement(scope, depth)
        return lines

    def statement(self, scope: Scope, depth: int) -> list[str]:
        n, v = (lambda: self.number(scope)), (lambda: self.value(scope))
        roll = self.rng.random()
        if depth > 0 and roll < 0.2:
            inner = lambda: indented(self.body(scope, depth - 1, self.rng.randint(1, 2)))
            return self.one(
                lambda: [f"if {self.truth(scope)}:", *inner()],
                lambda: [f"if {self.truth(scope)}:", *inner(), "else:", *inner()],
                lambda: self.loop(scope, depth - 1),
                lambda: self.loop(scope, depth - 1),
                lambda: ["try:", *inner(), "except Exception as e:", *inner()],
                lambda: ["try:", *inner(), "finally:", *inner()],
                lambda: ["with contextlib.suppress(ValueError):", *inner()],
                lambda: self.work_list(scope, depth - 1),
            )
        if roll < 0.45:
            new = self.name()
            line = f"{new} = {n()}"
            scope.numbers.append(new)
            return [line]
        if scope.in_loop and roll < 0.5:
            return [f"if {self.truth(scope)}: {self.one('continue', 'break', 'continue', 'break')}"]
        if scope.is_function and roll < 0.53:
            return [f"if {self.truth(scope)}: return {n()}"]
        if self.oddly():
            return [self.odd_statement(scope)]
        return [self.accumulate(scope, n, v)]

    def accumulate(self, scope, n, v) -> str:
        a, d, s, t = (
            self.one(*part) for part in (scope.lists, scope.dicts, scope.sets, scope.totals)
        )
        return self.one(
            lambda: f"{a}.append({v()})",
            lambda: f"{a}.append({v()})",
            lambda: f"{a}.append(({n()}, {v()}))",
            lambda: f"{a}.extend([{v()}, {v()}])",
            lambda: f"{a} += [{v()}]",
            lambda: f"{d}[{n()}] = {v()}",
            lambda: f"{d}.setdefault({n()} % 4, []).append({v()})",
            lambda: f"{d}[{n()} % 5] = {d}.get({n()} % 5, 0)",
            lambda: f"{s}.add({n()})",
            lambda: f"{s}.add(words[{n()} % 6])",
            lambda: f"{s} |= {{{n()}, {n()} * 8}}",
            lambda: f"{t} += {n()}",
            lambda: f"{t} += {n()}",
            lambda: f"{t} = max({t}, {n()})",
            lambda: f"{self.one(*scope.arrays)}[{n()} % 8] += {n()}",
            lambda: f"{self.one(*scope.arrays)}[{self.one(*scope.numbers)} % 8] = {n()}",
            lambda: f"counts[str({n()})] += 1",
            lambda: f"groups[{n()} % 3].append({v()})",
            lambda: f"deep[{n()} % 3] += {n()}",
            lambda: f"places[{self.one(*scope.numbers)} % 8] = {v()}",
            lambda: f"places[{n()} % 8] = places[{n()} % 8]",
            lambda: f"recent.append({v()})",
            lambda: f"print({v()}, {n()})" if self.rng.random() < 0.5 else f"print({n()})",
        )

    def odd_statement(self, scope: Scope) -> str:
        n, v = self.number(scope, 1), self.value(scope)
        a, d, s, t = (
            self.one(*part) for part in (scope.lists, scope.dicts, scope.sets, scope.totals)
        )
        return self.one(
            f"rows[{n} % 3]['n'] = {n}",
            f"grid[{n} % 3][0] += {n}",
            f"nodes[{n} % 3].v += 1",
            f"nodes[{n} % 3].below.append(Node({n}))",
            f"pairs[{n} % 3].a = {n}",
            f"registry[{n}] = {v}",
            f"cache.clear() if {n} % 5 == 4 else None",
            f"rowed({n})['k'].append({n})",
            f"cache.pop({n}, None)",
            f"{a}.sort(key=str)",
            f"{a}.pop() if {a} else None",
            f"{d}.pop({n}, None)",
            f"{s}.discard({n})",
            f"{t} = {n}",
            f"{t} = ({t} * 3 + {n}) % 89",
            f"df.loc[{n} % 4, 'v'] = {n}",
            f"mat[{n} % 3, 1] = {n}",
            f"view[{n} % 3] = {n}",
            f"plain = lambda k: (k * 5 + {n}) % 19" if not scope.is_function else "pass",
            f"Node.kept.append({v})",
            f"Pair.extra = {n}",
            f"plain.note = {n}",
            f"{a} = [{v}]",
            "fib.cache_clear()",
            f"xs[{n} % 8] = {n}",
            f"words.append(str({n}))",
            f"more = {a}" if not scope.is_function else "pass",
            "raise KeyError('odd')",
            f"assert {self.truth(scope)}, {n}",
            f"random.seed({n})",
            f"itertools.count({n})",
        )

    def work_list(self, scope: Scope, depth: int) -> list[str]:
        """Write a loop that takes from a list, and puts more into it."""
        todo, done, x, y = self.name("todo"), self.name("done"), self.name("x"), self.name("y")
        take = self.one("pop()", "pop(0)")
        inner = scope.within(x)
        first = self.one("[0]", "[0, 1]", f"[{self.number(scope, 1)} % 6]")
        grow = self.one(
            [f"for {y} in graph.get({x}, ()):", f"    if {y} not in {done}: {todo}.append({y})"],
            [f"{todo}.extend({y} for {y} in graph.get({x}, ()) if {y} not in {done})"],
            [f"if {x} < 30: {todo} += [{x} * 2 + 1]"],
        )
        return [
            f"{todo}, {done} = {first}, set()",
            f"while {todo}:",
            f"    {x} = {todo}.{take}",
            f"    if {x} in {done}: continue",
            f"    {done}.add({x})",
            *indented(self.body(replace(inner, is_function=False), depth, 2)),
            *indented(grow),
        ]

    def in_place(self, scope: Scope, depth: int) -> list[str]:
        """Write a loop that changes its items."""
        x, i = self.name("x"), self.name("i")
        over, field_, other = self.one(
            ("rows", "['n']", "['m']"), ("pairs", ".a", ".c"), ("nodes", ".v", ".w")
        )
        source = self.one(
            over, over, f"[*{over}, {over}[{self.number(scope, 1)} % 3]]", f"reversed({over})"
        )
        head = self.one(
            f"for {x} in {source}:",
            f"for {x} in {source}:",
            f"for {i}, {x} in enumerate({source}, {self.number(scope, 1)} % 4):",
            f"for {i}, {x} in zip(xs, {source}):",
        )
        inner = scope.within(*([i, f"{x}{field_}"] if f"{i}," in head else [f"{x}{field_}"]))
        lines = self.body(inner, depth, self.rng.randint(0, 1))
        for _ in range(self.rng.randint(1, 2)):
            where = self.one(f"{x}{other}", f"{x}{other}", f"{x}{field_}")
            value = self.one(self.call(inner, 1), self.number(inner), self.value(inner))
            value = value if where.endswith(other) else self.number(inner)
            lines.append(f"{where} = {value}")
        lines += self.body(inner, 0, self.rng.randint(0, 1))
        return [head, *indented(lines)]

    # ------------------------------------------------------------ the two cells

    def function(self, scope: Scope, name: str) -> list[str]:
        inner = Scope(
            numbers=["n", "n", "k", "t"],
            lists=["res", "res", "res", "more"],
            dicts=["d", "d", "table"],
            sets=["s", "s", "found"],
            arrays=["a", "a", "arr"],
            totals=["t", "t", "t2"],
            functions=scope.functions,
            is_function=True,
        )
        body = self.body(inner, 1, self.rng.randint(0, 2)) + self.loop(inner, 2)
        body += self.body(inner, 1, self.rng.randint(0, 2))
        again = self.one([], [], [], [f"if k: t += {name}(n % 5, k - 1)"])
        ends = self.one(
            "return t % 101",
            "return len(res) + t",
            "return (t2 + sum(k for k in d if type(k) is int)) % 101",
            "return max(s, default=0) if all(type(one) is int for one in s) else len(s)",
            "return int(a.sum())",
        )
        shared = self.one([], [], ["global total"] if self.oddly() else [])
        start = ["res, d, s, a, t, t2 = [], {}, set(), np.zeros(8, int), 0, 0"]
        lines = [*shared, *start, *body, *again, ends]
        above = self.one([], [], [], ["@lru_cache(maxsize=None)"]) if not again else []
        return [*above, f"def {name}(n, k=1):", *indented(lines)]

    def world(self, scope: Scope) -> list[str]:
        """Write a class whose methods have loops, and change their object."""
        lines = [
            "class World:",
            "    count = 0",
            "    def __init__(self, size=4):",
            "        self.size, self.t, self.res, self.d, self.s = size, 0, [], {}, set()",
            "        self.a = np.zeros(8, int)",
        ]
        for at in range(self.rng.randint(1, 3)):
            inner = Scope(
                numbers=["n", "n", "self.size", "self.t"],
                lists=["self.res", "res"],
                dicts=["self.d", "self.d", "d"],
                sets=["self.s"],
                arrays=["self.a"],
                totals=["self.t", "self.t", "t"],
                functions=[*scope.functions, *[f"self.m{i}" for i in range(at)]],
                is_function=True,
            )
            body = [*self.loop(inner, 1), *self.body(inner, 1, self.rng.randint(0, 2))]
            end = self.one("return t + self.t % 50", "return len(self.res) + t", "return t")
            lines += [f"    def m{at}(self, n=2):", "        res, d, t = [], {}, 0"]
            lines += indented(indented([*body, end]))
        return [*lines, "world, worlds = World(), [World(k) for k in range(3)]"]

    def display(self, scope: Scope) -> str:
        """Write a comprehension, or a call over a generator."""
        x = self.name("x")
        inner, source = scope.within(x), self.source(scope)
        n, v = (lambda: self.number(inner)), (lambda: self.value(inner))
        return self.one(
            lambda: f"[{v()} for {x} in {source}]",
            lambda: f"[{v()} for {x} in {source} if {self.truth(inner)}]",
            lambda: f"{{{n()}: {v()} for {x} in {source}}}",
            lambda: f"{{{n()} for {x} in {source}}}",
            lambda: f"{{words[{n()} % 6] for {x} in {source}}}",
            lambda: f"sum({n()} for {x} in {source})",
            lambda: f"max(({n()} for {x} in {source}), default=0)",
            lambda: f"any({self.truth(inner)} for {x} in {source})",
            lambda: f"next(({n()} for {x} in {source} if {self.truth(inner)}), None)",
            lambda: f"sorted({source}, key=lambda {x}: {n()})",
            lambda: f"max({source}, key=lambda {x}: {n()}, default=0)",
            lambda: f"min(xs, key={self.one('plain', *scope.functions)})",
            lambda: f"sorted(xs, key={self.one('plain', *scope.functions)}, reverse=True)",
            lambda: f"sorted(nodes, key=lambda {x}: {x}.v)",
            lambda: f"list(map(lambda {x}: {v()}, {source}))",
            lambda: f"list(filter(lambda {x}: {self.truth(inner)}, {source}))",
            lambda: f"list(map({self.one('plain', *scope.functions)}, {source}))",
            lambda: f"reduce(lambda a, {x}: (a * 7 + {n()}) % 1009, {source}, 1)",
            lambda: f"functools.reduce(max, [{n()} for {x} in {source}], 0)",
            lambda: f"','.join(str({n()}) for {x} in {source})",
            lambda: f"np.array([{n()} for {x} in {source}])",
            lambda: f"Counter({n()} for {x} in {source})",
            lambda: f"df.v.apply(lambda {x}: {n()})",
            lambda: f"df.v.map({self.one('plain', *scope.functions)})",
            lambda: f"df.apply(lambda row: plain(row.v) + {self.number(scope, 1)}, axis=1)",
            lambda: f"[g.v.sum() + {self.number(scope, 1)} for _, g in df.groupby('g')]",
            lambda: f"pd.DataFrame([{{'a': {n()}, 'b': {n()}}} for {x} in {source}])",
            lambda: f"[(y := {n()}) for {x} in {source}]",
            lambda: f"({n()} for {x} in {source})",
            lambda: f"list(itertools.accumulate({n()} for {x} in {source}))",
            lambda: f"[row['n'] for row in rows if row['n'] > {self.number(scope, 1)}]",
            lambda: (
                f"functools.reduce(lambda a, b: a + b, (np.ones(2) * {n()} for {x} in {source}), 0)"
            ),
        )

    def top(self, scope: Scope) -> list[str]:
        """Write a statement of the second cell."""
        new = self.name("r")
        n = lambda: self.number(scope)
        return self.one(
            lambda: self.loop(scope, 2),
            lambda: self.loop(scope, 2),
            lambda: self.loop(scope, 2),
            lambda: self.in_place(scope, 1),
            lambda: self.in_place(scope, 1),
            lambda: [f"{new} = {self.display(scope)}"],
            lambda: [f"{new} = {self.display(scope)}"],
            lambda: [f"{new} = {self.display(scope)}"],
            lambda: self.work_list(scope, 1),
            lambda: [f"{new} = {self.call(scope, 1)}"],
            lambda: [f"{new} = {self.call(scope, 1)}"],
            lambda: [f"{new} = {self.call(scope, 1)}", f"{new}b = {self.call(scope, 1)}"],
            lambda: [f"{new} = {self.one(*scope.methods)}({n()})"],
            lambda: [f"{new} = {self.one(*scope.methods)}({n()})"],
            lambda: [f"for w in worlds: out.append(w.m0({n()}))"],
            lambda: [f"{new} = [w.m0({n()}) for w in worlds]"],
            lambda: self.statement(scope, 1),
            lambda: self.statement(scope, 1),
            lambda: [f"for {new} in tqdm(xs):", *indented(self.body(scope.within(new), 1, 2))],
            lambda: (
                [
                    f"bar = tqdm({self.source(scope)})",
                    f"for {new} in bar:",
                    *indented(self.body(scope.within(new), 1, 2)),
                ]
            ),
            lambda: [f"for {new} in range({n()} % 6): warn({new})"],
            lambda: [self.odd_statement(scope)] if self.oddly() else [f"{new} = {n()}"],
        )


def notebook(seed: int) -> tuple[tuple[str, str], str]:
    """Give the earlier cells that a number stands for, and the cell that is compared."""
    write = Writer(seed)
    scope = Scope(
        numbers=["total", "best", "len(xs)", "3"],
        lists=["out", "out", "more"],
        dicts=["table"],
        sets=["found"],
        arrays=["arr"],
        totals=["total", "total", "best"],
        methods=["world.m0"],
    )
    lines: list[str] = []
    for at in range(write.rng.randint(1, 3)):
        lines += write.function(scope, f"f{at}")
        scope.functions.append(f"f{at}")
    lines += write.world(scope)
    scope.functions.append("world.m0")
    scope.numbers.append("world.t")
    cell: list[str] = []
    for _ in range(write.rng.randint(1, 4)):
        cell += write.top(scope)
    return (DATA, "\n".join(lines) + "\n"), "\n".join(cell) + "\n"
