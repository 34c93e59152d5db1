"""Random cells, as hypothesis strategies: `cells`, `loops_alone` and `awaiting_cells`.

They have accumulators, carried values, aliases, functions with and without hidden state,
classes with operators of their own, awaits, exceptions and prints.
"""

from __future__ import annotations

from hypothesis import strategies as st

PRELUDE = """\
import asyncio
from collections import Counter, defaultdict
import contextlib, types
xs = [3, 1, 4, 1, 5]
words = ["b", "a", "", "ab"]
rows = [{"n": 1, "w": ["p"]}, {"n": 0, "w": []}, {"n": 2, "w": ["q", "r"]}]
out, more, found, counts, table = [], [], set(), Counter(), {}
groups, plain, places, deep = defaultdict(list), {"a": [0], "b": 1}, [0] * 6, defaultdict(int)
best = 0
total, product, ratio, text, pairs, last = 0, 1, 0.1, "", (), None
calls, log, marks = 0, [], {72, 136, 200, 8}
class Box:
    kept = []
    def __init__(self, value):
        self.value = value
        self.items = []
    def __repr__(self):
        return f"Box({self.value})"
    def plus(self, n):
        return Box(self.value + n)
    def grow(self, n):
        self.items.append(n)
        return len(self.items)
    def keep(self, n):
        self.kept.append(n)
        return len(self.kept)
    @property
    def double(self):
        return self.value * 2
boxes = [Box(1), Box(2)]
class Bag:
    far = rows
    def __init__(self, held):
        self.held = held
    def __iter__(self):
        return iter(self.held)
    def __getitem__(self, i):
        return self.held[0]
    def __add__(self, other):
        return self.far
    def __len__(self):
        return 2
def pure(v):
    return v * 2 if isinstance(v, int) else len(v)
def group(v):
    groups = {}
    for i in range(3):
        groups.setdefault(i % 2, []).append(v)
    return groups
def count(v):
    global calls
    calls += 1
    return calls
def remember(v):
    log.append(v)
    return len(log)
def peek(v):
    return len(out) + total
def mark(row):
    if isinstance(row, dict):
        row["n"] += 1
    return row
def copied(row):
    row = dict(row) if isinstance(row, dict) else {"n": 0}
    row["n"] += 1
    return row
def default(v, seen=[]):
    seen.append(v)
    return len(seen)
def strict(v):
    if not v:
        raise ValueError(f"no {v!r}")
    return v
def shout(v):
    print("shout", v)
    return v
def same(v):
    return v
async def later(v):
    for i in range(len(str(v)) % 3):
        await asyncio.sleep(0)
    return v
async def counting(v):
    global calls
    calls += 1
    await asyncio.sleep(0)
    return calls
def marked(v):
    s = set(range(60))
    s -= set(range(52))
    s.update([72, 136, 200, 8 * len(str(v))])
    return s
def first(v):
    s = marked(v)
    s.pop()
    return max(s, key=lambda n: n % 4)
text = '''
from dataclasses import dataclass
@dataclass
class Tally:
    t: int = 0
    def add(self, n):
        self.t += 1
        return self.t
    def plus(self):
        return self.t + 1
'''
made = {"__name__": "__main__"}
types.FunctionType(compile(text, "<string>", "exec"), made)()  # as exec: that has no source
tally, text = made["Tally"](), ""
del made
def numbers(n):
    for i in range(n):
        yield i
def counted(n):
    for i in range(n):
        yield len(out) + i
"""

FUNCTIONS = [
    "pure",
    "group",
    "count",
    "remember",
    "peek",
    "mark",
    "copied",
    "default",
    "strict",
    "shout",
    "same",
    "marked",
    "first",
]
SOURCES = [
    *("range(6)", "range(6)", "enumerate(places)", "places"),
    *("xs", "words", "rows", "boxes", "range(4)", "enumerate(xs)", "zip(xs, words)", "numbers(4)"),
    *("sorted(xs)", "reversed(xs)", "list(out)", "counted(3)", "[*rows, *rows]", "rows[:2]"),
    *(
        "[(x, [x]) for x in xs]",
        "iter(xs)",
        "{72, 8, 96, 34}",
        "marked(3)",
        "[marked(1), {8, 0, 16}]",
        "table",
        "(w for w in words)",
        "map(pure, xs)",
        "[]",
    ),
]


def weighted(plain: list[str], odd: list[str]) -> st.SearchStrategy[str]:
    """Draw from `plain` six times as often: else hardly any program could run in parallel."""
    return st.sampled_from(plain * 6 + odd)


simple = weighted(
    ["x", "1", "'w'", "y", "len(words)", "str(x)", "xs[0]", "[x]", "(x, y)", "{'x': x}", "rows[0]"],
    [
        "last",
        "total",
        "out",
        "z",
        "tally.plus()",
        "tally.add(x)",
        "marks",
        "x['n']",
        "x['w']",
        "1 / pure(x)",
        "x.value",
        "x.double",
        "-x",
    ],
)
function = weighted(["pure", "same", "copied", "strict", "group", "marked", "first"], FUNCTIONS)


def called(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.builds("{}({})".format, function, inner),
        st.builds("[{}] + [{}]".format, inner, inner),
        st.builds("str({}) + str({})".format, inner, inner),
        st.builds("[{}, {}]".format, inner, inner),
        st.builds("[i for i in [{}] if i]".format, inner),
        st.builds("sum(len(str(i)) for i in [{}])".format, inner),
        st.builds("sorted([{}, {}], key=lambda i: str(i))".format, inner, inner),
        st.builds("{} if {} else {}".format, inner, inner, inner),
        st.builds("Box(len(str({}))).plus(1).value".format, inner),
        st.builds("Box(1).{}({})".format, weighted(["grow"], ["keep"]), inner),
        st.builds("(t := {})".format, inner),
        st.builds("Bag([{}])[0]".format, inner),
        st.builds("[str(b) for b in Bag([{}, {}])]".format, inner, inner),
    )


value = st.recursive(simple, called, max_leaves=3)
number = st.one_of(st.sampled_from(["1", "0.1", "i"]), st.builds("len(str({}))".format, value))

statement = st.one_of(
    st.builds("y = {}".format, value),
    st.builds(
        "{}".format,
        weighted(
            ["x = str(x)", "y = []", "a = b = x", "w = dict(n=x)", "pass", "z = y"],
            [
                "last = x",
                "total = x",
                "xs[0] = x",
                "x['n'] = 1",
                "break",
                "rows[0]['n'] += 1",
                "x.append(1)",
                "y.append(x)",
                "del y",
                "del t",
                "for b in Bag(rows): b['n'] += 1",
                "(Bag(1) + 1)[0]['n'] += 1",
                "Bag(boxes)[0].value += 1",
                "global total",
                "y += [1]",
                "x += 1",
                "f = lambda: x",
                "if len(xs) < 9: xs.append(x)",
                "out.sort()",
                "x.value += 1",
                "b = out",
                "more.extend(out)",
                "x.grow(1)",
                "boxes[0].keep(x)",
            ],
        ),
    ),
    st.builds("def f(v):\n    return ({}, v)\ny = f({})".format, simple, value),
    st.builds("if {}:\n    del y\n    y = 1".format, value),
    st.builds("w = {}\ndel w".format, value),
    st.builds("v = {}\nif {}:\n    del v".format, value, value),
    st.builds("out.append({})".format, value),
    st.builds("out.append(({}, {}))".format, value, value),
    st.builds("more.extend([{}] * 2)".format, value),
    st.builds("more += [{}]".format, value),
    st.builds("found.add({})".format, value),
    st.builds("found.update(str({}))".format, value),
    st.builds("marks.update(marked({}), [len(str({}))])".format, value, value),
    st.builds(
        "marks {}= {{n * 7 % 61 for n in marked({})}}".format, st.sampled_from("|^&-"), value
    ),
    st.builds("table[{}] = {}".format, value, value),
    st.builds("table.update(k={})".format, value),
    st.builds("counts[str({})] += 1".format, value),
    st.builds("total += {}".format, weighted(["len(str(x))", "i"], ["x", "[x]"])),
    st.builds("product *= {}".format, number),
    st.builds("total -= {}".format, number),
    st.builds("ratio += 0.1".format),
    st.builds("text += str({})".format, value),
    st.builds("groups[{}].append({})".format, weighted(["i", "str(x)"], ["x"]), value),
    st.builds("table.setdefault({}, []).append({})".format, value, value),
    st.builds("plain['a'].append({})".format, value),
    st.builds("{}[{}] += {}".format, st.sampled_from(["deep", "plain", "places"]), number, number),
    st.builds("plain['{}'] {}= {}".format, st.sampled_from("abc"), st.sampled_from("+-"), number),
    st.builds(
        "plain['{}'] *= 2".format, st.sampled_from("abc")
    ),  # larger factors would fill the memory
    st.builds("places[{}] = {}".format, weighted(["i", "x"], ["-1", "9", "y"]), value),
    st.builds(
        "places[x] = {}".format, st.sampled_from(["pure(places[x])", "places[x]", "[places[x]]"])
    ),
    st.builds("best = max(best, {})".format, number),
    st.builds("total = total + {}".format, number),
    st.builds("out.insert(len(out), {})".format, value),
    st.builds("if {}: break".format, weighted(["x == 4", "pure(x) > 5", "i"], ["out"])),
    st.builds("pairs += ({},)".format, value),
    st.builds("print({}, {}, sep='-')".format, value, value),
    st.builds("strict({})".format, value),
    st.builds("if {}: continue".format, value),
)


def block(statements: list[str]) -> str:
    return "\n".join("    " + line for one in statements for line in one.split("\n"))


def compound(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    body = st.lists(inner, min_size=1, max_size=3).map(block)
    return st.one_of(
        st.builds("if {}:\n{}\nelse:\n{}".format, value, body, body),
        st.builds("for y in [1, 2]:\n{}".format, body),
        st.builds("try:\n{}\nexcept Exception as e:\n{}".format, body, body),
        st.builds("try:\n{}\nfinally:\n{}".format, body, body),
        st.builds("with contextlib.suppress(ValueError):\n{}".format, body),
        st.builds(
            "match x:\n    case int():\n{}\n    case _:\n{}".format, *[body.map(block_of)] * 2
        ),
    )


def block_of(body: str) -> str:
    return "\n".join("    " + line for line in body.split("\n"))


statements = st.recursive(statement, compound, max_leaves=5)
target = st.sampled_from(["x"] * 6 + ["x, y", "x, *y", "(x, y)"])
loop = st.builds(
    "for {} in {}:\n    y, i = 0, 2\n{}".format,
    target,
    st.sampled_from(SOURCES),
    st.lists(statements, min_size=1, max_size=4).map(block),
)
loop = st.builds(
    "{}{}".format, loop, st.sampled_from(["", "", "\nelse:\n    done = (x, len(out))"])
)
FORMS = [
    *("[{0} for x in {1} if {2}]", "res = {{str({0}) for x in {1}}}", "[({0}, {2}) for x in {1}]"),
    *("res = {{str({0}): {2} for x in {1}}}", "res = sum(len(str({0})) for x in {1})"),
    *("res = [(y := {0}) for x in {1} if {2}]", "res = any((y := {0}) for x in {1})"),
    *("res = [(y, {2}) for x in {1} if (y := {0})]", "res = sum((y := {0}) for x in {1}), y"),
    *("res = {{n * m % 61 for x in {1} for n in marked({0}) for m in marked({2})}}",),
    *("res = [n for x in {1} for n in {{72, 8, 96, 34}} if {0}]",),
    *("any({0} for x in {1})", "res = [y for x in {1} for y in [{0}, {2}]]"),
    *(
        "res = 1 + sum(map(pure, {1})) * 2",
        "out.extend([{0} for x in {1}])",
        "print([{0} for x in {1}])",
    ),
    *(
        "res = list(map(lambda x: {0}, {1}))",
        "res = list(filter({2}, {1}))",
        "text += str([{0} for x in {1}])",
    ),
    *("res = max((str({0}) for x in {1}), default=None)", "res = ','.join({0} for x in {1})"),
]
comprehension = st.builds(
    str.format, st.sampled_from(FORMS), value, st.sampled_from(SOURCES), value
)
before = st.sampled_from(
    [""] * 8 + ["more = out\n", "b = out\n", "rows.append(rows[0])\n", "y = 7\n"]
)
one_loop = st.builds("{}{}".format, before, st.one_of(loop, loop, comprehension))

# Whole cells, of statements that depend on one another and statements that don't.
plain = st.one_of(
    st.builds("{} = {}".format, st.sampled_from(["p", "q", "r", "last", "total"]), value),
    st.builds("{} = {}".format, st.sampled_from(["p", "q", "r", "p, q"]), value),
    st.builds(
        "{} = {}({})".format,
        st.sampled_from(["p", "q", "r", "s", "table['k']", "p = q"]),
        function,
        st.sampled_from(["xs", "words", "rows", "p", "q", "3", "out", "boxes"]),
    ),
    st.builds(
        "{}".format,
        st.sampled_from(
            [
                *("b = out", "out.append(p)", "p = [out]", "rows.append(q)", "q = rows[0]"),
                *("p = strict(xs)", "q = strict('')", "total += pure(xs)", "text += str(p)"),
                *(
                    "r = peek(1)",
                    "s = count(1)",
                    "mark(rows[0])",
                    "out.sort(key=str)",
                    "print(p, q)",
                ),
                *("p = shout(1)", "q = remember(2)", "if p: q = same(p)", "p = boxes[0].plus(1)"),
                *("xs = xs + [1]", "counts[p] += 1", "x = pure(q)", "del p", "p = default(1)"),
                *("p = boxes[0].grow(q)", "with contextlib.suppress(ValueError): p = strict(0)"),
                *("def pure(v): return (v, total)", "p = pure(len(out))", "q = group(p)"),
                *("more = out", "out = [p]", "p += [1]", "p = q", "global_ = same(rows)", "'text'"),
            ]
        ),
    ),
)
program = st.builds(
    "p, q, r, s, x, y, i = 1, [2], 'r', None, 4, 5, 6\n{}".format,
    st.lists(st.one_of(plain, plain, plain, loop, comprehension), min_size=2, max_size=7).map(
        "\n".join
    ),
)
cells = st.builds("{}{}".format, st.just(PRELUDE), st.one_of(one_loop, program, program))
loops_alone = st.builds("{}{}".format, st.just(PRELUDE), one_loop)

# Cells that await, in loops and outside them.
awaited = st.builds(
    "{}({})".format,
    weighted(["later", "later"], ["counting"]),
    st.one_of(value, value, st.just("x")),
)
awaiting = st.one_of(
    st.builds("y = await {}".format, awaited),
    st.builds("out.append(await {})".format, awaited),
    st.builds("total += len(str(await {}))".format, awaited),
    st.builds("table[{}] = await {}".format, value, awaited),
    st.builds("a, b = await asyncio.gather({}, {})\nout.append(b)".format, awaited, awaited),
    st.builds("if await {}: {}".format, awaited, st.sampled_from(["break", "continue", "i = 3"])),
    statement,
)
await_loop = st.builds(
    "for {} in {}:\n    y, i = 0, 2\n{}{}".format,
    target,
    st.sampled_from(SOURCES),
    st.builds(
        lambda first, more: block([first, *more]),
        st.builds("await asyncio.sleep(0)\nz = await {}".format, awaited),
        st.lists(st.recursive(awaiting, compound, max_leaves=3), min_size=1, max_size=3),
    ),
    st.sampled_from(["", "", "\nelse:\n    done = await later(x)"]),
)
AWAIT_FORMS = [
    *("[await {0} for x in {1}]", "res = [x for x in {1} if await {0}]"),
    *("res = {{str(await {0}): {2} for x in {1}}}", "res = {{str(await {0}) for x in {1}}}"),
    *(
        "res = [(y := await {0}) for x in {1} if {2}]",
        "res = sum([len(str(await {0})) for x in {1}])",
    ),
    *("res = await {0}", "res = [await {0}, await {0}]", "res = (await {0} for x in {1})"),
]
await_comprehension = st.builds(
    str.format, st.sampled_from(AWAIT_FORMS), awaited, st.sampled_from(SOURCES), value
)
awaiting_cells = st.builds(
    "{}p, q, r, s, x, y, i = 1, [2], 'r', None, 4, 5, 6\n{}".format,
    st.just(PRELUDE),
    st.lists(
        st.one_of(await_loop, await_loop, await_comprehension, plain), min_size=1, max_size=3
    ).map("\n".join),
)
