"""Programs in which what is put into functions must not show.

Covers `nbexec.cell.own_functions.instrument`.
"""

from __future__ import annotations

import pytest

from ..both_ways import both, leaving_after

pytestmark = pytest.mark.plain_first

WORK = "def work(x):\n    return x * x + 1\n"
GEN = "def gen():\n    try: yield from range(9)\n    finally: print('closed')\n"
TEMP = "class T(list):\n    def __del__(self): print('gone')\n"
PROGRAMS = {
    "else that goes on with an outer loop": "def f(xs):\n    for a in range(3):\n        for x in xs:\n            if work(x) < a: break\n        else: continue\n        break\n    return a\ny = f(range(9))",
    "else that ends an outer loop": "def f(xs):\n    out = []\n    for a in range(3):\n        for x in xs: work(x)\n        else: break\n        out.append(a)\n    return out\ny = f(range(9))",
    "a comprehension where another takes its items": "if 1: ys = [(y := x) for x in [work(z) for z in range(9)]]",
    "a private name in a closure": "class C:\n    def __init__(self): self.__k = 2\n    def m(self):\n        def g(xs): return [work(x) for x in xs], self.__k\n        return g\nf = C().m()\ny = f(range(9))",
    "a dict that grows": "d = dict.fromkeys(range(9))\nfor k in d: d[k + 100] = 1",
    "a set that grows": "d = set(range(9))\nfor k in d: d.add(k + 100)",
    "a dict that grows in a function": "def f(d):\n    for k in d: d[k + 100] = work(k)\nf(dict.fromkeys(range(9)))",
    "temporary items": TEMP
    + "def f():\n    ys = [work(x) for x in T([1, 2, 3])]\n    print('after')\n    return ys\ny = f()",
    "a generator that is closed by an error": GEN
    + "def f():\n    try:\n        for x in gen(): work(1 // (4 - x))\n    except ZeroDivisionError: print('caught')\ny = f()",
    "names that are asked for": "if 1:\n    ys = [work(x) for x in range(9)]\n    n = sorted(k for k in globals() if k != '__builtins__')",
    "a shared iterator": "def f(xs):\n    it = iter(xs)\n    ys = [work(x) for x in it]\n    return ys, list(it)\ny = f(list(range(9)))",
    "a shared iterator and a break": "def f(xs):\n    it = iter(xs)\n    for x in it:\n        if work(x) > 20: break\n    return x, list(it)\ny = f(list(range(9)))",
    "StopIteration in a list": "def bad(x):\n    if x == 5: raise StopIteration('x')\n    return x\ny = [bad(x) for x in range(9)]",
    "qualified names": "class C:\n    def f(self, xs):\n        ys = [work(x) for x in xs]\n        def g(a): pass\n        class D:\n            def m(self): pass\n        return g.__qualname__, D.__qualname__, D.m.__qualname__, ys\ny = C().f(range(9))",
    "qualified names in a closure": "def o():\n    k = 1\n    def f(xs):\n        ys = [work(x) + k for x in xs]\n        def g(a): pass\n        class D: pass\n        return g.__qualname__, D.__qualname__, ys\n    return f\nf = o()\ny = f(range(9))",
    "a recursion as deep as it may be": "import time\ndef f(n, slow=False):\n    if slow: time.sleep(0.005)\n    return 1 + sum(f(c, slow) for c in ([n - 1] if n else []))\ny = [f(3, True) for i in range(10)], f(420)",
    "code that is asked for": "def f(xs):\n    ys = [work(x) for x in xs]\n    return f.__code__.co_names\ny = f(range(9))",
}


@pytest.mark.parametrize("source", PROGRAMS.values(), ids=PROGRAMS)
def test_it_leaves_what_the_plain_cell_leaves(source):
    with leaving_after(2):
        both(WORK + source, "threads", workers=2)


def test_a_function_that_is_sent_has_its_own_code():
    source = "import nbexec\ndef g(x): return [work(i) for i in range(x)]\ndef f(xs): return list(nbexec.map(g, xs, backend='processes', workers=2, progress='off'))\ny = f(range(4))"
    with leaving_after(2):
        both(WORK + source, "threads", workers=2)
