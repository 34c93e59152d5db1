"""`Ahead`: a loop that runs in its order, and takes values of a part of its body from workers.

Covers `nbexec.cell.execution.ahead`, `nbexec.cell.execution.ahead_run` and
`nbexec.cell.loops.carried`.
"""

from __future__ import annotations

import os
import warnings
from typing import Any

import pytest

import nbexec
from nbexec.cell.analysis.source import remember
from nbexec.cell.execution import ahead as module

from ..both_ways import both, frames, kind, leaving_after, reason

SLOW = """
import numpy
def slow(x): return sum(i * x for i in range(20))
def fails(x): return 100 // (12 - x)
def step(s, r): return s * 0.5 + r
def pair(x): return [x, {"x": x}]
def part(x): return x["a"]
def children(x): return [2 * x, 2 * x + 1] if x < 20 else []
def warned(x): return x + float(numpy.log(numpy.float64(-1 - x)) > 0)
"""

AHEAD = {
    "a fold": "s = 0.0\nfor x in range(20):\n    r = slow(x)\n    s = step(s, r)",
    "in one line": "s = 0.0\nfor x in range(20): s = step(s, slow(x))",
    "reads what it adds to": "ys = []\nfor x in range(20): ys.append((len(ys), slow(x)))",
    "reads a total": "t = 0\nfor x in range(20):\n    t += slow(x)\n    print(x, t)",
    "best so far": "best = arg = -1\nfor x in range(20):\n    r = slow(x) % 7\n    if r > best: best, arg = r, x",
    "break": "t = 0\nfor x in range(20):\n    r = slow(x)\n    t = t + r if t else r\n    if t > 1000: break\nelse: whole = 1",
    "else": "s = 1\nfor x in range(20): s = step(s, slow(x))\nelse: whole = s",
    "continue": "s = 1\nfor x in range(20):\n    r = slow(x)\n    if s > r: continue\n    s = s + r",
    "fails": "s = 1\nfor x in range(20):\n    r = fails(x)\n    s = step(s, r)",
    "fails inside": "s = 1\nfor x in range(20): s = step(s, fails(x))",
    "the rest fails": "s = 1\nfor x in range(20):\n    r = slow(x)\n    s = s + r\n    1 // (s < 2000)",
    "catches": "s = bad = 0\nfor x in range(20):\n    try:\n        s = step(s, fails(x))\n    except ZeroDivisionError as error:\n        bad += 1\n        last = bad + x",
    "not for each": "seen = set()\ns = 0\nfor x in [1, 2, 1, 3, 2, 4] * 3:\n    if x not in seen:\n        seen.add(x)\n        s = step(s, slow(x))",
    "several": "s = 0\nfor x in range(20):\n    a = slow(x)\n    b = [slow(x + i) for i in range(2)]\n    s = step(s, a + b[0]) + slow(x + 1)",
    "two uses": "s = 0\nfor x in range(20):\n    y = x + 1\n    s = step(s, slow(y))\n    s = s + slow(y + 1) if s else 1",
    "what it made is changed": "last = None\nfor x in range(20):\n    r = pair(x)\n    r.append(last is None)\n    last = [r, x]",
    "kept": "rs = []\nfor x in range(9):\n    r = pair(x)\n    rs.append(r)\n    n = len(rs)\n    q = rs[-1] is r",
    "aliases inside": "rs = []\nfor x in range(9):\n    r = pair(x)\n    d = r[1]\n    n = len(rs)\n    rs.append((n, r, d))",
    "a loop leads": "s = 0\nfor x in range(20):\n    parts = []\n    for i in range(3): parts.append(slow(x + i))\n    s = step(s, sum(parts))",
    "branches lead": "s = 0\nfor x in range(20):\n    if x % 2: y = slow(x)\n    else: y = -x\n    s = step(s, y)",
    "one branch binds": "s = y = 0\nfor x in range(20):\n    if x % 4 == 0: y = slow(x)\n    s = step(s, y) + slow(x)",
    "parts of the item": "xs = [{'a': [i]} for i in range(9)]\nsame = []\nfor x in xs:\n    r = part(x)\n    n = len(same)\n    same.append((n, r is x['a'], r))",
    "enumerate": "s = 0\nfor i, x in enumerate(range(5, 25)): s = step(s, slow(x) + i)",
    "zip": "s = 0\nfor x, y in zip(range(20), 'abcdefghij' * 2): s = step(s, slow(x) + ord(y))",
    "an iterator": "s = 0\nfor x in iter(range(9)): s = step(s, slow(x))",
    "items": "d = {i: -i for i in range(20)}\ns = 0\nfor k, v in d.items(): s = step(s, slow(k) + v)",
    "a work list": "queue, seen = [1], {1}\nfor x in queue:\n    for c in children(x):\n        if c not in seen:\n            seen.add(c)\n            queue.append(c)",
    "a work list that is there": "queue, seen = list(range(1, 12)), set()\nfor x in queue:\n    for c in children(x):\n        if c not in seen:\n            seen.add(c)\n            queue.append(c)",
    "counts": "c = {}\nfor x in range(20):\n    k = slow(x) % 3\n    c[k] = c.get(k, 0) + 1",
    "groups": "g = {}\nfor x in range(20):\n    k = slow(x) % 3\n    if k not in g: print('new', k)\n    g.setdefault(k, []).append(x)",
    "own memo": "memo = {}\nout = []\nfor x in [3, 1, 3, 2, 1, 4]:\n    if x not in memo: memo[x] = pair(x)\n    out.append(memo[x])",
    "none at first": "best = None\nfor x in range(20):\n    r = slow(x)\n    if x % 6 == 5: best = (r, best)\n    last = best",
    "a total at first whole": "t = 0\nfor x in range(20):\n    t = step(t, slow(x))",
    "can't be sent": "import threading\nlock = threading.Lock()\ndef f(x): return x + (lock is None)\ns = 0\nfor x in range(9): s = step(s, f(x))\nlock = 0",
    "the type changes": "s = 0\nfor x in range(20):\n    r = slow(x)\n    s = [s] if x == 9 else 0\n    t = s",
    "warns": "s = 0\nfor x in range(9): s = step(s, warned(x))",
    "an array": "import numpy as np\na = np.arange(4.0)\nfor x in range(20):\n    r = slow(x)\n    a = a * 0.5 + r",
}  # fmt: skip


@pytest.mark.one_in(2)
@pytest.mark.parametrize("backend", ["threads", "processes"])
@pytest.mark.parametrize("source", AHEAD.values(), ids=AHEAD)
def test_a_loop_in_its_order_is_what_it_is_plain(source: str, backend: str) -> None:
    both(source, backend, earlier=SLOW)


@pytest.mark.plain_first
@pytest.mark.parametrize("source", AHEAD.values(), ids=AHEAD)
def test_so_it_is_after_some_items(source: str) -> None:
    with leaving_after(2):
        both(source, "threads", earlier=SLOW)


SPLIT = ["a fold", "in one line", "reads what it adds to", "reads a total", "several", "kept"]
SPLIT += ["two uses", "a loop leads", "branches lead", "items", "an array", "groups", "best so far"]
SPLIT += ["a work list that is there", "catches", "own memo", "break", "none at first"]
SPLIT += ["a total at first whole"]


@pytest.mark.parametrize("which", SPLIT)
def test_these_are_computed_ahead(which: str) -> None:
    left = both(AHEAD[which], "processes", earlier=SLOW)
    assert kind(left) == "parallel", reason(left)
    assert "computed ahead; the rest of the loop in order" in reason(left)


def test_a_value_is_used_and_not_computed_again() -> None:
    names: dict[str, Any] = {"os": os}
    remember(earlier := "def here(x): return os.getpid()\n", "<e>")
    exec(compile(earlier, "<e>", "exec"), names)
    nbexec.parallel("s = [0]\nfor x in range(20): s = [*s, here(x)]", names, backend="processes")
    assert os.getpid() not in names["s"]


STAYS = {
    "reads what the rest binds": "k = 1\ndef f(x): return x * k\ns = 0\nfor x in range(9):\n    s = step(s, f(x))\n    k = s",
    "reads what the rest adds to": "ys = []\ndef f(x): return x + len(ys)\nfor x in range(9):\n    ys.append(f(x))\n    n = len(ys)",
    "changes what it reads": "table = [1]\ndef f(x): return sum(table) + x\ndef g(r): table.append(r)\nt = 0\nfor x in range(9):\n    r = f(x)\n    t = t + r\n    g(r)",
    "through another name": "table = [1]\nother = table\ndef f(x): return sum(table) + x\nt = 0\nfor x in range(9):\n    r = f(x)\n    t = r - t\n    other.append(r)",
    "of an item": "xs = [[1], [2]]\nys = xs[1]\ndef f(x): return sum(x)\nt = 0\nfor x in xs:\n    r = f(x)\n    t = r - t\n    ys.append(r)",
    "a global of the rest": "k = 1\ndef f(x): return x * k\ndef g(r):\n    global k\n    k += r\nt = 0\nfor x in range(9):\n    r = f(x)\n    t = t - r\n    g(r)",
    "a clock": "import time\ntook = 0\nfor x in range(9):\n    began = time.perf_counter()\n    slow(x)\n    took = took * 0 + (time.perf_counter() < began)\nbegan = 0",
    "random numbers": "import random\nrandom.seed(1)\ns = 0\nfor x in range(9): s = step(s, slow(x) * random.random())",
    "writes a file": "import os, tempfile\nname = os.path.join(tempfile.gettempdir(), 'nbexec-ahead')\nimport pathlib\nlog = pathlib.Path(name)\nlog.write_text('1')\ndef f(x): return len(log.read_text())\nt = 0\nfor x in range(5):\n    r = f(x)\n    t = t * 2 + r\n    log.write_text('x' * t)",
    "its own items": "xs = [[0], [1], [2]]\nprevious = [9]\ndef f(x): return sum(x)\nt = 0\nfor x in xs:\n    t = t * 2 + f(x)\n    previous[0] = t\n    xs[2].append(t)",
    "a name of the target": "s = 0\nfor x in range(9):\n    s = step(s, x)\n    x = s\n    s = step(s, slow(x))",
    "the names that there are": "s = 0\nfor x in range(9):\n    s = step(s, slow(x))\n    n = len(dir())",
    "a generator": "def items():\n    for i in range(9):\n        yield i + s\ns = 0\nfor x in items(): s = step(s, slow(x))",
}  # fmt: skip


@pytest.mark.parametrize("backend", ["threads", "processes"])
@pytest.mark.parametrize("source", STAYS.values(), ids=STAYS)
def test_what_the_rest_changes_is_not_computed_ahead(source: str, backend: str) -> None:
    left = both(f"{SLOW}{source}", backend)
    assert "computed ahead" not in str(left.report)


def test_an_exception_has_the_lines_of_the_cell_alone() -> None:
    source = "s = 0\nfor x in range(20):\n    r = fails(x)\n    s = step(s, r)"
    left = both(source, "processes", earlier=SLOW)
    assert left.error is not None
    assert frames(left.error) == [("<cell>", 3, "<module>"), ("<earlier cell>", 4, "fails")]
    inside = both("s = 0\nfor x in range(20): s = step(s, fails(x))", "processes", earlier=SLOW)
    assert inside.error is not None
    assert frames(inside.error)[0] == ("<cell>", 2, "<module>")


def test_warnings_come_in_their_turn() -> None:
    source = "s = 0\nfor x in range(9): s = step(s, warned(x))"
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        left = both(source, "processes", earlier=SLOW)
    assert kind(left) == "parallel", reason(left)
    assert [one.lineno for one in heard] == [9] * 18


def test_what_is_not_used_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SOME", 4)
    source = "s = 0\nfor x in range(60):\n    if s > 40: continue\n    s = s + slow(x) + 1"
    left = both(source, "threads", earlier=SLOW)
    assert kind(left) == "parallel"


def test_strict_says_why() -> None:
    with pytest.raises(nbexec.SerialError, match="carry a value"):
        nbexec.parallel("s = 0\nfor x in [1, 2]: s = abs(s - x) * abs(x)", {}, strict=True)
