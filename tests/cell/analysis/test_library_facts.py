"""Calls of library code that has hidden state, changes what it is given, or depends on order.

Covers `nbexec.cell.analysis.method_facts`.
"""

from __future__ import annotations

import pytest

from nbexec.cell.plan import plan

from ..both_ways import runs_serially

REFUSED = {
    "a print to a file": (
        "import sys\nfor x in [1, 2]:\n    print(x, file=sys.stdout)",
        "line 3: serial: ",
    ),
    "a progress bar": (
        "from tqdm import tqdm\nout = []\nfor x in [1, 2]:\n    for y in tqdm([3], disable=True):\n"
        "        out.append(x * y)",
        "line 4: serial: calls `tqdm.std.tqdm`, which draws a progress bar, where bars come in an order",
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
}


@pytest.mark.parametrize(("source", "said"), REFUSED.values(), ids=REFUSED)
def test_refused(source, said):
    runs_serially(source, said)


def test_drawing_on_axes_says_so():
    bokeh = pytest.importorskip("bokeh.plotting")
    figures = [bokeh.figure(), bokeh.figure()]
    cell = "for i, figure in enumerate(figures):\n    figure.line([1, 2], [i, i])"
    assert "drawing has an order" in plan(cell, {"figures": figures}).steps[0].reason
