"""Loops over a work list, as plain: `while todo: x = todo.pop()`.

Covers `nbexec.cell.execution.work_ahead`, `nbexec.cell.execution.work_step` and
`nbexec.cell.loops.work_list`.
"""

from __future__ import annotations

import ast
from collections import deque

import pytest

import nbexec
from nbexec.cell.execution import work_ahead as module
from nbexec.cell.execution import work_step
from nbexec.cell.execution.worth_leaving import Destination
from nbexec.cell.loops.work_list import find_work_list
from nbexec.model import Choice

from ..both_ways import both, kind, reason

SLOW = """
from collections import deque
def slow(x): return sum(i * x for i in range(20))
def children(x): return [2 * x, 2 * x + 1] if x < 20 else []
def fails(x): return children(x) if x != 11 else 1 // 0
def twice(x): return [x, [x]]
class Node:
    def __init__(self, n): self.n, self.kids = n, []
def weigh(node): return node.n * 3
def pairs(a, b): return [(a + 1, b * 2), (a + 2, b)] if a < 6 else []
"""

AHEAD = {
    "pop": "todo, out = [1], []\nwhile todo:\n    x = todo.pop()\n    out.append(x)\n    for y in children(x): todo.append(y)",
    "pop(0)": "todo, out = [1], []\nwhile todo:\n    x = todo.pop(0)\n    out.append(x)\n    todo += children(x)",
    "popleft": "todo, out = deque([1]), []\nwhile todo:\n    x = todo.popleft()\n    out.append(x)\n    todo.extend(children(x))",
    "pop of a deque": "todo, out = deque([1]), []\nwhile todo:\n    x = todo.pop()\n    out.append(x)\n    todo.extend(children(x))",
    "len": "todo, out = [1, 2, 3], []\nwhile len(todo) > 0:\n    x = todo.pop()\n    out.append(x)\n    todo.extend(children(x))",
    "else": "todo, t = [1, 2, 3], 0\nwhile todo:\n    x = todo.pop()\n    t = t * 3 + slow(x)\nelse: whole = t",
    "break": "todo, t = list(range(30)), 0\nwhile todo:\n    x = todo.pop()\n    t = t * 3 + slow(x)\n    if x == 7: break\nelse: whole = t",
    "continue": "todo, t = list(range(30)), 0\nwhile todo:\n    x = todo.pop()\n    if x % 3: continue\n    t = t * 3 + slow(x)",
    "a limit": "todo, out = [1], []\nwhile todo and len(out) < 9:\n    x = todo.pop(0)\n    out.append(x)\n    todo += children(x)",
    "seen": "todo, seen, out = [1, 2, 1, 3], set(), []\nwhile todo:\n    x = todo.pop()\n    if x in seen: continue\n    seen.add(x)\n    out.append(x)\n    for y in children(x):\n        if y not in seen: todo.append(y)",
    "raises": "todo, out = [1], []\nwhile todo:\n    x = todo.pop(0)\n    out.append(x)\n    todo += fails(x)",
    "catches": "todo, out = [1], []\nwhile todo:\n    x = todo.pop(0)\n    out.append(x)\n    try:\n        todo += fails(x)\n    except ZeroDivisionError: out.append('bad')",
    "tuples": "todo, out = [(1, 2)], []\nwhile todo:\n    a, b = todo.pop()\n    out.append((a, b))\n    todo.extend(pairs(a, b))",
    "leads": "todo, out = [1, 2, 3], []\nwhile todo:\n    x = todo.pop()\n    r = children(x)\n    out.append((x, len(out), r))\n    for y in r: todo.append(y)",
    "prints": "todo, n = [1], 0\nwhile todo:\n    x = todo.pop(0)\n    n = n + 1\n    print(n, x)\n    todo += children(x)",
    "new objects": "todo, out = list(range(9)), []\nwhile todo:\n    x = todo.pop()\n    r = twice(x)\n    r.append(len(out))\n    out.append(r)",
    "from the end and the start": "todo, out = deque(range(9)), []\nwhile todo:\n    x = todo.popleft()\n    out.append(slow(x))\n    if x % 4 == 1: todo.appendleft(x + 1)",
    "dups": "todo, out = [3, 1, 3, 2, 1, 4] * 3, []\nwhile todo: \n    x = todo.pop()\n    out.append((len(out), slow(x)))",
    "nodes": "a, b, c = Node(1), Node(2), Node(3)\ntodo, out = [a, b, c, a], []\nwhile todo:\n    x = todo.pop()\n    out.append((weigh(x), len(out)))",
    "the same list": "todo = out = [5, 4, 3]\nn = 0\nwhile todo:\n    x = todo.pop()\n    n = n * 2 + slow(x)\n    if x > 1 and n < 10**6: out.append(x - 1)",
}  # fmt: skip
SERIAL = {
    "reads the list": "todo, out = [1, 2, 3], []\ndef left(x): return slow(x) + len(todo)\nwhile todo:\n    x = todo.pop()\n    out.append(left(x))\n    if x < 9: todo.append(x * 3)",
    "an alias": "todo, out = [1, 2, 3], []\nother = {'a': todo}\ndef left(x): return slow(x) + len(other['a'])\nwhile todo:\n    x = todo.pop()\n    out.append(left(x))",
    "changes what it reads": "todo, k = [1, 2, 3], [0]\ndef f(x): return slow(x) + k[0]\nwhile todo:\n    x = todo.pop()\n    k[0] = k[0] + f(x)",
    "prints in it": "todo, out = [1, 2, 3], []\ndef f(x):\n    print(x)\n    return slow(x)\nwhile todo:\n    x = todo.pop()\n    out.append((len(out), f(x)))",
    "another pop": "todo, out = [1, 2, 3, 4], []\nwhile todo:\n    x = todo.pop()\n    out.append(slow(x))\n    if todo: todo.pop()",
    "bound anew": "todo, out = [1, 2, 3, 4], []\nwhile todo:\n    x = todo.pop()\n    out.append(slow(x))\n    todo = todo[1:]",
    "changes its items": "a, b, c = Node(1), Node(2), Node(3)\na.kids, b.kids, c.kids = [b], [c], []\ndef f(x): return x.n + sum(k.n for k in x.kids)\ntodo, out = [a, b, c], []\nwhile todo:\n    x = todo.pop()\n    x.n = f(x)\n    out.append(x.n)",
}  # fmt: skip


@pytest.mark.one_in(2)
@pytest.mark.parametrize("backend", ["threads", "processes"])
@pytest.mark.parametrize("source", AHEAD.values(), ids=AHEAD)
def test_a_work_list_is_gone_through_as_plain(source, backend):
    both(source, backend, earlier=SLOW)


@pytest.mark.plain_first
@pytest.mark.parametrize("source", AHEAD.values(), ids=AHEAD)
def test_after_its_first_items(source, monkeypatch):
    monkeypatch.setattr(work_step, "FIRST", 0.0)
    monkeypatch.setattr(module, "ENOUGH", 0.0)
    monkeypatch.setattr(module, "BRIEF", 60.0)
    monkeypatch.setattr(Destination, "choose", lambda *_: Choice("threads", 2, ""))
    monkeypatch.setattr(Destination, "ready", lambda *_: True)
    monkeypatch.setattr(Destination, "sending", lambda *_: 0.0)
    both(source, "threads", earlier=SLOW)


@pytest.mark.parametrize("name", ["pop", "pop(0)", "popleft", "tuples", "leads", "prints", "nodes"])
def test_values_come_from_workers(name):
    left = both(AHEAD[name], "threads", earlier=SLOW)
    assert kind(left) == "parallel"
    assert "computed ahead for the items that wait" in str(left.report)
    assert nbexec.last_run() is not None


@pytest.mark.parametrize("backend", ["threads", "processes"])
@pytest.mark.parametrize("source", SERIAL.values(), ids=SERIAL)
def test_what_can_not_be_shown_stays_in_order(source, backend):
    left = both(source, backend, earlier=SLOW)
    assert kind(left) == "serial"


def test_the_reason_is_told():
    left = both(SERIAL["reads the list"], earlier=SLOW)
    assert "reads `todo`, which the loop changes" in reason(left)


@pytest.mark.plain_first
def test_a_brief_loop_is_the_plain_one():
    left = both(AHEAD["pop"], "processes", earlier=SLOW)
    assert "workers would not pay" in reason(left)


@pytest.mark.parametrize(
    "text",
    [
        "while todo:\n    todo.pop()",
        "while todo:\n    x = todo.pop()",
        "while next(it):\n    x = todo.pop()\n    f(x)",
        "while todo:\n    x = todo.pop(1)\n    f(x)",
        "while todo:\n    x = todo.popleft()\n    f(x)",
        "while todo:\n    x = todo.pop()\n    todo = f(x)",
        "while todo:\n    x = y = todo.pop()\n    f(x)",
    ],
)
def test_other_loops_are_no_work_lists(text):
    assert find_work_list(ast.parse(text).body[0], {"todo": [1]}) is None


def test_the_order_in_which_items_wait():
    for todo, text, expected in (
        ([1, 2], "todo.pop()", [2, 1]),
        ([1, 2], "todo.pop(0)", [1, 2]),
        (deque([1, 2]), "todo.popleft()", [1, 2]),
    ):
        stmt = ast.parse(f"while todo:\n    x = {text}\n    f(x)").body[0]
        found = find_work_list(stmt, {"todo": todo})
        assert found is not None
        assert found.waiting({"todo": todo}) == expected
