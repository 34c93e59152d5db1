"""`parallel` leaves what `exec` leaves: each accepted form, and each reason for refusal.

Every case is run both ways, and the names, their values, what is the same object as what,
the printed text and the exception are compared.
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import decimal
import gc
import inspect
import io
import itertools
import sys
import traceback
import types
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

import nbexec
from nbexec.cell.analysis.values import immutable
from nbexec.cell.iteration.guard import Guard
from nbexec.cell.plan import plan
from nbexec.cell.report import CellReport
from nbexec.errors import OptionError

# ---------------------------------------------------------------- both ways


@dataclass
class Left:
    """What a run of a cell leaves."""

    names: dict[str, Any] = field(default_factory=dict)
    printed: str = ""
    error: BaseException | None = None
    report: CellReport | None = None

    def shape(self) -> Any:
        """Give all of it as plain data; objects are numbered, so that aliases show."""
        seen: dict[int, int] = {}
        names = {name: _shape(value, seen) for name, value in sorted(self.names.items())}
        chain, error = [], self.error
        while error is not None:
            chain.append((type(error).__name__, str(error)))
            error = error.__cause__ or error.__context__
        raised = chain or None
        return names, self.printed, raised


def _shape(value: Any, seen: dict[int, int]) -> Any:
    if isinstance(value, (types.FunctionType, type, types.ModuleType)):
        return getattr(value, "__qualname__", getattr(value, "__name__", ""))
    if isinstance(value, (int, float, str, bytes, type(None), complex)):
        return repr(value)
    if immutable(type(value)):  # a date is as good as another of the same day
        return type(value).__name__, repr(value)
    if id(value) in seen:
        return f"#{seen[id(value)]}"
    if not isinstance(value, (tuple, frozenset)):
        seen[id(value)] = len(seen)
    kind = type(value).__name__
    if isinstance(value, dict):
        return kind, [(_shape(key, seen), _shape(item, seen)) for key, item in value.items()]
    if isinstance(value, (set, frozenset)):
        return kind, sorted(map(repr, value))
    if isinstance(value, (list, tuple)):
        return kind, [_shape(item, seen) for item in value]
    if hasattr(value, "__next__"):  # what is left in it
        return kind, [_shape(item, seen) for item in itertools.islice(value, 50)]
    if hasattr(value, "__dict__"):
        return kind, _shape(vars(value), seen)
    return kind, repr(value).partition(" at 0x")[0]


def run(how: Any, source: str) -> Left:
    left = Left()
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        try:
            left.report = how(source, left.names)
        except BaseException as error:
            left.error = error
    left.names.pop("__builtins__", None)
    left.printed = printed.getvalue()
    return left


def plainly(source: str, names: dict[str, Any]) -> None:
    code = compile(source, "<cell>", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    value = eval(code, names)
    if code.co_flags & inspect.CO_COROUTINE:
        asyncio.run(value)


def both(
    source: str,
    backend: str = "threads",
    before: Callable[[], None] = lambda: None,
    **options: Any,
) -> Left:
    """Run a cell both ways, `before` each, compare, and give what `parallel` left."""
    before()
    serial = run(plainly, source)
    before()
    options = {"backend": backend, "progress": "off", **options}
    ours = run(lambda text, names: nbexec.parallel(text, names, **options), source)
    assert ours.shape() == serial.shape()
    return ours


def kind(left: Left) -> str:
    assert left.report is not None
    return left.report.steps[-1].kind


def reason(left: Left) -> str:
    """Give the reason why the last statement was not run in parallel, with its line."""
    assert left.report is not None
    return str(left.report).splitlines()[0]


# ---------------------------------------------------------------- what is accepted

ACCEPTED = {
    "append": """
out = []
for x in range(5):
    y = x * x
    out.append(y)
""",
    "extend and a list that is added": """
out, more = [], []
for x in range(5):
    out.extend(range(x))
    more += [x, x]
""",
    "add and update of a set": """
a, b, c = set(), set(), {3}
for x in [3, 1, 3]:
    a.add(x)
    b.update([x, x + 1], {x + 2})
    c |= {x}
""",
    "items of a dict": """
d, e, f = {}, {1: 0}, {}
for x in range(4):
    d[x % 3] = x
    e.update({x: x}, k=x)
    f |= {x: x}
""",
    "numbers: the order of float sums": """
total, product, count, bits = 0.1, 1, 0, 0
for x in [0.1, 0.2, 0.3, 1e16, -1e16]:
    total += x
    product *= 2
    count -= 1
    bits |= 4
""",
    "text and tuples": """
text, pairs = "", ()
for x in "abc":
    text += x.upper()
    pairs += (x, 1)
""",
    "a Counter": """
from collections import Counter, defaultdict, OrderedDict
c, d, e, f = Counter(), Counter("a"), defaultdict(list), OrderedDict()
for word in "the cat the dog".split():
    c[word] += 1
    d.update(word)
    e[word] = 1
    f.update(((word, 2),))
""",
    "several at once, under if, continue, try, with and inner loops": """
import contextlib
small, large, bad, n = [], [], [], 0
for x in [1, 20, "x", 3]:
    try:
        y = x + 1
    except TypeError as error:
        bad.append(str(error))
        continue
    with contextlib.nullcontext(y) as z:
        for i in range(2):
            n += i * z
    if y > 10:
        large.append(y)
    else:
        small.append(y)
        while y > 0:
            y -= 1
""",
    "tuple targets, star targets, enumerate and zip": """
out = []
for i, (a, *b) in enumerate(zip("ab", "cd", "ef")):
    out.append((i, a, b))
""",
    "else runs, and sees what the loop left": """
out = []
for x in range(3):
    out.append(x)
else:
    total = sum(out) + x
""",
    "an empty loop binds nothing": """
out = []
for x in []:
    y = x
    out.append(y)
else:
    z = 1
""",
    "names keep their last values": """
big = None
for x in [1, 5, 2]:
    y = [x]
    if x > 3:
        big = x
    x += 1
""",
    "a body name that is a large object": """
out = []
for x in range(4):
    rows = [[x] * 5] * 3
    if x < 2:
        first = rows[0]
    out.append(len(rows))
""",
    "objects that are shared inside an iteration stay shared": """
a, b = [], []
for x in range(3):
    row = {"x": x}
    a.append(row)
    b.append((row, [row]))
""",
    "items that are kept are the very items": """
rows = [{"n": 1}, {"n": 5}, {"n": 7}]
kept, ranked = [], []
for row in rows:
    if row["n"] > 2:
        kept.append(row)
        ranked.append((row["n"], row))
""",
    "outer objects that are kept are the very objects": """
labels = {"a": [1], "b": [2]}
out = []
for x in "abc":
    out.append(labels)
""",
    "functions of the notebook": """
def double(x, by=2):
    result = []
    for _ in range(by):
        result.append(x)
    return sum(result)

out = []
for x in range(5):
    out.append(double(x))
""",
    "recursive functions and generators": """
def walk(tree):
    for part in tree:
        if isinstance(part, list):
            yield from walk(part)
        else:
            yield part

def depth(tree):
    return 1 + max((depth(part) for part in tree if isinstance(part, list)), default=0)

out = []
for tree in [[1, [2]], [3, [4, [5]]]]:
    out.append((list(walk(tree)), depth(tree)))
""",
    "classes of the notebook": """
from dataclasses import dataclass

@dataclass
class Point:
    x: int
    y: int = 0

    def norm(self):
        return abs(self.x) + abs(self.y)

class Tally:
    def __init__(self, start):
        self.seen = [start]

    def add(self, value):
        self.seen.append(value)
        return self

points = [Point(1, 2), Point(3)]
out, made = [], []
for p in points:
    out.append(p.norm())
    made.append(Tally(p.x).add(p.y).seen)
""",
    "closures and partials": """
from functools import partial

def adder(n):
    def add(x):
        return x + n
    return add

plus, power = adder(3), partial(pow, 2)
out = []
for x in range(4):
    out.append((plus(x), power(x)))
""",
    "lambdas that are used at once": """
out = []
for words in [["bb", "a"], ["c", "dd"]]:
    words = sorted(words, key=lambda word: (len(word), word))
    out.append(list(map(lambda word: word * 2, words)))
""",
    "a copy may be changed": """
rows = [{"a": 1}, {"a": 2}]
out = []
for row in rows:
    row = dict(row)
    row["b"] = row["a"] + 1
    out.append(row)
""",
    "files that are read": """
import pathlib, nbexec
folder = pathlib.Path(nbexec.__file__).parent
sizes = {}
for path in sorted(folder.glob("*.py")):
    with open(path) as file:
        lines = file.readlines()
    sizes[path.name] = len(lines) + len(path.read_text())
else:
    del path, folder, file
""",
    "combinations": """
import itertools
xs = [[1], [2], [3]]
out = []
for a, b in itertools.combinations(xs, 2):
    out.append((a, b))
""",
    "print": """
for x in range(4):
    print("item", x, sep=": ", end="!\\n")
    if x % 2:
        print(f"{x} is odd", flush=True)
""",
    "a lazy iterable": """
def numbers(n):
    for i in range(n):
        yield i

out = []
for x in numbers(6):
    out.append(x)
""",
    "match": """
out = []
for item in [("a", 1), ("b", 2), ("a", 3)]:
    match item:
        case ("a", number) if number > 1:
            out.append(number)
        case (other, _):
            out.append(other)
""",
    "walrus": """
out = []
for x in range(6):
    if (y := x * 2) > 4:
        out.append(y)
""",
    "list comprehension": "out = [x * y for x in range(4) if x for y in range(x)]",
    "set comprehension": "a = b = {x % 3 for x in range(9)}",
    "dict comprehension": "d = {x % 3: x for x in range(9)}",
    "a comprehension as the value": "[x + 1 for x in range(3)]",
    "sum over a generator": "total = sum(x * 0.1 for x in range(10))",
    "sum with a start": "total = sum((x for x in range(10)), 0.5)",
    "join": "text = ', '.join(str(x) for x in range(10))",
    "any": "found = any(1 / (3 - x) > 0.4 for x in range(10))",
    "max with a key": "best = max((x for x in [3, -7, 5]), key=lambda x: x * x)",
    "sorted": "ranks = sorted((x % 4 for x in range(9)), reverse=True)",
    "dict over pairs": "d = dict((x, x * x) for x in range(5))",
    "a list comprehension inside sum": "n = sum([x for x in range(5)])",
    "items of a comprehension are the very items": """
rows = [{"n": 1}, {"n": 5}]
big = [row for row in rows if row["n"] > 2]
""",
    "identity of items and captured names": """
rows = [{"n": 1}, {"n": 5}]
chosen = rows[1]
same = [row is chosen for row in rows]
""",
    "objects as keys by identity": """
class Node:
    pass

nodes = [Node(), Node(), Node()]
degree = {node: i for i, node in enumerate(nodes)}
out = []
for node in nodes:
    out.append(degree[node])
""",
    "a random generator of its own": """
import random
out = []
for seed in range(4):
    rng = random.Random(seed)
    out.append(rng.random())
""",
    "break: nothing past it is seen": """
out, n = [], 0
for x in [3, 2, 1, 0, -1, "x"]:
    y = 6 - x
    out.append(y)
    if x == 1:
        z = "found"
        break
    print(x)
    n += 1 / x
else:
    never = True
""",
    "break of an endless loop": """
import itertools
for n in itertools.count(1):
    if n % 7 == 0 and n % 5 == 0:
        break
""",
    "break out of a range that is too long for a list": """
for n in range(10**30):
    if n > 20:
        break
""",
    "break that is never reached": """
for x in [1, 2, 3]:
    if x > 5:
        break
else:
    done = x
""",
    "break inside try, with and inner loops": """
import contextlib
out = []
for x in range(10):
    for y in range(x):
        if y == 2:
            break
    try:
        with contextlib.nullcontext():
            if x == 6:
                out.append("last")
                break
    finally:
        out.append(x)
""",
    "loops all over the cell": """
squares = []
for x in range(5):
    squares.append(x * x)
print(len(squares))
halves = [x / 2 for x in squares]
total = 0
for h in halves:
    total += h
text = ",".join(str(h) for h in halves)
[x for x in range(3)]
best = max(x for x in squares)
""",
    "groups: setdefault, defaultdict and lists in lists": """
from collections import defaultdict, deque
a, b, c, d, e = {}, defaultdict(list), {}, [[], []], deque(maxlen=3)
f, s, h = {"x": [0]}, defaultdict(set), []
for x in range(6):
    a.setdefault(x % 2, []).append(x)
    b[x % 3].append([x])
    c.setdefault(x % 2, set()).add(x)
    d[x % 2].append(x)
    e.append(x)
    f["x"].extend([x, x])
    s[x % 2].add(str(x))
    h.insert(len(h), [x])
""",
    "numbers in dicts and lists": """
from collections import Counter, defaultdict
a, b, c, d = {"x": 0.5, "y": 1}, defaultdict(int), [0, 0, 0], defaultdict(str)
e = Counter()
for x in [0.1, 0.2, 0.3]:
    a["x"] += x
    a["y"] *= 2
    b[int(x * 10)] += 1
    c[int(x * 10) - 1] -= x
    d["t"] += str(x)
    e[x] += x
""",
    "stores in a list and in arrays": """
import numpy as np
xs, a, b, m = [None] * 4, np.zeros(4), np.zeros((3, 4)), np.zeros((2, 2), dtype=np.uint8)
total = np.zeros(4)
for i in range(3):
    row = np.arange(4.0) * i
    xs[i] = i * i
    xs[-1] = row.sum()
    a[i] = row[1]
    b[i] = row
    b[i, 0] += 0.1
    total += row
    m[:, i % 2] = [i, i]
    row[0] = 7
else:
    a, b, m, total, row = a.tolist(), b.tolist(), m.tolist(), total.tolist(), row.tolist()
""",
    "loops inside expressions": """
import math, types
xs, out, a = [3, 1, 2], [], types.SimpleNamespace()
mean = sum(x * x for x in xs) / len(xs)
root = math.sqrt(sum(x for x in xs)) + 1
out.extend([x + 1 for x in xs])
first, *others = sorted((str(x) for x in xs), reverse=True)
d = {"a": [x for x in xs], "b": 2}
d["c"], a.b = max(x for x in xs), 5
out += [-x for x in xs]
if any(x > 2 for x in xs):
    found = True
said = f"{sum(x for x in xs):.2f} of {len(xs)}"
pair = ([x for x in xs], {x for x in xs})
assert all(x < 10 for x in xs), "large"
n: int = sum(x for x in xs)
ok = not any(x > 5 for x in xs) and mean
tail = [x for x in xs][1:]
print(sum(x for x in xs), len(out))
count = len([x for x in xs if x > 1])
""",
    "map and filter": """
def double(x):
    return x * 2

xs = [3, 1, 2]
a = list(map(double, xs))
b = sum(filter(lambda x: x > 1, xs))
c = sorted(map(str, xs), key=len)
d = {"most": max(map(double, xs)), "all": set(map(abs, xs))}
e = tuple(filter(double, range(3)))
f = ",".join(map(str, xs))
""",
    "each item has its place": """
import numpy as np
xs, d, e, a = [3, 1, 2], {"a": 1, "b": 2}, {"k": [1]}, np.arange(4.0)
for i in range(len(xs)):
    xs[i] = xs[i] * 10 + i
for i, x in enumerate(xs):
    xs[i] = str(x) + str(xs[i])
for k in d:
    d[k] = d[k] + 1
for k, v in d.items():
    d[k] = (v, [d[k]])
for k in e:
    e[k] = [*e[k], 2]
for i in range(4):
    a[i] = a[i] / 3
else:
    a = a.tolist()
for k in ["x", "y"]:
    d[k] = len(k)
for k in ["x", "y"]:
    d[k] = d[k] + 1
for i in range(2):
    big = [i] * 2000
    xs[i] = (xs[i], len(big))
""",
    "entries that are there": """
from collections import defaultdict
groups = defaultdict(list, a=[1, 2], b=[3])
out = []
for name in groups:
    out.append(sum(groups[name]))
for name, members in groups.items():
    out.append(len(groups[name]) + len(members))
""",
    "a sum and a maximum that are assigned": """
total, text, best, least = 0, "", -1, 9.5
for x in [3, 1, 4, 1, 5]:
    total = total + x / 10
    text = text + str(x)
    best = max(best, x * 7 % 5)
    least = min(x * 0.5, least)
""",
    "shadowed builtins": """
def len(x):
    return 7

out = []
for x in range(3):
    out.append(len(x))
""",
}


@pytest.mark.parametrize("source", ACCEPTED.values(), ids=ACCEPTED)
@pytest.mark.parametrize("where", ["threads", "processes"])
def test_accepted(source, where):
    left = both(source, where)
    assert kind(left) == "parallel", reason(left)
    assert left.report.steps[-1].reason == ""


@pytest.mark.parametrize("where", ["serial", "auto", "asyncio"])
def test_backends(where):
    left = both(ACCEPTED["several at once, under if, continue, try, with and inner loops"], where)
    assert kind(left) == "parallel"


# ---------------------------------------------------------------- what is refused

REFUSED = {
    "a read of an accumulator": (
        "total = 0\nfor x in [1, 2]:\n    total += x\n    y = total",
        "line 4: serial: reads `total`, which the loop changes",
    ),
    "a read of an accumulator by a function": (
        "out = []\ndef size():\n    return len(out)\nfor x in [1, 2]:\n    out.append(size())",
        "line 5: serial: calls `size`, which reads `out`, which the loop changes",
    ),
    "a read of the loop's own names by a function": (
        "def f():\n    return x\nx = 0\nout = []\nfor x in [1, 2]:\n    out.append(f())",
        "line 6: serial: calls `f`, which reads `x`, which the loop changes",
    ),
    "a carried value": (
        "last = 0\nout = []\nfor x in [1, 2]:\n    out.append(last)\n    last = x",
        "line 4: serial: reads `last` before it is assigned in the same iteration: "
        "it would carry a value from one to the next",
    ),
    "a value that may be carried": (
        "y = 0\nout = []\nfor x in [3, 1]:\n    if x > 2:\n        y = x\n    out.append(y)",
        "line 6: serial: reads `y` before",
    ),
    "a value that an inner loop may not assign": (
        "y = 0\nout = []\nfor x in [[1], []]:\n    for y in x:\n        pass\n    out.append(y)",
        "line 6: serial: reads `y` before",
    ),
    "del of what may not be there": (
        "y = 0\nfor x in [1, 2]:\n    if x > 5:\n        y = x\n    del x",
        "line 5: serial: deletes `x`, which may not be bound in the same iteration",
    ),
    "a function in the body that keeps a value": (
        "for x in [1, 2]:\n    def f(y=x): return y",
        "line 2: serial: defines `f`, and not only by its body",
    ),
    "a class in the body": ("for x in [1]:\n    class A: pass", "line 2: serial: defines a class"),
    "an annotation": ("for x in [1, 2]:\n    y: int = x", "line 2: serial: annotates a name"),
    "a store in an outer list that it reads": (
        "xs = [0, 0]\nfor i in range(2):\n    xs[i] = xs[i - 1] + i",
        "line 3: serial: reads `xs`, which the loop changes",
    ),
    "a store in an outer list that grows": (
        "xs = [0, 0]\nfor i in range(2):\n    xs[i] = i\n    xs.append(i)",
        "line 3: serial: changes `xs` in place",
    ),
    "places that are written twice": (
        "xs = [1, 2]\nfor i in [0, 0]:\n    xs[i] = xs[i] + 1",
        "line 3: serial: reads `xs`, which the loop changes",
    ),
    "places that are read before their turn": (
        "xs = [1, 2, 3, 4]\nfor i, x in enumerate(xs, 1):\n    if i < 4:\n        xs[i] = x + 1",
        "line 4: serial: `xs` can also be reached through `enumerate(xs, 1)`",
    ),
    "places that are read again": (
        "xs = [1, 2]\nfor i in range(2):\n    xs[i] = 5\n    y = xs[i]",
        "line 4: serial: reads `xs`, which the loop changes",
    ),
    "places in an inner loop": (
        "xs = [1, 2]\nfor i in range(2):\n    for j in range(3):\n        xs[i] = xs[i] + j",
        "line 4: serial: reads `xs`, which the loop changes",
    ),
    "lists in a dict that have another name": (
        "a = [1]\nd = {'a': a}\nfor x in [1, 2]:\n    d['a'].append(len(a))",
        "line 4: serial: `d` can also be reached through `a`",
    ),
    "an array with another name": (
        "import numpy as np\na = np.zeros(4)\nb = a[1:]\nfor i in range(2):\n"
        "    a[i] = b[0] + 1\nelse:\n    a, b = list(a), list(b)",
        "line 5: serial: `a` can also be reached through `b`",
    ),
    "a pick that is read": (
        "best = 0\nfor x in [1, 3, 2]:\n    best = max(best, x)\n    y = best",
        "line 4: serial: reads `best`, which the loop changes",
    ),
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
    "sort of an accumulator": (
        "out = []\nfor x in [2, 1]:\n    out.append(x)\n    out.sort()",
        "line 4: serial: reads `out`, which the loop changes",
    ),
    "an accumulator with another name": (
        "a = b = []\nfor x in [1, 2]:\n    a.append(x)\n    y = len(b)",
        "line 3: serial: `a` can also be reached through `b`",
    ),
    "two accumulators that are one": (
        "a = b = []\nfor x in [1, 2]:\n    a.append(x)\n    b.append(x)",
        "line 3: serial: `a` and `b` are the same object",
    ),
    "an accumulator inside an item": (
        "out = []\nitems = [out, [1]]\nfor item in items:\n    out.append(len(item))",
        "line 4: serial: `out` can also be reached through `items`",
    ),
    "an accumulator inside a default argument": (
        "out = []\ndef f(x, seen=out):\n    return len(seen)\n"
        "for x in [1, 2]:\n    out.append(f(x))",
        "line 5: serial: `out` can also be reached through `f`",
    ),
    "an iterable that is changed by its body": (
        "xs = [1, 2]\nfor x in xs:\n    if len(str(x)) < 2:\n        xs.append(x * 10)",
        "line 4: serial: `xs` can also be reached through `xs`",
    ),
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
    "an accumulator of another type": (
        "import array\nout = array.array('i')\nfor x in [1, 2]:\n    out.append(x)",
        "line 4: serial: calls `out.append()`, which may change it",
    ),
    "a global that a function writes": (
        "n = 0\ndef f(x):\n    global n\n    n += 1\n    return x\n"
        "out = []\nfor x in [1, 2]:\n    out.append(f(x))",
        "line 8: serial: calls `f`, which changes the global `n`",
    ),
    "a closure that a function writes": (
        "def make():\n    n = 0\n    def f():\n        nonlocal n\n        n += 1\n        return n\n"
        "    return f\nf = make()\nout = []\nfor x in [1, 2]:\n    out.append(f())",
        "line 11: serial: calls `f`, which changes `n` of the function around it",
    ),
    "a mutable default that a function changes": (
        "def f(x, seen=[]):\n    seen.append(x)\n    return len(seen)\n"
        "out = []\nfor x in [1, 2]:\n    out.append(f(x))",
        "line 6: serial: calls `f`, which calls `seen.append()`, which may change it",
    ),
    "a global object that a function changes": (
        "seen = {}\ndef f(x):\n    seen[x] = 1\n    return x\n"
        "def g(x):\n    return f(x)\nout = []\nfor x in [1, 2]:\n    out.append(g(x))",
        "line 9: serial: calls `g`, which calls `f`, which changes `seen` in place",
    ),
    "an argument that a function changes": (
        "def f(row):\n    row['a'] = 1\nrows = [{}, {}]\nfor row in rows:\n    f(row)",
        "line 5: serial: calls `f`, which changes `row` in place",
    ),
    "an attribute of a function": (
        "def f(x):\n    f.calls += 1\n    return x\nf.calls = 0\n"
        "out = []\nfor x in [1, 2]:\n    out.append(f(x))",
        "line 7: serial: calls `f`, which ",
    ),
    "a method that changes its object": (
        "class A:\n    n = 0\n    def up(self):\n        self.n += 1\n"
        "a = A()\nfor x in [1, 2]:\n    a.up()",
        "line 7: serial: calls `up`, which changes `self` in place",
    ),
    "a list that a class shares": (
        "class A:\n    seen = []\n    def add(self, x):\n        self.seen.append(x)\n"
        "for x in [1, 2]:\n    A().add(x)",
        "line 6: serial: calls `add`, which calls `self.seen.append()`, which may change it",
    ),
    "an operator that changes its object": (
        "class A:\n    n = 0\n    def __add__(self, other):\n        self.n += other\n"
        "        return self.n\na = A()\nout = []\nfor x in [1, 2]:\n    out.append(a + x)",
        "line 9: serial: uses `A.__add__`, which changes `self` in place",
    ),
    "a property that changes its object": (
        "class A:\n    n = 0\n    @property\n    def m(self):\n        self.n += 1\n"
        "        return self.n\na = A()\nout = []\nfor x in [1, 2]:\n    out.append(a.m)",
        "line 10: serial: calls `m`, which changes `self` in place",
    ),
    "a cached function": (
        "from functools import lru_cache\n@lru_cache\ndef f(x):\n    return [x]\n"
        "out = []\nfor x in [1, 1]:\n    out.append(f(x))\ndel lru_cache, f",
        "line 8: serial",
    ),
    "a callback that changes something": (
        "seen = []\ndef key(x):\n    seen.append(x)\n    return x\n"
        "out = []\nfor x in [[2, 1], [3]]:\n    out.append(sorted(x, key=key))",
        "line 7: serial: calls `key`, which calls `seen.append()`, which may change it",
    ),
    "a print in a function": (
        "def f(x):\n    print(x)\n    return x\nout = []\nfor x in [1, 2]:\n    out.append(f(x))",
        "line 6: serial: calls `f`, which calls `print`, which prints",
    ),
    "a print to a file": (
        "import sys\nfor x in [1, 2]:\n    print(x, file=sys.stdout)",
        "line 3: serial: ",
    ),
    "random numbers": (
        "import random\nrandom.seed(1)\nout = []\nfor x in [1, 2]:\n    out.append(random.random())",
        "line 5: serial: calls `random.random`, which draws random numbers, which come in an order",
    ),
    "random numbers by name": (
        "from random import seed, choice\nseed(1)\nout = []\nfor x in [1, 2]:\n"
        "    out.append(choice('abc'))\ndel seed, choice",
        "line 6: serial",
    ),
    "random numbers of an outer generator": (
        "import random\nrng = random.Random(1)\nout = []\nfor x in [1, 2]:\n"
        "    out.append(rng.random())\nelse:\n    del rng",
        "line 5: serial: uses `rng`: draws random numbers, which come in an order",
    ),
    "next": (
        "it = iter([1, 2])\nout = []\nfor x in [1, 2]:\n    out.append(next(it))\nelse:\n    del it",
        "line 4: serial: uses `it`, an iterator, which reading changes",
    ),
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
    "an entry of one's own": (
        "from collections import defaultdict\ndd = defaultdict(int)\n"
        "for k in 'ba':\n    dd[k] = dd[k] + 1",
        "line 4: serial: looks up `dd[k]`, which may make an entry",
    ),
    "an operator of an object inside something": (
        "class A:\n    n = 0\n    def __add__(self, other):\n        self.n += other\n"
        "        return self.n\nd = {'a': A()}\nout = []\nfor x in [1, 2]:\n    out.append(d['a'] + x)",
        "line 9: serial: uses `A.__add__`, which changes `self` in place",
    ),
    "a list that is shuffled": (
        "import random\ncards, out = [1, 2, 3], []\nfor seed in range(3):\n"
        "    random.Random(seed).shuffle(cards)\n    out.append(cards[0])",
        "line 4: serial: calls `.shuffle()`, which changes what it is given",
    ),
    "an array to write to": (
        "import numpy as np\na, out = np.ones(3), []\nfor i in range(3):\n"
        "    np.multiply(a, 2, a)\n    out.append(float(a[0]))\nelse:\n    a = a.tolist()",
        "line 4: serial: gives a function an array to write to",
    ),
    "where an object is": (
        "rows = [[1], [2]]\nout = len({id(r) for r in rows} & {id(rows[0])})",
        "line 2: serial: ",
    ),
    "a file that is written": (
        "import os\nfor x in [1, 2]:\n    open(os.devnull, 'w').close()",
        "line 3: serial: opens a file for writing",
    ),
    "an array that is saved": (
        "import numpy as np\nfor x in [1, 2]:\n    np.save('/dev/null', np.zeros(x))",
        "line 3: serial: calls `numpy.save`, which changes files, where order may matter",
    ),
    "a picture that is saved": (
        "class P:\n    pass\nps = [P(), P()]\nfor p in ps:\n    try:\n        p.save('x')\n"
        "    except AttributeError:\n        pass",
        "line 6: serial: calls ",
    ),
    "a path that is written": (
        "import pathlib\nfor x in [1, 2]:\n    pathlib.Path('/dev/null').write_text('x')",
        "line 3: serial: calls `.write_text()`, which changes files, where order may matter",
    ),
    "exec": ("for x in [1, 2]:\n    exec('y = 1')", "line 2: serial: calls `exec`, which"),
    "globals": ("for x in [1, 2]:\n    globals()", "line 2: serial: calls `globals`, which"),
    "setattr": (
        "import types\na = types.SimpleNamespace()\nfor x in [1, 2]:\n    setattr(a, 'b', x)",
        "line 4: serial: calls `setattr`, which changes what it is given",
    ),
    "a heap": (
        "import heapq\nheap = []\nfor x in [2, 1]:\n    heapq.heappush(heap, x)",
        "line 4: serial: calls `heapq.heappush`, which changes what it is given",
    ),
    "a lock": (
        "import threading\nlock = threading.Lock()\nfor x in [1, 2]:\n    with lock:\n        pass\n"
        "else:\n    del lock",
        "line 4: serial: uses `lock`: a lock orders those who wait for it",
    ),
    "something unknown that is called": (
        "fs = [len, str]\nout = []\nfor f in fs:\n    out.append(f('a'))",
        "line 4: serial: calls `f`, which can't be looked into",
    ),
    "a lambda that is kept": (
        "fs = []\nfor x in [1, 2]:\n    fs.append(lambda: x)\nelse:\n    fs = [f() for f in fs]",
        "line 3: serial: keeps a function that was made in the loop",
    ),
    "a lambda that has a name": (
        "for x in [1, 2]:\n    f = lambda: x",
        "line 2: serial: keeps a function that was made in the loop",
    ),
    "an exception's name that is there already": (
        "e = 1\nfor x in [1, 0]:\n    try:\n        y = 1 / x\n"
        "    except ZeroDivisionError as e:\n        pass",
        "line 5: serial: `except ... as e` would delete `e`",
    ),
    "an item that is stored elsewhere": (
        "d = {}\nfor d['x'] in [1, 2]:\n    pass",
        "line 2: serial: each item is stored in `d['x']`",
    ),
    "two generators of one comprehension are fine, a walrus among them is not": (
        "out = [y := x + i for x in [1, 2] for i in range(x)]",
        "line 1: serial: binds `y` in a loop inside the comprehension",
    ),
    "a consumer that is not known": (
        "def first(xs):\n    return next(xs)\nn = first(x for x in [1, 2])",
        "line 3: serial: `first` may do anything with the items that it is given",
    ),
    "any over what comes lazily": (
        "def ones():\n    while True:\n        yield 1\nn = any(x for x in ones())",
        "line 4: serial: `any` over a generator may stop before it has taken every item",
    ),
    "a generator that reads an accumulator": (
        "out = []\ndef grow():\n    for i in range(3):\n        yield len(out)\n"
        "for x in grow():\n    out.append(x)",
        "line 5: serial: calls `grow`, which reads `out`, which the loop changes",
    ),
    "no loop": ("x = 1", "line 1: serial: it is no for loop, comprehension, or call like sum("),
    "while": ("x = 3\nwhile x:\n    x -= 1", "line 2: serial: it is no for loop"),
}


@pytest.mark.parametrize(("source", "said"), REFUSED.values(), ids=REFUSED)
def test_refused(source, said):
    left = both(source)
    assert kind(left) == "serial"
    assert said in reason(left)


# ---------------------------------------------------------------- exceptions

RAISING = {
    "in the middle of the body": """
out, n = [], 0
for x in [3, 2, 1, 0, 5]:
    n += 1
    y = 6 / x
    out.append(y)
    z = y
""",
    "after some of its effects": """
out, d = [], {}
for x in ["1", "2", "x", "3"]:
    out.append(x)
    print("at", x)
    d[x] = int(x)
""",
    "an unhashable key": "s = set()\nfor x in [1, [2], 3]:\n    s.add(x)\n    y = 1",
    "an unhashable key of a dict": "d = {}\nfor x in [1, [2], 3]:\n    d[x] = 1",
    "an unhashable key that is caught": """
s, bad = set(), []
for x in [1, [2], 3]:
    try:
        s.add(x)
    except TypeError:
        bad.append(x)
""",
    "a number that can't be added": "n = 0\nfor x in [1, 'a', 3]:\n    y = x\n    n += x",
    "a number that can't be added, caught": """
n, bad = 0, 0
for x in [1, "a", 3]:
    try:
        n += x
    except TypeError:
        bad += 1
""",
    "a list that can't be added, swallowed by a bare except": """
n = 0
for x in [1, [2], 3]:
    try:
        n += x
    except BaseException:
        m = x
""",
    "a key that is not there": """
d, n = {"a": 1}, 0
for k in ["a", "b", "a"]:
    n += 1
    d[k] += 1
    n += 10
""",
    "a key that is not there, and a value that can't be had": """
from collections import defaultdict
d, g, s, p = {"a": 1}, defaultdict(list), {}, {"a": []}
for k in ["a", "b"]:
    for one in (d, g, s, p):
        pass
    try:
        g[k].append(1 / (len(k) - 1))
    except ZeroDivisionError:
        s.setdefault(k, []).append(k)
    try:
        p[k].append(1 / 0)
    except ArithmeticError:
        pass
    d[k] += 1 / 0
""",
    "a list is there where a number is expected": """
d, log = {"a": 1, "b": [1]}, []
for k in ["a", "b", "a"]:
    log.append(k)
    d[k] += 1
""",
    "an index that is not there": """
xs, n = [0, 0], 0
for i in [0, 1, 2, 0]:
    n += 1
    xs[i] = i
""",
    "an array that can't be written": """
import numpy as np
a, n = np.zeros(3), 0
a.flags.writeable = False
try:
    for i in range(3):
        n += 1
        a[i] = i
finally:
    a = a.tolist()
""",
    "a name that a handler takes away": """
def work(x):
    return 1 / x
error = 1
try:
    a = work(0)
except ZeroDivisionError as error:
    a = 1
b = work(2)
error
""",
    "an array that doesn't fit": """
import numpy as np
a, n = np.zeros((2, 3)), 0
try:
    for i in range(3):
        n += 1
        a[i] = [i] * 3
        a[i] = np.ones(i + 3)
finally:
    a = a.tolist()
""",
    "a key that is looked up and no value": """
from collections import defaultdict
g, s = defaultdict(list), {}
for x in [1, 0]:
    s.setdefault(x, []).append(1 / x)
    g[x].append(2)
""",
    "halfway through an extend": """
def some(n):
    for i in range(n):
        yield 1 / (2 - i)

out = []
for n in [1, 2, 4, 1]:
    out.extend(some(n))
""",
    "an iterator over a list is used up to the item that raised": """
it, out = iter([1, 2, 0, 4, 5]), []
for i, x in enumerate(it):
    out.append(1 / x)
""",
    "a comprehension over an iterator that raises": "it = iter([2, 0, 3])\nout = [1 / x for x in it]",
    "any over an iterator stops in the middle": "it = iter([0, 2, 3])\nout = any(x for x in it)",
    "an unpacking": "out = []\nfor a, (b, c) in [(1, (2, 3)), (4, (5,)), (6, (7, 8))]:\n"
    "    out.append(a + b + c)",
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
    "an unknown name": "out = []\nfor x in [1, 2]:\n    out.append(x)\n    y = missing",
    "a comprehension": "out = [1 / x for x in [2, 1, 0, 'a']]",
    "sum": "out = sum(1 / x for x in [2, 1, 0])",
    "map": "def f(x):\n    return 1 / x\nout = list(map(f, [2, 1, 0, 3]))",
    "map in an expression": "out = 1 + sum(map(lambda x: 1 / x, [2, 0])) / missing",
    "what comes before the loop raises": "out = missing + sum(1 / x for x in [0])",
    "what comes after the loop raises": "out = []\nout.append(sum(x for x in [1, 2]) / 0)",
    "sum of what can't be added": "out = sum(x for x in [1, 'a', None])",
    "any stops before": "out = any(1 / x for x in [2, 0])",
    "SystemExit": "import sys\nout = []\nfor x in [1, 2, 3]:\n    out.append(x)\n"
    "    if x == 2:\n        sys.exit(5)",
    "StopIteration": "out = []\nfor x in [1, 2]:\n    out.append(x)\n    raise StopIteration(x)",
    "a class of the notebook": """
class Odd(Exception):
    def __init__(self, number):
        super().__init__(f"{number} is odd")
        self.number = number

out = []
for x in [2, 4, 5, 6]:
    if x % 2:
        raise Odd(x)
    out.append(x)
""",
    "a cause": """
out = []
for x in [1, 0]:
    try:
        out.append(1 / x)
    except ZeroDivisionError as error:
        raise ValueError(x) from error
""",
    "before the loop": "out = 1\nout.nothing\nfor x in [1, 2]:\n    pass",
    "in the else": "out = []\nfor x in [1, 2]:\n    out.append(x)\nelse:\n    1 / 0",
    "what the iteration before had bound stays": """
out = []
for x in [1, 2, 0, 3]:
    rows = [x] * 2000
    if x:
        last = rows
    y = 1 / x
    text = str(rows)
    out.append(len(text))
""",
}


@pytest.mark.parametrize("source", RAISING.values(), ids=RAISING)
@pytest.mark.parametrize("where", ["threads", "processes"])
def test_exceptions_leave_what_they_leave_serially(source, where):
    both(source, where)


def frames(error: BaseException) -> list[tuple[str, int, str]]:
    found = traceback.extract_tb(error.__traceback__)
    return [(one.filename, one.lineno, one.name) for one in found if "<" in one.filename]


@pytest.mark.parametrize("where", ["threads", "processes"])
def test_a_traceback_shows_the_lines_of_the_cell(where):
    source = "def f(x):\n    return 1 / x\nout = []\nfor x in [1, 0]:\n    out.append(f(x))"
    left = both(source, where)
    assert frames(left.error) == [("<cell>", 5, "<module>"), ("<cell>", 2, "f")]
    said = "".join(traceback.format_exception(left.error))
    assert "out.append(f(x))" in said
    assert not hasattr(left.error, "__notes__")


@pytest.mark.parametrize("where", ["threads", "processes"])
def test_a_cause_comes_along(where):
    left = both(RAISING["a cause"], where)
    cause = left.error.__cause__
    assert isinstance(cause, ZeroDivisionError)
    assert frames(cause) == [("<cell>", 5, "<module>")]


# ---------------------------------------------------------------- in other processes


def test_what_cant_be_sent_back_is_run_in_the_kernel():
    left = both("import threading\nout = []\nfor x in [1, 2]:\n    out.append(x)\n"
                "    made = threading.Event()\nelse:\n    made = made.is_set()", "processes")  # fmt: skip
    assert kind(left) == "parallel"
    left = both("out = []\nfor x in [1, 2]:\n    out.append((i for i in ()))\nelse:\n"
                "    out = [list(one) for one in out]", "processes")  # fmt: skip
    assert kind(left) == "serial"


def test_part_of_an_item_is_not_a_copy():
    left = both(
        "rows = [{'a': [1]}, {'a': [2]}]\nout = []\nfor row in rows:\n    out.append(row['a'])",
        "processes",
    )
    assert "from item 0 on in the kernel" in reason(left)
    assert left.names["out"][0] is left.names["rows"][0]["a"]


def test_a_result_that_cant_be_pickled():
    left = both("import threading\nout = []\nfor x in [1, 2, 3]:\n    out.append("
                "threading.Lock() if x > 1 else x)\nelse:\n    out = len(out)", "processes")  # fmt: skip
    assert "from item 1 on in the kernel" in reason(left)


def test_a_checkpoint(tmp_path):
    source = "xs, out = [[1], [2]], []\nfor x in xs:\n    y = len(x)\n    out.append((y, sum(x)))"
    for _ in range(2):
        left = both(source, "processes", checkpoint=str(tmp_path / "kept"))
        assert kind(left) == "parallel"
    assert left.report.stats.restored == 2


@pytest.mark.parametrize("where", ["serial", "threads"])
def test_a_checkpoint_keeps_nothing_that_is_of_the_kernel(where, tmp_path):
    source = "xs, out = [[1], [2]], []\nfor x in xs:\n    out.append(sum(x))"
    left = both(source, where, checkpoint=str(tmp_path / "kept"))
    assert kind(left) == "serial"


def test_what_needs_a_process_for_itself_gets_one():
    source = """
import warnings
out = []
for x in range(4):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        out.append(x)
"""
    assert "backend='processes' can run it" in reason(both(source, "threads"))
    left = both(source, "auto")
    assert left.report.stats.backend == "processes"


# ---------------------------------------------------------------- the report and the plan


def test_the_report_says_what_ran_how():
    left = both("import math\nout = []\n\n\nfor x in range(3):\n    out.append(math.sqrt(x))")
    report = left.report
    assert [(one.first, one.last, one.kind) for one in report.steps] == [
        (1, 1, "serial"),
        (2, 2, "serial"),
        (5, 6, "parallel"),
    ]
    assert all(one.seconds >= 0 for one in report.steps)
    assert report.stats.done == 3
    first, second = str(report).splitlines()
    assert first.startswith("lines 5-6: for loop, 3 items on threads × 2, ")
    assert second.startswith("lines 1-2: in order, ")
    assert not report.has_value


def test_every_loop_of_a_cell_runs_item_by_item():
    left = both(ACCEPTED["loops all over the cell"])
    kinds = {step.first: step.kind for step in left.report.steps}
    assert [line for line, kind in kinds.items() if kind == "parallel"] == [3, 6, 8, 10, 11, 12]
    assert left.report.stats is left.report.steps[-1].stats
    assert not left.report.has_value


@pytest.mark.parametrize(
    ("source", "value"),
    [("[x for x in [1, 2]]", [1, 2]), ("1 + 1", 2), ("None", None), ("'text'", "text")],
)
def test_the_value_of_a_last_expression(source, value):
    report = both(source).report
    assert report.has_value
    assert report.value == value
    assert not both(f"x = {source}").report.has_value


def test_an_empty_cell():
    assert both("").report.steps == ()
    assert str(both("# nothing").report) == "nothing to run"


def test_a_plan_runs_nothing():
    names = {"xs": [1, 2]}
    source = "out = []\nfor x in xs:\n    out.append(x)\n    1 / 0"
    assert str(plan(source, names)) == "lines 2-4: for loop, item by item"
    assert names == {"xs": [1, 2]}
    assert str(plan("for x in xs:\n    xs.append(x)", names)).startswith("line 2: serial: `xs` can")


def test_options_are_checked_before_anything_runs():
    names: dict[str, Any] = {}
    for options, said in [
        ({"backend": "thread"}, "did you mean 'threads'?"),
        ({"wrokers": 3}, "did you mean 'workers'?"),
        ({"workers": 0}, "workers must be an integer of at least 1"),
    ]:
        with pytest.raises(OptionError, match=said.replace("?", r"\?")):
            nbexec.parallel("x = 1", names, **options)
    assert names == {}


def test_collect_as_the_sessions_default_is_not_meant_for_cells():
    with nbexec.options(on_error="collect"):
        left = both("out = [1 / x for x in [1, 0]]")
    assert isinstance(left.error, ZeroDivisionError)


def test_a_syntax_error_is_the_one_of_exec():
    assert isinstance(both("x = = 1").error, SyntaxError)
    assert isinstance(both("for x in [1]:\n    return x").error, SyntaxError)


def test_docstrings_and_futures():
    both("'A cell.'\nx = 1\n'no docstring'\ny = [x for x in [1, 2]]")
    both("from __future__ import annotations\ndef f(x: missing): return x\n[f(x) for x in [1]]")


def test_nothing_of_ours_stays_in_the_namespace():
    names: dict[str, Any] = {}
    nbexec.parallel("out = []\nfor x in [1, 2]:\n    out.append(x)", names, progress="off")
    assert set(names) == {"__builtins__", "out", "x"}


def test_the_source_of_an_older_cell_of_the_same_name_is_not_taken_for_it():
    names: dict[str, Any] = {"seen": []}
    old = "def f(x):\n    seen.append(x)\n    return x\n"
    nbexec.parallel(old, names, progress="off")
    report = nbexec.parallel("out = [f(x) for x in [1, 2]]\n\n\n", names, progress="off")
    assert "its source isn't there" in str(report)
    assert names["seen"] == [1, 2]


def test_a_function_without_a_source_that_only_computes():
    names: dict[str, Any] = {}
    exec("def f(x, y=2):\n    return x * y + 1", names)
    report = nbexec.parallel("out = [f(x) for x in [1, 2]]", names, progress="off")
    assert report.steps[-1].kind == "serial" or names["out"] == [3, 5]
    assert "sys" in sys.modules


# ---------------------------------------------------------------- statements at once

WORK = "\nimport time\ndef work(x):\n    return sum(i * x for i in range(50))\n"
AT_ONCE = {
    "calls that don't depend on one another": ("a = work(1)\nb = work(2)\nc = a + b", [5, 6]),
    "what comes between": ("a = work(1)\nn = 3\nprint('n', n)\nb = work(2)", [5, 8]),
    "stores, sums and appends": (
        "d, out, n = {}, [], 1\nd['a'] = work(1)\nout.append(work(2))\nn += work(3)\nd['b'] = work(4)",
        [6, 7, 8, 9],
    ),
    "a name that is read and bound": ("x = 2\nx = work(x)\ny = work(3)", [6, 7]),
    "blocks": (
        "a = 1\nif a:\n    b = work(1)\ntry:\n    c = work(2)\nexcept ValueError:\n    c = 0",
        [6, 8],
    ),
    "one that waits for another": ("a = work(1)\nb = work(a)\nc = work(2)\nd = work(b)", [5, 7]),
    "the value of the cell": ("a = work(1)\nwork(2)", [5, 6]),
    "an error": ("a = work(1)\nb = work('x')\nc = work(2)", None),
    "an error before": ("a = work(1)\nb = missing\nc = work(2)", None),
    "an unpacking that fails": ("a, b = work(1), 2\nc, d = work(1), 2\ne, f = work(2)", None),
    "the clock": (
        "t = time.perf_counter()\na = work(1)\nu = time.perf_counter()\nok = u > t\ndel t, u",
        [],
    ),
    "a bare call": ("log = []\na = work(1)\ntime.sleep(0)\nb = work(2)", []),
    "a list that the other reads": ("out = []\nout.append(work(1))\nn = work(len(out))", []),
    "a list that the other reaches": (
        "out = []\nbox = [out]\nout.append(work(1))\nn = work(len(box[0]))",
        [],
    ),
    "a function that reads what the other binds": (
        "k = 1\ndef f(x):\n    return work(x + k)\na = f(1)\nk = work(2)\nb = f(1)",
        [8, 9],
    ),
    "random numbers": (
        "import random\nrandom.seed(1)\na = random.random()\nb = random.random()",
        [],
    ),
}


@pytest.mark.parametrize(("source", "lines"), AT_ONCE.values(), ids=AT_ONCE)
@pytest.mark.parametrize("where", ["threads", "processes", "auto"])
def test_statements_at_once(source, lines, where):
    left = both(WORK + source, where)
    if lines is None:
        assert left.error is not None
    else:
        steps = left.report.steps
        assert [step.first for step in steps if step.kind == "together"] == lines, str(left.report)


def test_a_plan_foresees_statements_at_once():
    found = plan(WORK + "a = work(1)\nb = work(2)\nc = work(a)", {})
    assert str(found) == ("line 5: at the same time as line 6\nline 6: at the same time as line 5")
    assert [step.waits for step in found.steps] == [(), (), (3,), (3,), (5,)]
    assert found.svg().count("<rect") == 5


# ---------------------------------------------------------------- the guard


@pytest.fixture
def library(tmp_path, monkeypatch):
    """Give an installed module with code that changes what it is given."""
    home = tmp_path / "site-packages"
    home.mkdir()
    (home / "sneaky.py").write_text(
        "def total(xs):\n    xs.append(len(xs))\n    return sum(xs)\n"
        "def kind(xs):\n    return sum(xs)\n"
    )
    monkeypatch.syspath_prepend(str(home))
    import cloudpickle
    import sneaky

    cloudpickle.register_pickle_by_value(sneaky)  # workers that run already have another path
    yield
    cloudpickle.unregister_pickle_by_value(sneaky)
    sys.modules.pop("sneaky", None)


def test_a_worker_that_cant_load_what_it_needs():
    left = both(
        "class Odd:\n    x = 2\n    def __reduce__(self):\n        return int, ('x',)\n"
        "odd = Odd()\nout = [odd.x * x for x in [1, 2]]",
        "processes",
    )
    assert "from item 0 on in the kernel: the function can't be unpickled" in reason(left)


def test_workers_have_the_settings_of_the_kernel(tmp_path, monkeypatch):
    home = tmp_path / "site-packages"
    home.mkdir()
    (home / "elsewhere.py").write_text("def double(x):\n    return x * 2\n")
    (tmp_path / "here.txt").write_text("here")
    nbexec.map(abs, [1], backend="processes", progress="off")
    monkeypatch.syspath_prepend(str(home))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NBEXEC_TEST", "1")
    source = """
import decimal, elsewhere, os, pathlib
import numpy as np
a = [elsewhere.double(x) for x in [1, 2]]
b = [pathlib.Path("here.txt").read_text() for x in [1, 2]]
with decimal.localcontext(prec=40), np.printoptions(precision=2):
    c = [decimal.Decimal(1) / x for x in [3, 7]]
decimal.getcontext().prec = 33
d = [str(decimal.Decimal(1) / x) for x in [3, 7]]
np.set_printoptions(precision=3)
e = [str(np.array([1 / x])) for x in [3, 7]]
f = [os.environ["NBEXEC_TEST"] for x in [3, 7]]
"""
    try:
        left = both(source, "processes")
    finally:
        np.set_printoptions(precision=8)
        decimal.getcontext().prec = 28
        sys.modules.pop("elsewhere", None)
    assert [one.kind for one in left.report.steps].count("parallel") == 5


SNEAKY = {
    "a captured list": "xs, out = [1], []\nfor x in range(6):\n    out.append(sneaky.total(xs))",
    "the item": "rows, out = [[1], [2], [3]], []\nfor row in rows:\n    out.append(sneaky.total(row))",
    "an item among captured things": "rows = [[1], [2]]\nout = [sneaky.total(r) for r in [*rows, rows[0]]]",
    "a list in a closure": "def make(xs):\n    return lambda: sneaky.total(xs)\nf = make([1])\n"
    "out = [f() for x in range(4)]",
    "a statement": "import time\nxs = [1]\ndef f(xs):\n    return sneaky.total(xs)\na = f(xs)\nb = f(xs)",
}


@pytest.mark.parametrize("source", SNEAKY.values(), ids=SNEAKY)
def test_the_guard_sees_what_nothing_had_shown(library, source):
    left = both(f"import sneaky\n{source}", "processes")
    assert "in the kernel" in str(left.report)
    assert "changed" in str(left.report)


def test_what_changes_nothing_passes_the_guard(library):
    source = "import sneaky\nrows = [[1], [2], [3]]\nout = [sneaky.kind(row) for row in rows]"
    left = both(source, "processes")
    assert kind(left) == "parallel"
    assert left.report.steps[-1].reason == ""
    assert "assumed: `sneaky.kind` changed nothing" in str(both(source, "threads").report)


def test_the_guard_looks_no_more_than_it_may_cost():
    now = [0.0]

    def clock() -> float:
        now[0] += 0.001  # each look at the clock, so that looking costs a millisecond
        return now[0]

    guard = Guard({"xs": [1]}, clock)
    seen = []
    for _ in range(60):
        guard.begin(1)
        now[0] += 0.002
        assert guard.changed() == ""
        seen.append(guard.looked)
    assert 1 < sum(seen) < 12


def test_classes_of_cells_that_ran_before_are_let_go():
    source = """
class Box:
    def __init__(self, value):
        self.value = value

boxes = [Box(x) for x in range(4)]
total = sum(box.value for box in boxes)
"""
    refs = []
    for _ in range(3):
        names: dict[str, Any] = {}
        nbexec.parallel(source, names, backend="threads", workers=2)
        refs.append(weakref.ref(names["Box"]))
    names.clear()
    nbexec.map(abs, [1])  # the last run is another one's
    gc.collect()
    assert [ref() for ref in refs] == [None] * 3
