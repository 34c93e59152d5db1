"""``big[y]``: entries of a large container travel with the items that read them, and no others.

Covers `nbexec.cell.analysis.own_reads`, `nbexec.cell.loops.own_keys`, `nbexec.cell.loops.places`
and `nbexec.cell.iteration.held`.
"""

from __future__ import annotations

import pytest

from nbexec.cell.analysis import own_reads
from nbexec.cell.iteration.effect_log import Unsafe
from nbexec.cell.iteration.held import Held

from ..both_ways import both, frames, runs_in_parallel


@pytest.fixture(autouse=True)
def any_size(monkeypatch):
    """Leave containers out however little that saves."""
    monkeypatch.setattr(own_reads, "LEAST", -1.0)
    monkeypatch.setattr(own_reads, "EACH", 0.0)


@pytest.fixture
def brought(monkeypatch):
    """The entries that were brought, by their containers' names."""
    found: dict[str, list] = {}
    real = own_reads.OwnRead.of

    def of(self, at, missing=None):
        entries = real(self, at, missing)
        found.setdefault(self.name, []).append(entries)
        return entries

    monkeypatch.setattr(own_reads.OwnRead, "of", of)
    return found


BIG = """
big = {n: {"n": n, "more": [n, n + 1]} for n in range(500)}
names = [f"t{n}" for n in range(100)]
texts = {f"t{n}": "ab c" * n for n in range(100)}
pairs = tuple((n, [n]) for n in range(100))
def heavy(thing, by=1):
    return sum(thing["more"]) * by + thing["n"]
"""

ALONE = {
    "an entry of a dict": "out = []\nfor y in range(20):\n    out.append(heavy(big[y]))",
    "a field of it": "out = []\nfor y in range(20):\n    out.append(big[y]['n'] + big[y]['more'][0])",
    "a comprehension": "out = [heavy(big[y]) for y in range(20) if big[y]['n'] % 2]",
    "a sum": "out = sum(heavy(big[y]) for y in range(20))",
    "a text": "out = {name: big[name].split() for name in names[:9]}".replace("big", "texts"),
    "a target of two": "out = []\nfor i, y in enumerate(range(7, 20)):\n    out.append((i, heavy(big[y])))",
    "neighbours": "out = [heavy(big[y], big[y - 1]['n']) for y in range(1, 20)]",
    "from the end": "out = [sum(pairs[-y][1]) for y in range(1, 9)]".replace("-y", "y - 10"),
    "the entry itself": "out = []\nfor y in [3, 4, 3]:\n    out.append(big[y])",
    "the entry of a list": "out = [pairs[i][1] for i in range(4)] + [pairs[i] for i in range(4)]",
    "get": "out = [big.get(y, {'n': -1})['n'] for y in range(495, 510)]",
    "in": "out = []\nfor y in range(495, 505):\n    if y in big:\n        out.append(heavy(big[y]))",
    "a function": "def look(y):\n    return heavy(big[y])\nout = {y: look(y) for y in range(20)}",
    "functions in functions": (
        "def inner(key, by):\n    return heavy(big[key], by)\n"
        "def look(y):\n    z = 2\n    return inner(y + 1, by=z) + big[y]['n']\n"
        "out = [look(y) for y in range(20)]"
    ),
    "map": "def look(y):\n    return heavy(big[y])\nout = list(map(look, range(20)))",
    "a nested loop": (
        "out = []\nfor y in range(9):\n    for z in range(3):\n"
        "        out.append((z, heavy(big[y])))"
    ),
    "a condition": "out = [heavy(big[y]) if y < 5 else 0 for y in range(9)]",
    "with items that hold something": (
        "out = []\nfor y, extra in [(1, [1]), (2, [2])]:\n    out.append((heavy(big[y]), extra))"
    ),
}


@pytest.mark.parametrize("source", ALONE.values(), ids=ALONE)
@pytest.mark.parametrize("where", ["threads", "processes"])
def test_only_own_entries_are_sent(source, where, brought):
    runs_in_parallel(source, where, earlier=BIG)
    if where == "processes":
        assert brought
        assert all(len(one) < 4 for of in brought.values() for one in of)


MORE = """
import numpy as np
from collections import defaultdict, Counter
class Thing:
    def __init__(self, n):
        self.n = n
    def double(self):
        return 2 * self.n
class Own(dict):
    def __missing__(self, key):
        return {"n": key, "more": []}
things = [Thing(n) for n in range(100)]
rows = np.arange(600.0).reshape(100, 6)
flat = np.arange(100.0)
numbers = [float(n) if n % 7 else float("nan") for n in range(100)]
sets = {n: {n, n + 1} for n in range(100)}
shared = [0]
held = [[n, shared] for n in range(100)]
own = Own(big)
groups = defaultdict(list, {n: [n] for n in range(100)})
special = big[3]
texts2 = [f"{n}" for n in range(100)]
"""

ODD = {
    "rows of an array": "out = [float(rows[i].sum()) for i in range(20)]",
    "rows that are given": "out = [rows[i] for i in range(5)]",
    "parts of rows": "out = []\nfor i in range(5):\n    out.append(rows[i][1:3])",
    "rows are views": (
        "out = [(rows[i] is rows[i], rows[i].base is None, rows[i].flags.owndata)\n"
        "       for i in range(5)]"
    ),
    "numbers of an array": "out = [flat[i] for i in range(9)]",
    "elements of an array": "out = [rows[i][2] + rows[i, 3] for i in range(9)]",
    "columns of rows": "out = [(rows[i, :].sum(), rows[i, 2], rows[i, 1:3] @ rows[i, 3:5]) for i in range(9)]",
    "a column that isn't there": "out = []\nfor i in range(9):\n    out.append(rows[i, i])",
    "a column too many": "out = []\nfor i in range(9):\n    out.append(flat[i, 0])",
    "columns by a list": "out = [rows[i, [1, 2]].sum() for i in range(9)]",
    "columns by names": "j = 3\nout = [rows[i, j] + rows[i, i % 6] for i in range(9)]",
    "views that are given": "out = []\nfor i in range(3):\n    out.append(rows[i, 1:])\n    rows[0, 0] = 7",
    "instances": "out = [(things[i].double(), things[i]) for i in range(9)]",
    "instances alone": "out = []\nfor i in range(9):\n    out.append(things[i])",
    "NaNs": "out = [numbers[i] for i in range(30)]\nsame = [a is b for a, b in zip(out, numbers) if a != a]",
    "NaNs in a loop": (
        "out = []\nfor i in range(30):\n    out.append((i, numbers[i]))\n"
        "same = [a[1] is b for a, b in zip(out, numbers) if b != b]"
    ),
    "sets": "out = [sum(sets[i]) for i in range(9)]",
    "something that is shared": "out = []\nfor i in range(9):\n    out.append(held[i][1])",
    "a class with __missing__": "out = [own[y]['n'] for y in range(490, 510)]",
    "a defaultdict": "out = []\nfor y in range(90, 110):\n    out.append(len(groups[y]))",
    "is an object from outside": "out = [big[y] is special for y in range(9)]",
    "reads it whole too": "out = [(len(big), big[y]['n']) for y in range(9)]",
    "reads it at another key too": "out = [big[y]['n'] + big[0]['n'] for y in range(1, 9)]",
    "by another name": "other = big\nout = [big[y] is other[y] for y in range(9)]",
    "a function reads it otherwise": (
        "def other():\n    return len(big)\nout = [big[y]['n'] + other() for y in range(9)]"
    ),
    "a function gets another key": (
        "def look(y):\n    return big[y]['n']\nout = [look(y) + look(len(str(y))) for y in range(9)]"
    ),
    "a function through a list": (
        "def look(y):\n    return big[y]['n']\nfs = [look]\n"
        "out = [look(y) + fs[0](y * 3) for y in range(9)]"
    ),
    "a function through an attribute": (
        "class Box: pass\ndef look(y):\n    return big[y]['n']\nbox = Box()\nbox.f = look\n"
        "out = [look(y) + box.f(y * 3) for y in range(9)]"
    ),
    "a key that is bound again": (
        "out = []\nfor y in range(9):\n    z = y\n    y = 2 * y\n    out.append(big[y]['n'] + z)"
    ),
    "a key that is counted up": (
        "out = []\nfor y in range(9):\n    while y < 20:\n        y += 7\n"
        "    out.append(big[y]['n'])"
    ),
    "a key of an inner loop": "out = [sum(big[y]['n'] for y in range(y)) for y in range(9)]",
    "a key of a lambda": (
        "out = []\nfor y in range(9):\n    f = lambda y: big[y]['n']\n    out.append(f(3) + f(y))"
    ),
    "a parameter that is bound again": (
        "def look(y):\n    y = y + 1\n    return big[y]['n']\nout = [look(y) for y in range(9)]"
    ),
    "a default": (
        "def look(x, y=7):\n    return big[y]['n'] + x\nout = [look(y) for y in range(9)]"
    ),
    "star arguments": (
        "def look(*ys):\n    return big[ys[0]]['n']\nout = [look(y, 1) for y in range(9)]"
    ),
    "a local of that name": (
        "def look(y, big):\n    return big[y]\nout = [look(y, [5] * 20) + big[y]['n'] for y in range(9)]"
    ),
    "a key that isn't there": "out = []\nfor y in range(490, 510):\n    out.append(big[y]['n'])",
    "a key that isn't there, caught": (
        "out = []\nfor y in range(480, 502):\n    try:\n        out.append(big[y]['n'])\n"
        "    except KeyError as error:\n        out.append(str(error))"
    ),
    "caught by all means": (
        "out = []\nfor y in range(480, 502):\n    try:\n        x = big[y]['n']\n"
        "    except:\n        x = None\n    out.append(x)"
    ),
    "an index out of range": "out = []\nfor y in range(95, 105):\n    out.append(texts2[y])",
    "is read only sometimes": (
        "out = []\nfor y in range(95, 105):\n    if y < 100:\n        out.append(texts2[y])"
    ),
    "keys of several types": "out = [big.get(y) for y in (1, True, 2.0, None, 'x', (1, 2))]",
    "a list by a bool": "out = [texts2[y] for y in (1, True, False)]",
    "the loop changes it": "for y in range(9):\n    big[y] = big[y]['n']",
    "the loop changes another entry": "for y in range(9):\n    big[y + 1000] = big[y]['n']",
    "the accumulator is in it": (
        "out = []\nbig[5]['more'] = out\nfor y in range(9):\n    out.append(len(big[y]['more']))"
    ),
    "the accumulator is it": (
        "other = texts2\nfor y in range(9):\n    other.append(texts2[y] + '!')"
    ),
    "an entry is changed": "out = []\nfor y in range(9):\n    big[y]['n'] += 1",
    "an entry is changed by a name": (
        "out = []\nfor y in range(9):\n    one = big[y]\n    one['n'] = 7\n    out.append(one)"
    ),
    "a text whose items are keys": "out = [big[len(c)]['n'] for c in 'abc']",
    "a row whose fields are keys": ("out = [big[row['y']]['n'] for row in [{'y': 1}, {'y': 2}]]"),
    "the length of a key": "out = [big[max(y, 3)]['n'] for y in range(9)]",
    "minus": "out = [texts2[-y] for y in range(1, 9)]",
    "by zero": "out = []\nfor y in range(3, -1, -1):\n    out.append(texts2[7 // y])",
    "two lists that share": (
        "a = [[n] for n in range(50)]\nb = [*a]\nout = [a[i] is b[i] for i in range(9)]"
    ),
    "one that a result was": (
        "out = []\nfor y in range(9):\n    out.append((big[y], y))\n"
        "same = [one is big[y] for one, y in out]"
    ),
    "names after the loop": "for y in range(9):\n    one = big[y]\nsame = one is big[8]",
    "a break": (
        "out = []\nfor y in range(20):\n    if big[y]['n'] == 11:\n        break\n"
        "    out.append(big[y])\nelse:\n    out = None"
    ),
    "in a function": (
        "def all_of(big, keys):\n    out = []\n    for y in keys:\n"
        "        out.append(heavy(big[y]))\n    return out\nout = all_of(big, range(20))"
    ),
    "a global in a function": (
        "def look(y):\n    return heavy(big[y])\n"
        "def all_of(keys):\n    return {y: look(y) for y in keys}\nout = all_of(range(20))"
    ),
}


def alike(source, where):
    """Compare with the plain cell; the loops of what it reads would be a dozen runs more."""
    both(source, where, earlier=BIG + MORE)


@pytest.mark.parametrize(
    "name", ["rows of an array", "columns of rows", "instances", "the entry itself"]
)
def test_arrays_and_instances_are_read_apart_too(name, brought):
    alike({**ALONE, **ODD}[name], "processes")
    assert brought


def test_what_is_read_otherwise_is_sent_whole(brought):
    for name in ("reads it whole too", "by another name", "a function gets another key"):
        alike(ODD[name], "processes")
    assert not brought


@pytest.mark.parametrize("backend", ["threads", "processes"])
def test_an_exception_has_the_lines_of_the_cell(backend):
    source = "def look(y):\n    return big[y]['n']\nout = [look(y) for y in range(495, 505)]"
    left = both(source, backend, earlier=BIG)
    assert isinstance(left.error, KeyError)
    assert left.error.args == (500,)
    lines = [line for _, line, _ in frames(left.error)]
    assert (lines[0], lines[-1]) == (3, 2)


def test_what_nobody_brought_is_not_looked_up():
    held = Held("big")
    held.add({1: "one"})
    with pytest.raises(Unsafe, match="`big`"):
        held[2]
    with pytest.raises(Unsafe):
        2 in held  # noqa: B015
    held.remove({1: "one"})
    with pytest.raises(Unsafe):
        held.get(1)


def test_of_two_items_with_one_key_the_first_one_counts():
    first, second, held = [1], [1], Held("big")
    held.add({1: first})
    held.add({1: second})
    held.remove({1: second})
    assert held[1] is first


def test_little_is_sent_as_a_whole(monkeypatch, brought):
    monkeypatch.undo()
    both(BIG + "out = [heavy(big[y]) for y in range(20)]", "processes")
    assert not brought


@pytest.mark.one_in(2)
@pytest.mark.parametrize("source", ODD.values(), ids=ODD)
@pytest.mark.parametrize("where", ["threads", "processes"])
def test_as_the_plain_cell(source, where):
    alike(source, where)
