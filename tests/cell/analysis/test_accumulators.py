"""Statements that accumulate into an outer name, and reads of one while the loop runs.

An append, an entry of a dict or a sum can be applied later, in order; a body that also reads
its accumulator depends on the iterations before it, and runs serially.  Names that a body binds
(`nbexec.cell.analysis.bindings`) are no accumulators.
"""

from __future__ import annotations

import pytest

from ..both_ways import runs_in_parallel, runs_serially

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
    "print": """
for x in range(4):
    print("item", x, sep=": ", end="!\\n")
    if x % 2:
        print(f"{x} is odd", flush=True)
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
    "a sum and a maximum that are assigned": """
total, text, best, least = 0, "", -1, 9.5
for x in [3, 1, 4, 1, 5]:
    total = total + x / 10
    text = text + str(x)
    best = max(best, x * 7 % 5)
    least = min(x * 0.5, least)
""",
}


@pytest.mark.parametrize("source", ACCEPTED.values(), ids=ACCEPTED)
@pytest.mark.parametrize("where", ["threads", "processes"])
def test_accepted(source, where):
    runs_in_parallel(source, where)


REFUSED = {
    "a read of an accumulator": (
        "total = 0\nfor x in [1, 2]:\n    total += x\n    y = total",
        "line 4: serial: reads `total`, which the loop changes",
    ),
    "a read of an accumulator by a function": (
        "out = []\ndef size():\n    return len(out)\nfor x in [1, 2]:\n    out.append(size())",
        "line 5: serial: calls `size`, which reads `out`, which the loop changes",
    ),
    "a pick that is read": (
        "best = 0\nfor x in [1, 3, 2]:\n    best = max(best, x)\n    y = best",
        "line 4: serial: reads `best`, which the loop changes",
    ),
    "a store in an outer list that it reads": (
        "xs = [0, 0]\nfor i in range(2):\n    xs[i] = xs[i - 1] + i",
        "line 3: serial: reads `xs`, which the loop changes",
    ),
    "a store in an outer list that grows": (
        "xs = [0, 0]\nfor i in range(2):\n    xs[i] = i\n    xs.append(i)",
        "line 3: serial: changes `xs` in place",
    ),
    "sort of an accumulator": (
        "out = []\nfor x in [2, 1]:\n    out.append(x)\n    out.sort()",
        "line 4: serial: reads `out`, which the loop changes",
    ),
    "an accumulator of another type": (
        "import array\nout = array.array('i')\nfor x in [1, 2]:\n    out.append(x)",
        "line 4: serial: calls `out.append()`, which may change it",
    ),
    "a generator that reads an accumulator": (
        "out = []\ndef grow():\n    for i in range(3):\n        yield len(out)\n"
        "for x in grow():\n    out.append(x)",
        "line 5: serial: calls `grow`, which reads `out`, which the loop changes",
    ),
}


@pytest.mark.parametrize(("source", "said"), REFUSED.values(), ids=REFUSED)
def test_refused(source, said):
    runs_serially(source, said)
