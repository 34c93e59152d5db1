"""Loops in functions of the user's: they leave what the plain call leaves, wherever they are left.

Covers `nbexec.cell.own_functions.function_loop` and `nbexec.cell.own_functions.entering`.
"""

from __future__ import annotations

import gc
import sys
import traceback
import weakref

import pytest

import nbexec
from nbexec.cell.analysis.source import remember
from nbexec.cell.execution.group_run import StatementGroup
from nbexec.cell.own_functions import entering
from nbexec.cell.own_functions.entering import Entering
from nbexec.cell.own_functions.function_loop import PlainLoop
from nbexec.options import resolve

from ..both_ways import both, filled_once_a_run_began, frames, kind, leaving_after, reason

pytestmark = pytest.mark.plain_first

WORK = "def work(x):\n    return x * x + 1\n"
FUNCTIONS = {
    "append": "def f(xs):\n    out = []\n    for x in xs: out.append(work(x))\n    return out",
    "total": "def f(xs):\n    t = 0.1\n    for x in xs: t += work(x) / 7\n    return t, x",
    "count": "def f(xs):\n    c = {}\n    for x in xs:\n        c[work(x) % 3] = x\n    return c",
    "else": "def f(xs):\n    for x in xs: y = work(x)\n    else: z = 'else'\n    return x, y, z",
    "break": "def f(xs):\n    y = 0\n    for x in xs:\n        y = work(x)\n        if x == 20: break\n    else: y = 'none'\n    return x, y",
    "return": "def f(xs):\n    for x in xs:\n        if work(x) == 401: return x, 'found'\n    return None",
    "return in try": "def f(xs):\n    for x in xs:\n        try:\n            if work(x) > 300: return x\n        finally: y = x\n    return y",
    "continue": "def f(xs):\n    out = []\n    for x in xs:\n        if work(x) % 2: continue\n        out.append(x)\n    return out",
    "fails": "def f(xs):\n    out = []\n    for x in xs: out.append(work(x) // (20 - x))\n    return out",
    "fails and is caught": "def f(xs):\n    out = []\n    try:\n        for x in xs: out.append(work(x) // (20 - x))\n    except ZeroDivisionError as error: return out, x, str(error)",
    "prints": "def f(xs):\n    for x in xs: print(work(x))",
    "binds sometimes": "def f(xs):\n    for x in xs:\n        if work(x) == 26: y = x\n    return y",
    "never binds": "def f(xs):\n    for x in xs:\n        if work(x) < 0: y = x\n    return y",
    "own key": "def f(xs):\n    xs = list(xs)\n    for i in range(len(xs)): xs[i] = work(xs[i])\n    return xs",
    "carries": "def f(xs):\n    last = 0\n    for x in xs: last = work(x + last % 5)\n    return last",
    "nested": "def f(xs):\n    out = []\n    for x in xs:\n        row = []\n        for y in range(3): row.append(work(x + y))\n        out.append(row)\n    return out",
    "inner of one that carries": "def f(xs):\n    s = 0\n    for step in range(3):\n        s = s % 9 + sum(work(x + s) for x in xs)\n    return s",
    "list": "def f(xs): return [work(x) for x in xs if x % 3]",
    "set of many": "def f(xs): return list({work(x) * y % 97 for x in xs for y in range(9)})",
    "set": "def f(xs): return list({work(x) % 17 for x in xs})",
    "dict": "def f(xs): return {x % 7: work(x) for x in xs}",
    "list that fails": "def f(xs): return [work(x) // (20 - x) for x in xs]",
    "set that fails": "def f(xs): return {work(x) // (20 - x) for x in xs}",
    "dict that fails": "def f(xs): return {x: work(x) // (20 - x) for x in xs}",
    "two in a statement": "def f(xs): return [work(x) for x in xs] + [work(-x) for x in xs]",
    "in a condition": "def f(xs): return 'many' if len([work(x) for x in xs]) > 3 else 'few'",
    "not evaluated": "def f(xs): return xs and 0 or [work(x) for x in xs]",
    "sum": "def f(xs): return sum(work(x) / 7 for x in xs)",
    "any": "def f(xs): return any(work(x) == 401 for x in xs)",
    "join": "def f(xs): return ', '.join(str(work(x)) for x in xs)",
    "sum that fails": "def f(xs): return sum(work(x) // (20 - x) for x in xs)",
    "sorted of": "def f(xs): return sorted(work(-x) % 7 for x in xs)",
    "default": "def f(xs, k=3, *, m=2): return [work(x) + k * m for x in xs]",
    "closure": "def g(k):\n    def f(xs): return [work(x) + k for x in xs]\n    return f\nf = g(4)",
    "changed closure": "def f(xs):\n    t = 0\n    def show(): return t\n    out = []\n    for x in xs:\n        t += work(x)\n        out.append(show())\n    return out",
    "nonlocal": "def f(xs):\n    t = 0\n    def add(x):\n        nonlocal t\n        t += work(x)\n    for x in xs: add(x)\n    return t",
    "global": "count = 0\ndef f(xs):\n    global count\n    for x in xs: count += work(x)\n    return count",
    "global list": "seen = []\ndef f(xs):\n    for x in xs: seen.append(work(x))\n    return len(seen)",
    "reads what it changes": "def f(xs):\n    out = []\n    for x in xs: out.append(work(x) + len(out))\n    return out",
    "locals": "def f(xs):\n    out = [work(x) for x in xs]\n    return sorted(locals())",
    "method": "class C:\n    def __init__(self): self.__k = 2\n    def f(self, xs):\n        out = []\n        for x in xs: out.append(work(x))\n        return out, self.__k\nf = C().f",
    "private name": "class C:\n    def __init__(self): self.__k = 2\n    def f(self, xs): return [work(x) + self.__k for x in xs]\nf = C().f",
    "super": "class B:\n    def base(self, x): return work(x)\nclass C(B):\n    def f(self, xs): return [super(C, self).base(x) for x in xs]\nf = C().f",
    "super in a call": "class B:\n    def f(self, xs): return [work(x) for x in xs]\nclass C(B):\n    def f(self, xs): return super().f(xs)\nf = C().f",
    "class method": "class C:\n    @classmethod\n    def f(cls, xs): return [work(x) for x in xs], cls.__name__\nf = C.f",
    "property": "class C:\n    xs = range(40)\n    @property\n    def all(self): return [work(x) for x in self.xs]\ndef f(xs): return C().all",
    "changes self": "class C:\n    n = 0\n    def f(self, xs):\n        for x in xs: self.n += work(x)\n        return self.n\nf = C().f",
    "recursion": "def f(xs, depth=3):\n    if not depth: return 0\n    return sum(work(x) for x in xs) + f(xs, depth - 1)",
    "generator as source": "def items():\n    for n in range(40): yield work(n)\ndef f(xs): return [work(x) for x in items()]",
    "generator function": "def f(xs): return list(g(xs))\ndef g(xs):\n    for x in xs: yield work(x)",
    "two functions": "def load(xs): return [work(x) for x in xs]\ndef tell(rows): return sum(work(r) for r in rows)\ndef f(xs): return tell(load(xs))",
    "decorated": "import functools\ndef twice(g):\n    @functools.wraps(g)\n    def both(*a): return g(*a) + g(*a)\n    return both\n@twice\ndef f(xs): return [work(x) for x in xs]",
    "tuple target": "def f(xs):\n    out = []\n    for i, (a, *b) in enumerate((x, x, x) for x in xs): out.append((i, work(a), b))\n    return out, i, a, b",
    "deletes": "def f(xs):\n    for x in xs:\n        y = work(x)\n        del y\n    return x",
    "lambda": "def f(xs): return sorted([work(x) for x in xs], key=lambda v: -v)",
    "walrus": "def f(xs): return [last := work(x) for x in xs], last",
    "in an except block": "import sys\ndef f(xs):\n    try: 1 / 0\n    except ZeroDivisionError: return [(work(x), str(sys.exc_info()[1])) for x in xs]",
    "own sum": "def sum(xs): return type(xs).__name__, xs.__name__\ndef f(xs): return sum(work(x) for x in xs)",
    "sum of the function": "def f(xs, sum=lambda xs: xs.__name__): return sum(work(x) for x in xs)",
    "empty": "def f(xs):\n    for x in []: y = work(x)\n    else: y = 'none'\n    return y",
    "grows": "def f(xs):\n    xs = [0]\n    for x in xs:\n        if work(x) < 500: xs.append(x + 1)\n    return xs",
    "named as a method of ours": "def prepare(xs):\n    ys = []\n    for x in xs: ys.append(work(x))\n    return ys\nf = prepare",
    "while inside": "def f(xs):\n    out = []\n    for x in xs:\n        n = work(x)\n        while n > 1: n //= 2\n        out.append(n)\n    return out",
    "with inside": "import contextlib\ndef f(xs):\n    out = []\n    for x in xs:\n        with contextlib.suppress(ZeroDivisionError): out.append(work(x) // (x % 5))\n    return out",
}


def cell(name):
    return f"{WORK}{FUNCTIONS[name]}\ny = f(range(40))"


@pytest.mark.one_in(3)
@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("items", [1, 2, 5])
def test_it_leaves_what_the_plain_call_leaves(name, items):
    with leaving_after(items):
        both(cell(name), "threads", workers=2)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_it_does_so_on_processes(name):
    with leaving_after(2):
        both(cell(name), "processes", workers=2)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_one_of_microseconds_runs_as_it_is(name):
    left = both(cell(name), "auto")
    assert left.report is None or all(step.stats is None for step in left.report.steps)


ENTERED = [
    *("append", "total", "count", "else", "break", "return", "continue", "prints", "own key"),
    *("nested", "list", "set", "dict", "sum", "any", "join", "closure", "method", "class method"),
    *("recursion", "two functions", "decorated", "tuple target", "while inside", "with inside"),
    *(
        "named as a method of ours",
        "inner of one that carries",
        "fails and is caught",
        "super in a call",
        "global list",
    ),
]


@pytest.mark.parametrize("name", ENTERED)
def test_its_items_run_on_workers(name):
    with leaving_after(2):
        left = both(cell(name), "threads", workers=2)
    assert kind(left) == "parallel", reason(left)
    assert " in `" in reason(left)


def test_the_report_names_the_function_and_the_line():
    with leaving_after(2):
        left = both(cell("append"), "threads", workers=2)
    assert reason(left).startswith("line 7: for loop in `f`, line 5, 37 items on threads × 2")
    assert "the first 3 in the kernel" in reason(left)


def test_a_name_that_is_not_bound_after_a_loop_is_told_of_its_own_line():
    source = "def f(xs):\n    for x in xs:\n        for y in xs: pass\n    more += [y]\n    return more\nz = f(range(40))"
    with leaving_after(9_999):
        ours = both(source, "threads", workers=2).error
    assert frames(ours)[-1] == ("<cell>", 4, "f")


@pytest.mark.parametrize("name", ["fails", "list that fails", "sum that fails"])
@pytest.mark.parametrize("items", [1, 4, 99])
def test_a_traceback_has_the_functions_own_lines(name, items):
    with leaving_after(items):
        ours = both(cell(name), "threads", workers=2).error
    with pytest.raises(ZeroDivisionError) as caught:
        exec(compile(cell(name), "<cell>", "exec"), {})
    found = traceback.extract_tb(caught.value.__traceback__)
    plain = [(one.filename, one.lineno, one.name) for one in found if one.filename == "<cell>"]
    got = frames(ours)
    assert [one[:2] for one in got] == [one[:2] for one in plain]
    assert got[:2] == plain[:2]


def test_functions_are_themselves_again_afterwards():
    names = {}
    nbexec.parallel(cell("list"), names, progress="off", backend="threads", workers=2)
    before = names["f"].__code__
    with leaving_after(2):
        nbexec.parallel("y = f(range(40))", names, progress="off", backend="threads", workers=2)
    assert names["f"].__code__ is before
    with leaving_after(2), pytest.raises(TypeError):
        nbexec.parallel("y = f(3)", names, progress="off", backend="threads", workers=2)
    assert names["f"].__code__ is before


def test_the_items_of_a_loop_are_let_go_when_it_has_ended():
    """By a `break`, an exception or its end: nothing of ours holds them."""

    class Items(list):
        pass

    source = "def f(xs):\n    for x in iter(xs):\n        if work(x) > 9: break\n    del xs\n    return probe()"
    for xs in ([1, 2, 30, 4], [1, 2, 3]):
        items = Items(xs)
        ref = weakref.ref(items)
        names = {"probe": lambda ref=ref: ref() is None, "made": [items]}
        del items
        gc.disable()
        try:
            nbexec.parallel(f"{WORK}{source}\ny = f(made.pop())", names, progress="off")
        finally:
            gc.enable()
        assert names["y"]


def test_a_break_before_the_rest_began_drops_it():
    """The first item lasts until the others are with workers; then it breaks."""
    source = (
        "import time\n"
        "def f(xs):\n"
        "    out = []\n"
        "    for x in xs:\n"
        "        while x == 0 and not go: time.sleep(0.001)\n"
        "        out.append(x)\n"
        "        time.sleep(0.01)\n"
        "        if x == 0: break\n"
        "    return out\n"
        "y = f(range(30))"
    )
    with filled_once_a_run_began() as go:
        names = {"go": go}
        nbexec.parallel(source, names, backend="threads", workers=2, progress="off")
    assert names["y"] == [0]
    assert not entering._current


CHANGING = {
    "a number": "t = 0\n    for x in xs:\n        wait(x)\n        t += 1\n    return t",
    "a text": "t = ''\n    for x in xs:\n        wait(x)\n        t += str(x)\n    return t",
    "a name": (
        "t = None\n    for x in xs:\n        wait(x)\n        if x == 0: t = x\n    return t"
    ),
    "an attribute": (
        "t = Box()\n    for x in xs:\n        wait(x)\n        t.n += 1\n        t.rows.append(x)\n"
        "    return t.n, t.rows"
    ),
}


@pytest.mark.parametrize("body", CHANGING.values(), ids=CHANGING)
@pytest.mark.parametrize("where", ["in a function", "in the cell"])
def test_what_the_plain_loop_does_while_the_rest_leaves_counts(body, where):
    source = (
        "import time\nclass Box:\n    def __init__(self):\n        self.n, self.rows = 0, []\n"
        "def wait(x):\n"
        "    if x == 0:\n"
        "        while not go: time.sleep(0.001)\n"
        "        time.sleep(0.05)\n"
        "    time.sleep(0.01)\n"
    )
    if where == "in a function":
        source += f"def f(xs):\n    {body}\ny = f(range(30))"
    else:
        lines = body.replace("\n    ", "\n").replace("return", "y =")
        source += f"xs = range(30)\n{lines}"
    plain = {"go": [1]}
    exec(source, plain)
    with filled_once_a_run_began() as go:
        names = {"go": go}
        report = nbexec.parallel(source, names, backend="threads", workers=2, progress="off")
    assert names["y"] == plain["y"]
    assert any(step.kind == "parallel" for step in report.steps)


def test_a_debugger_sees_the_plain_call():
    names = {}
    nbexec.parallel(cell("list"), names, progress="off")
    seen = []

    def trace(frame, event, arg):
        if frame.f_code.co_name == "f":
            seen.append(frame.f_code)

    sys.settrace(trace)
    try:
        with leaving_after(2):
            nbexec.parallel("y = f(range(40))", names, progress="off", backend="threads")
    finally:
        sys.settrace(None)
    assert seen
    assert all(one is names["f"].__code__ for one in seen)


def test_a_function_that_is_called_often_and_briefly_runs_as_it_is():
    codes = []
    source = f"{WORK}def f(xs):\n    look()\n    return [work(x) for x in xs]\ny = [f([1]) for n in range(99)]\nfor step in range(99): z = f([step])"
    names = {"look": lambda: codes.append(sys._getframe(1).f_code)}
    nbexec.parallel(source, names, progress="off")
    both_kinds = set(map(id, codes))
    assert codes[-1] is names["f"].__code__
    assert len(both_kinds) <= 2


def test_other_threads_run_the_loop_as_it_is():
    source = (
        f"import threading\n{WORK}"
        "def f(xs): return [work(x) for x in xs]\n"
        "def g(xs):\n"
        "    got = []\n"
        "    one = threading.Thread(target=lambda: got.append(f(xs)))\n"
        "    one.start()\n"
        "    one.join()\n"
        "    return got, f(xs)\n"
        "y = g(range(40))"
    )
    with leaving_after(2):
        both(source, "threads", workers=2)


def test_a_loop_that_runs_as_it_is_has_the_same_interface():
    loop = PlainLoop([1, 2])
    assert list(loop) == [1, 2]
    assert not loop.more()
    assert not loop.again
    assert loop.add([3])
    assert loop.value == [3]
    assert list(loop.chain(iter([4]), iter([5]))) == [4]


def test_a_step_within_a_step_changes_nothing_of_the_outer_one():
    names = {}
    with Entering.of(None or __import__("ast").parse("1"), names, nbexec.configure(), {}) as outer:
        outer.open()
    assert outer.longest is None


# ---------------------------------------------------------------- beside other statements


@pytest.mark.parametrize("where", ["threads", "processes"])
def test_functions_of_statements_that_are_sent_run_as_they_are(where, monkeypatch):
    """What a worker gets is the function as it was written, whenever it is sent."""
    monkeypatch.setattr(StatementGroup, "patience", 0.0)
    slow = "import time\ndef slow(x):\n    time.sleep(0.002)\n    return x\n"
    function = "def f(k):\n    out = []\n    for x in range(100): out.append(slow(x + k))\n    return out\n"
    left = both(f"{slow}{function}a = f(1)\nb = f(2)\nc = f(3)", where, workers=2)
    assert [step.kind for step in left.report.steps[3:]] == ["together"] * 3


def test_a_step_that_was_stopped_hands_over_nothing():
    source = "def f(xs):\n    out = []\n    for x in xs: out.append(x + 1)\n    return out"
    names = {}
    remember(source, "<stopped>")
    exec(compile(source, "<stopped>", "exec", dont_inherit=True), names)
    code = names["f"].__code__
    around = Entering(lambda: [names["f"]], resolve({}), {})
    with around:
        around.open()
        instrumented = names["f"].__code__
        assert around.stop()
        around.resume()
        assert names["f"].__code__ is code
        around.go_on()
        assert names["f"].__code__ is instrumented
    assert instrumented is not code
    with Entering(lambda: [names["f"]], resolve({}), {}) as around:
        assert around.stop()
        around.open()
        assert names["f"].__code__ is code
    with Entering(lambda: [names["f"]], resolve({}), {}) as around:
        around.busy = True
        assert not around.stop()
