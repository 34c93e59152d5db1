"""Memos: dicts that a loop's functions keep their values in are left as the plain loop leaves them.

Covers `nbexec.cell.execution.memo_commit`, `nbexec.cell.execution.memo_ending`,
`nbexec.cell.execution.memo_run`, `nbexec.cell.iteration.memo_record`,
`nbexec.cell.loops.memo_uses`, `nbexec.cell.loops.memo_code` and `nbexec.cell.analysis.memos`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from nbexec.cell.own_functions.function_loop import FunctionLoop

from ..both_ways import both, frames, kind, leaving_after, plainly, reason, run

MADE = """
import functools
memo, seen, made, table = {}, {4: 16}, {}, {"scale": 3}
def slow(n):
    if n in memo: return memo[n]
    r = n * n
    memo[n] = r
    return r
def tried(n):
    try:
        return seen[n]
    except KeyError:
        seen[n] = value = n * n
        return value
def got(n):
    found = memo.get(n)
    if found is None:
        found = memo[n] = n + table["scale"]
    return found
def listed(n):
    if n not in made:
        made[n] = [n]
    return made[n]
def pairs(a, b):
    if (a, b) not in memo: memo[a, b] = a - b
    return memo[a, b]
def fib(n):
    if n in memo: return memo[n]
    memo[n] = n if n < 2 else fib(n - 1) + fib(n - 2)
    return memo[n]
def default(n, _cache={}):
    if n not in _cache: _cache[n] = n * 3
    return _cache[n]
def passed(n, cache):
    if n not in cache: cache[n] = n * 3
    return cache[n]
def through(n):
    return passed(n, memo)
def keep(n):
    return memo.setdefault(n, n * n)
def fails(n):
    if n not in memo: memo[n] = 12 // (3 - n)
    return memo[n]
def half(n):
    memo[n] = "begun"
    memo[n] = 12 // (3 - n)
    return memo[n]
def parity(n):
    if n % 2 not in memo: memo[n % 2] = n
    return memo[n % 2]
def depends(n):
    memo[n] = memo.get(n - 1, 0) + 1
    return memo[n]
def two(n):
    if n not in memo: memo[n] = slow_other(n)
    return memo[n]
def slow_other(n):
    if n not in seen: seen[n] = n * 5
    return seen[n]
def memoize(function):
    cache = {}
    @functools.wraps(function)
    def wrapper(*args):
        if args not in cache: cache[args] = function(*args)
        return cache[args]
    wrapper.cache = cache
    return wrapper
@memoize
def wrapped(n): return n * 7
def noted(n):
    if n not in noted.cache: noted.cache[n] = n * 4
    return noted.cache[n]
noted.cache = {}
class Model:
    every = {}
    def __init__(self, k):
        self.k, self._cache = k, {}
    def run(self, n):
        if n not in self._cache: self._cache[n] = n * self.k
        return self._cache[n]
    def all(self, n):
        if n not in self.every: self.every[n] = n * 2
        return self.every[n]
    def named(self, n):
        if n not in Model.every: Model.every[n] = n * 2
        return Model.every[n]
model, other = Model(3), Model(5)
xs = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5]
kept = [default.__defaults__, noted.cache, wrapped.cache, model, other, Model.every]
"""

FUNCTIONS = (
    *("slow", "tried", "got", "listed", "fib", "default", "through", "keep", "parity", "depends"),
    *("two", "wrapped", "noted", "model.run", "model.all", "model.named"),
)
SHAPES = {
    "list": "out = [F(x) for x in xs]",
    "for": "out = []\nfor x in xs: out.append(F(x))",
    "names": "for x in xs:\n    r = F(x)\n    last = x",
    "sum of a map": "out = list(map(F, xs))",
    "dict": "out = {x: F(x) for x in xs}",
    "with an else": "out = []\nfor x in xs:\n    out.append(F(x))\nelse: out.append('end')",
    "key": "out = max(xs, key=lambda x: repr(F(x)))",
    "any": "out = any(F(x) == 5 for x in xs)",
}


def on_their_diagonal(shapes: dict[str, str], function: str, odd: bool) -> list[str]:
    """Give every other shape: each function and shape meet, on one of two backends."""
    begin = sum(map(ord, function)) + odd
    return [*shapes.values()][begin % 2 :: 2]


@pytest.mark.parametrize("where", ["threads", "processes"])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_memo_is_left_as_the_plain_loop_leaves_it(function: str, where: str) -> None:
    for shape in on_their_diagonal(SHAPES, function, where == "threads"):
        left = both(shape.replace("F", function), where, earlier=MADE)
        assert kind(left) == "parallel", reason(left)


@pytest.mark.plain_first
@pytest.mark.parametrize("where", ["threads", "processes"])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_memo_that_the_plain_loop_began_to_fill(function: str, where: str) -> None:
    for shape in on_their_diagonal(SHAPES, function, where == "processes"):
        with leaving_after(2):
            both(shape.replace("F", function), where, earlier=MADE)


OTHERS = {
    "an exception": "out = []\nfor x in [1, 2, 3, 1, 5]: out.append(fails(x))",
    "an exception in a comprehension": "out = [fails(x) for x in [1, 2, 3, 1, 5]]",
    "an exception that leaves something": "out = []\nfor x in [1, 2, 3, 1, 5]: out.append(half(x))",
    "an exception that is caught": "out = []\nfor x in [1, 3, 2, 3, 5]:\n    try: out.append(half(x))\n    except ZeroDivisionError: out.append('none')",
    "break": "out = []\nfor x in xs:\n    r = slow(x)\n    out.append(r)\n    if r == 25: break\nelse: out.append('end')",
    "break by what is kept": "out = []\nfor x in [2, 4, 6, 8]:\n    r = parity(x)\n    out.append(r)\n    if r == 6: break\nelse: out.append('end')",
    "continue": "out = []\nfor x in xs:\n    if x % 2: continue\n    out.append(slow(x))",
    "next": "out = next(slow(x) for x in xs if slow(x) > 9)",
    "a condition": "out = [x for x in xs if slow(x) > 9]",
    "two": "out = [(slow(x), listed(x), default(x)) for x in xs]",
    "two models": "out = [model.run(x) + other.run(x) for x in xs]",
    "the same object": "out = [listed(x) for x in xs]\nsame = [one is made[x] for one, x in zip(out, xs)]",
    "changed after": "out = []\nfor x in xs:\n    r = listed(x)\n    r.append(x)\n    out.append(r)",
    "an item that is kept": "rows = [{'n': 1}, {'n': 2}]\ndef first(row):\n    if row['n'] not in made: made[row['n']] = row\n    return made[row['n']]\nout = [first(row) for row in [*rows, *rows]]",
    "a tuple of the item": "rows = [{'n': 1}, {'n': 2}]\ndef first(row):\n    if row['n'] not in made: made[row['n']] = (row, 1)\n    return made[row['n']]\nout = [first(row) for row in [*rows, *rows]]\nsame = [one is made[one[0]['n']] for one in out]",
    "equal keys": "out = [slow(x) for x in [1, 1.0, True, 2, 2.0]]",
    "no numbers": "nan = float('nan')\nout = [slow(x) for x in [1, nan, 2, nan, float('nan')]]",
    "can't be hashed": "out = []\nfor x in [1, [2], 3]: out.append(listed(x))",
    "texts": "def upper(w):\n    if w not in memo: memo[w] = w.upper()\n    return memo[w]\nout = [upper(w) for w in 'to be or not to be'.split()]",
    "several arguments": "out = [pairs(a, b) for a, b in zip(xs, reversed(xs))]",
    "a map of two": "out = list(map(pairs, xs, xs[1:]))",
    "a count": "def count(n):\n    memo[n] = memo.get(n, 0) + 1\n    return memo[n]\nout = [count(x) for x in xs]",
    "one number": "def total(n):\n    memo['n'] = memo.get('n', 0) + n\n    return memo['n']\nout = [total(x) for x in xs]",
    "in the body": "out = []\nfor x in xs:\n    if x not in memo: memo[x] = x * x\n    out.append(memo[x])",
    "looked at in the body": "out = []\nfor x in xs: out.append((x in memo, slow(x), memo.get(x)))",
    "an alias": "alias = memo\nout = []\nfor x in xs:\n    out.append((slow(x), alias.get(x)))",
    "a container has it": "registry = {'memo': memo}\nout = [(slow(x), registry['memo'].get(x)) for x in xs]",
    "its length": "def slow2(n):\n    if n not in memo: memo[n] = n * len(memo)\n    return memo[n]\nout = [slow2(x) for x in xs]",
    "bounded": "def few(n):\n    if n not in memo:\n        if len(memo) > 2: memo.clear()\n        memo[n] = n * n\n    return memo[n]\nout = [few(x) for x in xs]",
    "bounded by pop": "def few(n):\n    if n not in memo:\n        memo.pop(n - 1, None)\n        memo[n] = n * n\n    return memo[n]\nout = [few(x) for x in xs]",
    "del": "def once(n):\n    if n in memo:\n        del memo[n]\n        return -1\n    memo[n] = n\n    return n\nout = [once(x) for x in xs]",
    "cleared in the loop": "out = []\nfor x in xs:\n    out.append(slow(x))\n    if x == 4: memo.clear()",
    "bound anew": "out = []\nfor x in xs:\n    out.append(slow(x))\n    if x == 4: memo = {}",
    "goes through it": "def most(n):\n    memo[n] = n\n    return max(memo.values())\nout = [most(x) for x in xs]",
    "items are its keys": "seen.update({1: 1, 2: 2})\nout = [tried(x) for x in list(seen)]",
    "goes through the memo": "memo.update({1: 1, 2: 4})\nout = [slow(x) for x in memo]",
    "goes through the memo and adds": "memo.update({1: 1, 2: 4})\nout = [slow(x + 1) for x in memo]",
    "a generator is kept": "def gen(n):\n    if n not in made: made[n] = (i for i in range(n))\n    return next(made[n], None)\nout = [gen(x) for x in xs]",
    "an iterator is kept": "def it(n):\n    if n not in made: made[n] = iter([1, 2, 3])\n    return next(made[n], None)\nout = [it(x) for x in xs]",
    "a function is kept": "def fun(n):\n    if n not in made: made[n] = lambda: n\n    return made[n]()\nout = [fun(x) for x in xs]",
    "a nested dict": "deep = {}\ndef inner(n):\n    row = deep.setdefault(n % 2, {})\n    row[n] = n\n    return len(row)\nout = [inner(x) for x in xs]",
    "in a generator inside": "def has(n, cache):\n    if any(k in cache for k in (n, n - 1)): return 'there'\n    cache[n] = n\n    return 'new'\nout = [has(x, memo) for x in xs]",
    "in a function inside": "def has(n, cache):\n    def there(k): return k in cache\n    if there(n): return 'there'\n    cache[n] = n\n    return 'new'\nout = [has(x, memo) for x in xs]",
    "another instance": "models = [model, other]\ndef peek(n):\n    return models[0]._cache.get(n)\nout = [(model.run(x), peek(x)) for x in xs]",
    "an item has it": "models = [model, other, model]\nout = [m.run(2) for m in models]",
    "vars": "out = [(model.run(x), len(vars(model)['_cache'])) for x in xs]",
    "getattr": "out = [(model.run(x), getattr(model, '_cache').get(x)) for x in xs]",
    "the class's own": "class Late:\n    _cache = {}\n    def run(self, n):\n        if n in self._cache: return self._cache[n]\n        Late._cache[n] = r = n * 2\n        return r\nlate = Late()\nout = [late.run(x) for x in xs]\nkept2 = Late._cache",
    "a new instance each": "class Late:\n    _cache = {}\n    def run(self, n):\n        if n in self._cache: return self._cache[n]\n        Late._cache[n] = r = n * 2\n        return r\nout = [Late().run(x) for x in xs]\nkept2 = Late._cache",
    "a subclass of dict": "class D(dict): pass\nmemo = D()\nout = [slow(x) for x in xs]",
    "a defaultdict": "from collections import defaultdict\nmemo = defaultdict(int)\nout = [slow(x) for x in xs]",
    "misses are made": "class D(dict):\n    def __missing__(self, k):\n        self[k] = k * k\n        return self[k]\nd = D()\nout = [d[x] for x in xs]",
    "an accumulator is kept": "out = []\ndef keep_out(n):\n    if n not in made: made[n] = out\n    return n\nfor x in xs: out.append(keep_out(x))",
    "a result counts": "hits = 0\nfor x in xs:\n    if x in memo: hits += 1\n    slow(x)",
    "print": "for x in xs: print(slow(x), x)",
    "another name for the function": "g = slow\nout = [g(x) for x in xs] + [slow(x) for x in xs]",
    "partial": "g = functools.partial(passed, cache=memo)\nout = [g(x) for x in xs]",
    "what it depends on is in it": "memo['limit'] = 3\ndef limited(n):\n    if n > memo['limit']: memo['limit'] = n\n    return memo['limit']\nout = [limited(x) for x in xs]",
    "nested loops": "out = [[slow(x + y) for y in xs[:3]] for x in xs]",
    "carries": "s = 0\nfor x in xs:\n    s = s * 2 + slow(x)",
    "carries, and reads it": "s = 0\nfor x in xs:\n    s = s * 2 + slow(x) + (x in memo)",
    "a statement with it": "out = [slow(x) for x in xs] + [len(memo)]",
    "a walrus": "out = [(last := slow(x)) for x in xs]",
    "a mutable default is passed": "out = [default(x, memo) for x in xs]",
    "keys are rows": "rows = [(1, 'a'), (2, 'b'), (1, 'a')]\ndef of(row):\n    if row not in memo: memo[row] = row[1] * row[0]\n    return memo[row]\nout = [of(row) for row in rows]",
    "keys are dates": "import datetime\ndays = [datetime.date(2024, 1, d) for d in (1, 2, 1)]\nout = [listed(d) for d in days]",
    "keys are objects": "class K:\n    def __eq__(self, other): return True\n    def __hash__(self): return 1\nks = [K(), K()]\nout = [listed(k) is made[ks[0]] for k in ks]",
    "a look at a traceback": "import traceback\ndef missed(n):\n    try: return memo[n]\n    except KeyError as error:\n        memo[n] = len(traceback.extract_tb(error.__traceback__))\n        return memo[n]\nout = [missed(x) for x in xs]",
    "a key of keys": "memo.update({1: 3, 3: 4, 4: 1})\ndef led(n):\n    memo[n + 10] = 1\n    return memo[memo[memo.get(n, 1)]]\nout = [led(x) for x in xs]",
    "a generator that waits for its key": "def told(n):\n    memo[n] = n\n    memo[(yield n)] = 1\ndef began(n):\n    one = told(n)\n    next(one)\n    return one\ngens = [began(x) for x in xs]\nfor one in gens:\n    try: one.send(100)\n    except StopIteration: pass",
    "None is kept": "def none(n):\n    if n not in memo: memo[n] = None\n    return memo[n]\nout = [none(x) for x in xs]",
    "the value is a set": "def chars(n):\n    if n not in made: made[n] = set(str(n) * 2)\n    return made[n]\nout = [len(chars(x)) for x in xs]",
}


@pytest.mark.parametrize("where", ["threads", "processes"])
@pytest.mark.parametrize("name", OTHERS)
def test_a_loop_with_a_memo(name: str, where: str) -> None:
    both(OTHERS[name], where, earlier=MADE)


@pytest.mark.plain_first
@pytest.mark.parametrize("where", ["threads", "processes"])
@pytest.mark.parametrize("name", OTHERS)
def test_a_loop_with_a_memo_that_began_in_the_kernel(name: str, where: str) -> None:
    with leaving_after(2):
        both(OTHERS[name], where, earlier=MADE)


IN_FUNCTIONS = {
    "a list": "def main(xs): return [F(x) for x in xs]\nout = main(xs)",
    "a for loop": "def main(xs):\n    out = []\n    for x in xs: out.append(F(x))\n    return out, x\nout = main(xs)",
    "a sum": "def main(xs): return len(str([x for x in xs])), sum(len(str(F(x))) for x in xs)\nout = main(xs)",
    "a map": "def main(xs): return list(map(F, xs))\nout = main(xs)",
    "a key": "def main(xs): return max(xs, key=lambda x: str(F(x)))\nout = main(xs)",
    "any": "def main(xs): return any(F(x) == 5 for x in xs)\nout = main(xs)",
    "a break": "def main(xs):\n    for x in xs:\n        if F(x) == 5: break\n    return x\nout = main(xs)",
    "a return": "def main(xs):\n    for x in xs:\n        if F(x) == 25: return x\nout = main(xs)",
}


@pytest.mark.plain_first
@pytest.mark.parametrize("where", ["threads", "processes"])
@pytest.mark.parametrize("function", [*FUNCTIONS, "fails", "half"])
def test_loops_in_functions(function: str, where: str) -> None:
    for shape in on_their_diagonal(IN_FUNCTIONS, function, where == "threads"):
        with leaving_after(2):
            both(shape.replace("F", function), where, earlier=MADE)


@pytest.mark.parametrize("key", ["K()", "(n, K())"])
def test_what_raises_in_its_turn_has_the_frames_of_the_cell(key: str) -> None:
    cell = "class K:\n    def __hash__(self): return 1 // 0\nmemo = {}\n"
    cell += (
        f"def f(n):\n    if n == 3: memo[{key}] = n\n    return n\nout = [f(n) for n in range(5)]"
    )
    plain, ours = run(plainly, cell), both(cell)
    assert plain.error is not None
    assert ours.error is not None
    assert frames(ours.error) == frames(plain.error)


@pytest.mark.plain_first
def test_a_loop_in_a_function_with_a_memo_runs_on_workers() -> None:
    for shape in ("a list", "a for loop", "a sum"):
        with leaving_after(2):
            left = both(MADE + IN_FUNCTIONS[shape].replace("F", "slow"), "threads")
        assert kind(left) == "parallel", reason(left)


@pytest.mark.plain_first
@pytest.mark.parametrize("where", ["threads", "processes"])
def test_in_a_function_an_item_that_finds_another_value_is_no_end(
    where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    left_over: list[bool] = []
    look = FunctionLoop._look_at_end

    def spied(loop: FunctionLoop) -> None:
        look(loop)
        left_over.append(loop.again)

    monkeypatch.setattr(FunctionLoop, "_look_at_end", spied)
    made = "memo = {}\ndef f(n):\n    if n not in memo: memo[n] = n * 2\n    return memo[n]\n"
    made += "def main(xs): return [f(x) for x in xs]\n"
    with leaving_after(2):
        both(f"{made}out = main([1, 2, 3, 4, 3, 4, 5, 6, 5, 7])", where)
    assert left_over
    assert not any(left_over)


def test_a_memo_of_a_function_that_holds_it() -> None:
    made = "def main(xs):\n    memo = {}\n    def f(n):\n        if n not in memo: memo[n] = n * 2\n        return memo[n]\n"
    with leaving_after(2):
        both(f"{made}    return [f(x) for x in xs], memo\nout = main([1, 2, 3, 1, 4, 2])")


MORE_MADE = """
import numpy as np, functools, pandas as pd
from collections import namedtuple
memo, other = {}, {}
Pt = namedtuple("Pt", "a b")
def slow(n):
    if n in memo: return memo[n]
    memo[n] = r = (n * 2 if isinstance(n, int) else str(n))
    return r
xs = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5]
"""

MORE = {
    'numpy keys': 'out = [slow(x) for x in np.array(xs)]\nt = [type(k).__name__ for k in memo]',
    'numpy mixed': 'out = [slow(x) for x in [*np.array(xs), *xs, 1.0, True]]\nt = [type(k).__name__ for k in memo]',
    'named keys': 'out = [slow(x) for x in [Pt(1, 2), Pt(2, 3), (1, 2), Pt(1, 2)]]\nt = [type(k).__name__ for k in memo]',
    'getattribute': "class G:\n    def __init__(self): self._c, self._d = {}, {}\n    def __getattribute__(self, name):\n        return object.__getattribute__(self, '_d' if name == '_c' else name)\n    def run(self, n):\n        if n not in self._c: self._c[n] = n\n        return self._c[n]\ng = G()\nout = [g.run(x) for x in xs]",
    'getattr': "class G:\n    def __init__(self): self._d = {}\n    def __getattr__(self, name):\n        if name != '_c': raise AttributeError(name)\n        return self._d\n    def run(self, n):\n        if n not in self._c: self._c[n] = n\n        return self._c[n]\ng = G()\nout = [g.run(x) for x in xs]",
    'two dicts one function': 'def look(n, c):\n    if n not in c: c[n] = n * 3\n    return c[n]\nout = [(look(x, memo), look(x, other), look(x, {})) for x in xs]',
    'swap': 'def look(n):\n    a, b = (memo, other) if n % 2 else (other, memo)\n    if n not in a: a[n] = n\n    return a[n]\nout = [look(x) for x in xs]',
    'cond expr': 'def look(n):\n    c = memo if n % 2 else other\n    if n not in c: c[n] = n\n    return c[n]\nout = [look(x) for x in xs]',
    'memo in memo': "memo['self'] = memo\nout = [slow(x) for x in xs]",
    'value leads to it': "memo['f'] = slow\nout = [slow(x) for x in xs]",
    'value is out': 'out = []\nmemo[3] = out\nfor x in xs: out.append(slow(x) is out)',
    'shared value': 'r = []\ndef sh(n):\n    if n not in memo: memo[n] = r\n    return memo[n]\nout = [sh(x) for x in xs]\nsame = [o is r for o in out]',
    'shared value 2': 'big = {1: [1], 2: [2]}\ndef sh(n):\n    if n not in memo: memo[n] = big.get(n % 3)\n    return memo[n]\nout = [sh(x) for x in xs]\nsame = [o is big.get(x % 3) for o, x in zip(out, xs)]',
    'value both': 'def both2(n):\n    if n not in memo: memo[n] = other[n] = [n]\n    return memo[n], other[n]\nout = [both2(x) for x in xs]\nsame = [memo[x] is other[x] is o[0] for o, x in zip(out, xs)]',
    'inner value': "def inn(n):\n    if n not in memo: memo[n] = {'k': [n]}\n    return memo[n]['k']\nout = [inn(x) for x in xs]\nsame = [o is memo[x]['k'] for o, x in zip(out, xs)]",
    'names keep': 'for x in xs:\n    r = slow(x)\n    q = [r]\n    if x == 4: z = q',
    'names cond': 'for x in xs:\n    if x == 9: z = [slow(x)]\n    else: slow(x)',
    'del name': 'for x in xs:\n    r = slow(x)\n    if x != 5: del r',
    'def in body': 'for x in xs:\n    def g(n): return slow(n)\n    v = g(x)',
    'raise custom': 'class E(Exception):\n    def __init__(self, a, b): self.a, self.b = a, b\ndef bad(n):\n    memo[n] = n\n    if n == 9: raise E(n, 2)\n    return n\nout = []\nfor x in xs: out.append(bad(x))',
    'keyerror': 'out = []\nmemo.update({3: 1, 1: 2})\ndef need(n):\n    memo[n + 1] = 0\n    return memo[n]\nfor x in xs: out.append(need(x))',
    'stopiteration': 'def st(n):\n    if n not in memo: memo[n] = n\n    if n == 9: raise StopIteration\n    return memo[n]\nout = list(map(st, xs))',
    'warn': "import warnings\ndef w(n):\n    if n not in memo:\n        warnings.warn(f'w {n}')\n        memo[n] = n\n    return memo[n]\nwith warnings.catch_warnings(record=True) as ws:\n    warnings.simplefilter('always')\n    out = [w(x) for x in xs]\nws = [str(one.message) for one in ws]",
    'prints': "def w(n):\n    if n not in memo: memo[n] = n\n    return memo[n]\nfor x in xs:\n    if x not in memo: print('new', x)\n    print(w(x))",
    'else': 'for x in xs:\n    if slow(x) > 100: break\nelse: done = len(memo)',
    'accumulates': 't, c, s = 0, {}, set()\nfor x in xs:\n    t += slow(x)\n    c[x] = slow(x)\n    s.add(slow(x + 1))',
    'lifted': 'class A: pass\na = A(); a.n, a.rows = 0, []\nfor x in xs:\n    a.n += slow(x)\n    a.rows.append(x)',
    'a lambda': 'f = lambda n: memo[n] if n in memo else memo.setdefault(n, n * 3)\nout = [f(x) for x in xs]',
    'generator function': 'def gen(n):\n    if n not in memo: memo[n] = n\n    yield memo[n]\nout = [list(gen(x)) for x in xs]',
    'try finally': 'def g(n):\n    try:\n        return memo[n]\n    except KeyError:\n        pass\n    finally:\n        memo[n] = memo.get(n, n)\n    return memo[n]\nout = [g(x) for x in xs]',
    'walrus': 'def g(n):\n    if (v := memo.get(n)) is not None: return v\n    memo[n] = v = n * 2\n    return v\nout = [g(x) for x in xs]',
    'popitem order': 'def g(n):\n    if n in memo:\n        v = memo.pop(n)\n        memo[n] = v\n        return v\n    memo[n] = n\n    return n\nout = [g(x) for x in xs]',
    'update': 'def g(n):\n    memo.update({n: n})\n    return memo[n]\nout = [g(x) for x in xs]',
    'or eq': 'def g(n):\n    memo |= {n: n}\n    return n\nout = []\ntry:\n    for x in xs: out.append(g(x))\nexcept Exception as e: err = type(e).__name__',
    'string key fmt': "def g(n):\n    k = f'{n}-{n}'\n    if k not in memo: memo[k] = n\n    return memo[k]\nout = [g(x) for x in xs]",
    'iter while': 'out = []\nfor x in xs:\n    out.append(slow(x))\n    for k in memo: pass',
    'self cached prop': 'class A:\n    def __init__(self): self.c = {}\n    @property\n    def cache(self): return self.c\n    def run(self, n):\n        if n not in self.cache: self.cache[n] = n\n        return self.cache[n]\na = A()\nout = [a.run(x) for x in xs]',
    'static': 'class A:\n    c = {}\n    @staticmethod\n    def run(n):\n        if n not in A.c: A.c[n] = n\n        return A.c[n]\n    @classmethod\n    def cl(cls, n):\n        if n not in cls.c: cls.c[n] = n\n        return cls.c[n]\nout = [(A.run(x), A.cl(x + 1)) for x in xs]\nkept = A.c',
    'inherit': 'class A:\n    c = {}\n    def run(self, n):\n        if n not in self.c: self.c[n] = n\n        return self.c[n]\nclass B(A): pass\nb = B()\nout = [b.run(x) for x in xs]\nkept = A.c',
    'default kw': 'def g(n, *, c={}):\n    if n not in c: c[n] = n\n    return c[n]\nout = [g(x) for x in xs]\nkept = g.__kwdefaults__',
    'looks at default': 'def g(n, c={}):\n    if n not in c: c[n] = n\n    return c[n] + len(g.__defaults__[0])\nout = [g(x) for x in xs]',
    'two loops': 'def g(n): return sum(slow(k) for k in range(n))\nout = [g(x) for x in xs]',
    'map partial': 'out = list(map(functools.partial(slow), xs))',
    'zip enumerate': 'out = dict(zip(xs, map(slow, xs)))\nout2 = [(i, r) for i, r in enumerate(map(slow, xs))]',
    'for over map': 'out = []\nfor r in map(slow, xs): out.append(r)',
    'for enumerate map': 'out = []\nfor i, r in enumerate(map(slow, xs)): out.append((i, r))',
    'counter': 'from collections import Counter\nout = Counter(map(slow, xs))',
    'join': "out = ','.join(str(slow(x)) for x in xs)",
    'in': 'out = 18 in (slow(x) for x in xs)',
    'extend': 'out = [0]\nout.extend([slow(x) for x in xs])\nn = len(memo)',
    'inplace sort': 'ys = [5, 3, 9]\nys.sort(key=lambda v: str(slow(v)))',
}  # fmt: skip


@pytest.mark.parametrize("where", ["threads", "processes"])
@pytest.mark.parametrize("name", MORE)
def test_more_loops_with_a_memo(name: str, where: str) -> None:
    both(MORE[name], where, earlier=MORE_MADE)


@pytest.mark.plain_first
@pytest.mark.parametrize("name", MORE)
def test_more_loops_with_a_memo_that_began_in_the_kernel(name: str) -> None:
    with leaving_after(2):
        both(MORE[name], "threads", earlier=MORE_MADE)


MODULE = """_cache = {}
def f(n):
    if n not in _cache: _cache[n] = n * 2
    return _cache[n]
class C:
    kept = {}
    def g(self, n):
        if n not in self.kept: C.kept[n] = [n]
        return self.kept[n]
c = C()
"""


@pytest.mark.parametrize("where", ["threads", "processes"])
def test_a_memo_of_a_module(where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"memo_module_{where}"
    (tmp_path / f"{name}.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    for call in ("m.f(x)", "m.c.g(x)"):
        cell = f"import {name} as m\nm._cache.clear(), m.C.kept.clear()\n"
        cell += f"out = [{call} for x in [3, 1, 2, 3, 1, 5]]"
        left = both(f"{cell}\nkept = dict(m._cache), dict(m.C.kept)", where)
        assert left.report is not None
        assert any(step.kind == "parallel" for step in left.report.steps), str(left.report)
